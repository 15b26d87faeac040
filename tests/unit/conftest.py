"""An index in a file, for tests that need no server (or on PostgreSQL, where `tests/databases.py` is told so)."""

from collections.abc import AsyncGenerator, Generator

import pytest

from prefect_jobs.store import JobIndex, LogStore, open_database
from prefect_jobs.store.database import Database
from tests.unit.job_bodies import recorded_reports


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


@pytest.fixture
def reports() -> Generator[list[tuple[int, str | None]]]:
    """Percent and message of what a job's body reports."""
    with recorded_reports() as recorded:
        yield recorded
