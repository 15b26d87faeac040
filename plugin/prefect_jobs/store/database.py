"""Opening the adapter's database: SQLite in a file by default, PostgreSQL by URL; both behave alike from here on.

Who reads sees the data of one moment, and has a limit for each statement: a question that takes too long must not keep
the others waiting for ever (on SQLite by its progress handler, on PostgreSQL by ``statement_timeout``). Who writes has
no limit, but stands in line: one at a time in the whole database, whichever process it is in. SQLite bears no more, and
versions, log numbers and all that is read before it is written stay right without a thought.

A PostgreSQL server may restart under us. The first statement of each use goes to a connection that may be dead by now;
then it is asked again on a new one, so that nobody notices, and asking first (a "pre-ping") costs nothing.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, AsyncAdaptedQueuePool, NullPool, event, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from prefect_jobs.databases import (
    BEGIN,
    DatabaseNotThere,
    Schema,
    database_address,
    make_folder,
    not_opened,
    prepare_sqlite,
)
from prefect_jobs.databases.schema import UPGRADE_PATIENCE
from prefect_jobs.readiness import Part, Proof
from prefect_jobs.store.cancelled_query import ConnectionThreads
from prefect_jobs.store.deadline import deadline_of, limited, watch_sqlite
from prefect_jobs.store.errors import StoreUnavailable, in_our_words
from prefect_jobs.store.tables import clock, metadata

STATEMENT_LIMIT = 5.0
"""Seconds that a reader's statement may take."""
LOCK_PATIENCE = 10.0
"""Seconds that a writer waits for its turn, and a caller for a connection."""
POOL_KEPT = 5
POOL_MOST = 15
"""Connections to PostgreSQL: those kept open, and the most at one time. A server allows 100 by default."""
SILENT = 10.0
NOT_WRITTEN = 30.0
"""Seconds without an answer, and without a write, after which the database is not taken for one that works."""
WRITE_EVERY = 5.0
IDLE_LIMIT = 60
"""Seconds after which PostgreSQL gives up a writer that does nothing, whose machine may be gone, and frees its turn."""

SCHEMA = Schema(
    tables=metadata,
    migrations=Path(__file__).parent / "migrations",
    version_table="job_index_schema",
    unversioned={
        "jobs": "job_id name job_type status state progress message error result created_at started_at completed_at "
        "due_at attempt deployment_id parameters uses_kit state_id reported_percent reported_message reported_attempt "
        "reported_at version",
        "deleted_jobs": "job_id deleted_at version",
        "clock": "id version floor events_read_until",
        "log_lines": "job_id seq line_id timestamp level message attempt",
        "log_settled": "job_id completed_at",
    },
)

_READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = {limit}"
_WRITE = (
    "SET LOCAL lock_timeout = {patience}; "
    f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_LIMIT * 1000}; "
    "SELECT version FROM clock FOR UPDATE"
)


