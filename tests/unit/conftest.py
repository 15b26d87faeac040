"""An index in a file, for tests that need no server (or on PostgreSQL, where `tests/databases.py` is told so)."""

from collections.abc import AsyncGenerator

import pytest

from prefect_jobs.store import JobIndex, LogStore, open_database
from prefect_jobs.store.database import Database


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def index(database: Database) -> JobIndex:
    return await JobIndex.open(database)


@pytest.fixture
def logs(database: Database) -> LogStore:
    return LogStore(database)
