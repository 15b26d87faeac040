"""The embedded database under clients that write at once: SQLAlchemy with the plugin, as the server's URL names it. The
real server under twenty of them is in ``tests/edge``."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from prefect_jobs.one_connection import NestedSession
from prefect_jobs.prefect_environment import embedded_server


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    url = embedded_server(tmp_path)["PREFECT_API_DATABASE_CONNECTION_URL"]
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    yield engine
    await engine.dispose()


async def test_transactions_that_read_before_they_write_never_meet(engine: AsyncEngine) -> None:
    async def count() -> None:
        async with engine.begin() as connection:
            value = (await connection.execute(text("SELECT value FROM counter"))).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE counter SET value = :next"), {"next": value + 1})

    await asyncio.gather(*(count() for _ in range(50)))

    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT value FROM counter"))).scalar_one() == 50


async def test_a_session_inside_a_session_fails_at_once_and_spares_the_others(engine: AsyncEngine) -> None:
    """A tag limit on the embedded server held everybody up for as long as the pool lets wait: 30 seconds a task."""
    async with engine.connect():
        with pytest.raises(NestedSession, match="PostgreSQL"):
            await engine.connect()

    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