class Database:
    """One open database. Readers go side by side, writers one after another."""

    def __init__(
        self, engine: AsyncEngine, *, statement_limit: float = STATEMENT_LIMIT, lock_patience: float = LOCK_PATIENCE
    ) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._writing = asyncio.Lock()
        self._limit = statement_limit
        self._patience = lock_patience
        self._on_sqlite = engine.dialect.name == "sqlite"
        self._reads = Proof("the index database", stale=SILENT)
        self._writes = Proof("the writer of the index database", stale=NOT_WRITTEN)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where on this machine it needs room."""
        file = self._engine.url.database
        return (Path(file).resolve().parent,) if self._on_sqlite and file else ()

    def part(self) -> Part:
        """Whether it can be read and written, as far as that was tried lately."""
        reads, writes = self._reads.part(), self._writes.part()
        return Part(reads.up and writes.up, reads.reasons or writes.reasons)

    async def prove(self) -> None:
        """Try whether it can be read, and now and then, or when that failed, written."""
        with suppress(StoreUnavailable, OperationalError):
            async with self.reading() as connection:
                await connection.execute(select(clock.c.id))
            if self._writes.age >= WRITE_EVERY or not self._writes.part().up:
                async with self.writing() as connection:
                    await connection.execute(update(clock).values(id=clock.c.id))

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """A connection to read the data of one moment by. Each statement has so many seconds; then it is given up.

        Raises:
            QueryTooSlow: one had not ended by then.
            StoreUnavailable: the database cannot be reached, or stays locked.
        """
        with _noting(self._reads, "read"), in_our_words(self._limit):
            async with self._engine.connect() as connection:
                if self._on_sqlite:
                    with limited(await deadline_of(connection), self._limit):
                        yield connection
                else:
                    # For this transaction only: the next to use the connection may be a writer.
                    await _answered(connection, _READ.format(limit=max(1, round(self._limit * 1000))))
                    yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """A connection in a transaction that is committed at the end, the only writing one of this database.

        Raises:
            StoreUnavailable: the database cannot be reached, or others write for too long; nothing is written, but
                that the connection may also be lost in the moment of committing.
        """
        async with self._writing:
            with _noting(self._writes, "written"), in_our_words(self._patience):
                async with self._writer.connect() as connection:
                    if self._on_sqlite:
                        await connection.begin()
                    else:
                        await _answered(connection, _WRITE.format(patience=max(1, round(self._patience * 1000))))
                    yield connection
                    await connection.commit()


@contextmanager
def _noting(proof: Proof, verb: str) -> Generator[None]:
    """Note whether the database did what is done in this context; what else goes wrong there says nothing of it."""
    try:
        yield
    except (StoreUnavailable, OperationalError) as error:
        cause = error.orig if isinstance(error, OperationalError) else getattr(error.__cause__, "orig", None)
        proof.failed(f"the index database cannot be {verb}: {str(cause or error).splitlines()[0]}")
        raise
    proof.worked()


async def _answered(connection: AsyncConnection, statement: str) -> None:
    """Begin a transaction with this, on a new connection when the one from the pool turns out to be dead."""
    try:
        await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        await connection.rollback()
        await connection.exec_driver_sql(statement)


@asynccontextmanager
async def open_database(
    url: str, *, statement_limit: float = STATEMENT_LIMIT, lock_patience: float = LOCK_PATIENCE, make: bool = True
) -> AsyncGenerator[Database]:
    """The adapter's database, its tables made or migrated; with ``make`` off only one that is there.

    A reader's statement may take ``statement_limit`` seconds; a writer waits ``lock_patience`` seconds for its turn.

    Raises:
        DatabaseNotThere: it would have to be made.
        DatabaseNotOpened: it cannot be reached or used; the message says why, without the secrets of the URL.
        OSError: its folder cannot be made.
    """
    address = database_address(url, "async")
    if address.get_backend_name() == "sqlite":
        if not make and not await asyncio.to_thread(Path(address.database or "").is_file):
            raise _not_there(address)
        make_folder(address)
    with not_opened():
        engine = _engine(address, lock_patience)
    threads = ConnectionThreads(engine.sync_engine) if engine.dialect.name == "sqlite" else None
    try:
        with not_opened():
            if not make and not await _is_there(engine):
                raise _not_there(address)
            await _bring_up_to_date(engine, address)
        yield Database(engine, statement_limit=statement_limit, lock_patience=lock_patience)
    finally:
        if engine.dialect.name != "sqlite":
            await _all_given_back(engine)
        await engine.dispose()
        if threads is not None:
            await threads.ended()


def _not_there(address: URL) -> DatabaseNotThere:
    # An address without its password; of a file its path.
    where = address.database if address.get_backend_name() == "sqlite" else address.render_as_string()
    return DatabaseNotThere(f"There is no job index at {where} yet: `prefect-jobs up` and `serve` make it.")


async def _is_there(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: inspect(sync).has_table(clock.name))


def _engine(address: URL, patience: float) -> AsyncEngine:
    # Parameters may be what a person gave to a job, and an error is logged with its statement.
    if address.get_backend_name() == "sqlite":
        engine = create_async_engine(address, hide_parameters=True)
        prepare_sqlite(engine.sync_engine, patience=patience)
        watch_sqlite(engine.sync_engine)
        return engine
    return create_async_engine(
        address,
        hide_parameters=True,
        pool_size=POOL_KEPT,
        max_overflow=POOL_MOST - POOL_KEPT,
        pool_timeout=patience,
    )


async def _all_given_back(engine: AsyncEngine) -> None:
    """Wait for the connections of cancelled callers, which are given back in the background; not for ever."""
    given_back = asyncio.Event()

    def note(*_: object) -> None:
        given_back.set()

    for how in ("checkin", "close", "detach", "invalidate"):
        event.listen(engine.sync_engine, how, note)
    pool = engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    with suppress(TimeoutError):
        async with asyncio.timeout(LOCK_PATIENCE):
            while pool.checkedout():
                given_back.clear()
                await given_back.wait()


async def _bring_up_to_date(engine: AsyncEngine, address: URL) -> None:
    async with engine.connect() as connection:
        if await connection.run_sync(SCHEMA.is_current):
            return
    upgrading = create_async_engine(address, poolclass=NullPool, hide_parameters=True)
    if address.get_backend_name() == "sqlite":
        prepare_sqlite(upgrading.sync_engine, patience=UPGRADE_PATIENCE)
    async with upgrading.execution_options(**{BEGIN: "IMMEDIATE"}).begin() as connection:
        await connection.run_sync(SCHEMA.bring_up_to_date)
        if (await connection.execute(select(clock.c.id))).first() is None:
            # Versions start at the time in ms: those of a rebuilt index are above all that went before.
            start = int(time.time() * 1000)
            await connection.execute(insert(clock).values(id=1, version=start, floor=start))
