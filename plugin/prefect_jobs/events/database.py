"""The event store's database. SQLite needs telling: it starts without foreign keys, gives up at once on a lock, and
Python's driver opens no transaction for a SELECT, so that a count and the rows after it may disagree.

`open_event_store` returns a store whose connections are set right and whose tables exist.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from prefect_jobs.events.models import Base

BUSY_TIMEOUT_MS = 30_000


@dataclass(frozen=True)
class EventStore:
    """An open event store; `close` gives its connections back."""

    engine: Engine

    @contextmanager
    def snapshot(self) -> Generator[Connection]:
        """A connection whose statements all see the data of one moment, whatever others write meanwhile."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name != "sqlite":  # a SQLite transaction is a snapshot by itself
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> "EventStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_event_store(url: str) -> EventStore:
    """Open the event store at a SQLAlchemy URL (sync driver) and create what is missing of its tables.

    Raises `sqlalchemy.exc.SQLAlchemyError` if the database cannot be opened, `OSError` if its folder cannot be made.
    """
    database = make_url(url)
    if database.get_backend_name() == "sqlite":
        _make_folder(database.database)
    engine = create_engine(database)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    Base.metadata.create_all(engine)
    return EventStore(engine)


def _make_folder(file: str | None) -> None:
    if file and file != ":memory:" and not file.startswith("file:"):
        Path(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, reading ones too
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL: no corruption, a power cut may lose the last commits


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
