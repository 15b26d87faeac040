"""Opening the adapter's database: SQLite in a file by default, PostgreSQL by URL.

A question that takes too long must not keep the others waiting for ever: who reads has a limit for each statement, on
SQLite by its progress handler, on PostgreSQL by ``statement_timeout``. Who writes has none: what the index does itself
it does in batches.

    StoreError
    ├── QueryTooSlow       the statement was given up
    └── StoreUnavailable   the database cannot be reached, or is locked
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from prefect_jobs.store.tables import clock, metadata

STATEMENT_LIMIT = 5.0
"""Seconds that a reader's statement may take."""
STEPS_BETWEEN_LOOKS = 20_000
"""Steps of SQLite's virtual machine: a look costs nothing, and comes about every millisecond."""
DEADLINE = "prefect_jobs_deadline"
CANCELED = "57014"
"""PostgreSQL's code for a statement that its ``statement_timeout`` ended."""


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # The index can be rebuilt, so a power cut may cost its last moment; a process that dies costs nothing.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


class StoreError(Exception):
    """The adapter's database could not answer."""

    code = "STORE_UNAVAILABLE"


class QueryTooSlow(StoreError):
    """The database did not answer within {limit} s - ask for less, or try again later"""

    code = "QUERY_TIMEOUT"

    def __init__(self, limit: float) -> None:
        super().__init__(f"The database did not answer within {limit:g} s - ask for less, or try again later")


class StoreUnavailable(StoreError):
    """The database is not reachable - try again shortly"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class _Deadline:
    """When SQLite has to give a statement up. Asked by SQLite itself, in the connection's own thread."""

    def __init__(self) -> None:
        self.limit: float | None = None
        self.at = float("inf")

    def passed(self) -> bool:
        return time.monotonic() > self.at


def _watch_sqlite(engine: Engine) -> None:
    """Let SQLite ask, every so many steps, whether the time of its statement is up."""

    def connected(connection: Any, record: Any) -> None:
        deadline = record.info[DEADLINE] = _Deadline()

        def ask_often(driver: Any) -> Any:
            return driver.set_progress_handler(deadline.passed, STEPS_BETWEEN_LOOKS)

        connection.run_async(ask_often)

    def begins(connection: Any, *_: object) -> None:
        deadline: _Deadline = connection.info[DEADLINE]
        if deadline.limit is not None:
            deadline.at = time.monotonic() + deadline.limit

    def ended(connection: Any, *_: object) -> None:
        connection.info[DEADLINE].at = float("inf")

    event.listen(engine, "connect", connected)
    event.listen(engine, "before_cursor_execute", begins)
    event.listen(engine, "after_cursor_execute", ended)


def _translated(error: DBAPIError, limit: float) -> StoreError | None:
    """What this failure of a reader is in our words, or None when it is a mistake of ours."""
    cause = error.orig
    if getattr(cause, "sqlstate", None) == CANCELED:
        return QueryTooSlow(limit)
    if isinstance(cause, sqlite3.OperationalError):
        code = getattr(cause, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT:
            return QueryTooSlow(limit)
        return StoreUnavailable() if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else None
    if error.connection_invalidated or (isinstance(error, OperationalError) and not isinstance(cause, sqlite3.Error)):
        return StoreUnavailable()
    return None


class Database:
    """One open database. Readers go side by side; writers, of which SQLite bears only one, stand in line here."""

    def __init__(self, engine: AsyncEngine, *, statement_limit: float = STATEMENT_LIMIT) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()
        self._limit = statement_limit
        self._on_sqlite = engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """A connection to read by. Each statement has so many seconds; then it is given up.

        Raises:
            QueryTooSlow: one had not ended by then.
            StoreUnavailable: the database cannot be reached, or stays locked.
        """
        try:
            async with self._engine.connect() as connection:
                if not self._on_sqlite:
                    # For this transaction only: the next to use the connection may be a writer.
                    await connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(self._limit * 1000)}")
                    yield connection
                    return
                deadline: _Deadline = (await connection.get_raw_connection()).info[DEADLINE]
                deadline.limit = self._limit
                try:
                    yield connection
                finally:
                    deadline.limit, deadline.at = None, float("inf")
        except DBAPIError as error:
            translated = _translated(error, self._limit)
            if translated is None:
                raise
            raise translated from error

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """A connection in a transaction that is committed at the end, the only writing one of this process."""
        async with self._writing, self._engine.begin() as connection:
            yield connection


@asynccontextmanager
async def open_database(url: str, *, statement_limit: float = STATEMENT_LIMIT) -> AsyncGenerator[Database]:
    """The adapter's database, its tables made when missing; a reader's statement may take ``statement_limit`` seconds.

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
        _watch_sqlite(engine.sync_engine)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            if (await connection.execute(select(clock.c.id))).first() is None:
                # Versions start at the time in ms: those of a rebuilt index are above all that went before.
                start = int(time.time() * 1000)
                await connection.execute(insert(clock).values(id=1, version=start, floor=start))
        yield Database(engine, statement_limit=statement_limit)
    finally:
        await engine.dispose()
