"""An index in memory, for tests that need no server."""

from collections.abc import AsyncGenerator

import pytest

from prefect_jobs.store import JobIndex, LogStore, open_database
from prefect_jobs.store.database import Database


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with open_database("sqlite+aiosqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def index(database: Database) -> JobIndex:
    return JobIndex(database)


@pytest.fixture
def logs(database: Database) -> LogStore:
    return LogStore(database)
