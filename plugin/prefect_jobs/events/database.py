"""The event store's database, SQLite or PostgreSQL by URL.

`open_event_store` returns a store whose connections are set right and whose tables are those of this release.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine

from prefect_jobs.databases import BEGIN, Schema, database_address, make_folder, not_opened, prepare_sqlite
from prefect_jobs.databases.schema import UPGRADE_PATIENCE
from prefect_jobs.events.models import Base
from prefect_jobs.room import needing_room

BUSY_TIMEOUT = 300.0
"""Seconds that a writer waits for its turn on SQLite: while a store is restored, nobody writes."""
POOL_KEPT = 1
POOL_MOST = 5
"""Connections to PostgreSQL of one store: each running job that reads events opens one."""

SCHEMA = Schema(
    tables=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    version_table="event_store_schema",
    unversioned={
        "camera": "id name",
        "event": "id batch_id camera_id started_at ended_at risk_score risk_level summary reasoning notes reviewed "
        "is_fast_path object_types clip_path deleted_at",
        "detection": "id event_id object_type confidence detected_at box_x box_y box_width box_height",
    },
)


@dataclass(frozen=True)
class EventStore:
    """An open event store; `close` gives its connections back."""

    engine: Engine

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """A connection whose statements all see the data of one moment, whatever others write meanwhile."""
        with self.engine.connect() as connection:
            if not self.on_sqlite:  # a SQLite transaction is a snapshot by itself
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction that writes: committed at the end, or rolled back on any exception. SQLite lets one write."""
        with (
            needing_room("write to the event store"),
            self.engine.execution_options(**{BEGIN: "IMMEDIATE"}).begin() as connection,
        ):
            yield connection

    @property
    def on_sqlite(self) -> bool:
        """Whether it is a SQLite database."""
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> "EventStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_event_store(url: str) -> EventStore:
    """Open the event store at the URL of a SQLite or PostgreSQL database, and make or migrate its tables.

    Raises:
        DatabaseNotOpened: it cannot be reached or used; the message says why, without the secrets of the URL.
        OSError: its folder cannot be made.
    """
    address = database_address(url, "sync")
    on_sqlite = address.get_backend_name() == "sqlite"
    if on_sqlite:
        make_folder(address)
    with not_opened():
        if on_sqlite:
            engine = create_engine(address, hide_parameters=True)
            prepare_sqlite(engine, patience=BUSY_TIMEOUT, foreign_keys=True)
        else:
            engine = create_engine(
                address,
                hide_parameters=True,
                pool_pre_ping=True,  # a job may pause for hours between two questions
                pool_size=POOL_KEPT,
                max_overflow=POOL_MOST - POOL_KEPT,
            )
    try:
        with not_opened():
            _bring_up_to_date(engine, address)
    except BaseException:
        engine.dispose()
        raise
    return EventStore(engine)


def _bring_up_to_date(engine: Engine, address: URL) -> None:
    with engine.connect() as connection:
        if SCHEMA.is_current(connection):
            return
    upgrading = create_engine(address, poolclass=NullPool, hide_parameters=True)
    if address.get_backend_name() == "sqlite":
        prepare_sqlite(upgrading, patience=UPGRADE_PATIENCE)
    with upgrading.execution_options(**{BEGIN: "IMMEDIATE"}).begin() as connection:
        SCHEMA.bring_up_to_date(connection)
