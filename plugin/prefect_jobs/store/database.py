"""Opening the adapter's database: SQLite in a file by default, PostgreSQL by URL."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from prefect_jobs.store.tables import clock, metadata


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # The index can be rebuilt, so a power cut may cost its last moment; a process that dies costs nothing.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


class Database:
    """One open database. Readers go side by side; writers, of which SQLite bears only one, stand in line here."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """A connection to read by."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """A connection in a transaction that is committed at the end, the only writing one of this process."""
        async with self._writing, self._engine.begin() as connection:
            yield connection


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[Database]:
    """The adapter's database, its tables made when missing.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be opened.
    """
    address = make_url(url)
    on_sqlite = address.get_backend_name() == "sqlite"
    if on_sqlite:
        if not address.database or ":memory:" in address.database:
            # A cancelled query costs its connection, and with it everything.
            raise ArgumentError("a SQLite database in memory cannot hold the job index, name a file")
        Path(address.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_async_engine(url)
    if on_sqlite:
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            if (await connection.execute(select(clock.c.id))).first() is None:
                # Versions start at the time in ms: those of a rebuilt index are above all that went before.
                start = int(time.time() * 1000)
                await connection.execute(insert(clock).values(id=1, version=start, floor=start))
        yield Database(engine)
    finally:
        await engine.dispose()
