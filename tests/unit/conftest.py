"""An index in a file, for tests that need no server."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from prefect_jobs.store import JobIndex, LogStore, open_database
from prefect_jobs.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path / 'index.db'}") as opened:
        yield opened


@pytest.fixture
async def index(database: Database) -> JobIndex:
    return await JobIndex.open(database)


@pytest.fixture
def logs(database: Database) -> LogStore:
    return LogStore(database)
