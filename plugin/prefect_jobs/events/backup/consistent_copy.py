"""A backup must show one moment of the store, although others write all the time, and must not make them wait.

On PostgreSQL that is a repeatable-read transaction, which is also what `pg_dump` reads in. On SQLite a long reader
keeps the write-ahead log from being reset, which then grows for as long as it reads; so the pages are copied first, by
SQLite's own online backup, and read in peace.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, NullPool, create_engine

from prefect_jobs.events.database import EventStore
from prefect_jobs.scratch import scratch_folder

PAGES = 2_048
"""Pages that are copied between two looks at whether to go on: 8 MiB."""

StepTaken = Callable[[], None]
"""Called every now and then; what it raises ends the work."""


class CopyDamaged(Exception):
    """The event store is damaged: {reason}"""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The event store is damaged: {reason}")


@contextmanager
def consistent_copy(
    store: EventStore, scratch: Path, step_taken: StepTaken, *, pages: int = PAGES
) -> Generator[Connection]:
    """A connection that sees the store as it is at this moment, for as long as one likes.

    Raises:
        CopyDamaged: a page of the SQLite database cannot be right.
    """
    if not store.on_sqlite:
        with store.snapshot() as connection:
            yield connection
        return
    with scratch_folder(scratch) as folder:
        file = folder / "copy.db"
        _copy_into(file, store, step_taken, pages)
        engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if found != "ok":
                raise CopyDamaged(str(found))
            yield connection


def _copy_into(file: Path, store: EventStore, step_taken: StepTaken, pages: int) -> None:
    with closing(sqlite3.connect(file)) as copy, store.engine.connect() as connection:
        # Inside a reading transaction the backup is of its moment; without one it would begin anew at each write.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        copy_pages(driver_connection(connection), copy, step_taken, pages=pages)
        copy.execute("PRAGMA journal_mode = DELETE")


def copy_pages(
    source: sqlite3.Connection, target: sqlite3.Connection, step_taken: StepTaken, *, pages: int = PAGES
) -> None:
    """Replace the pages of one database by those of another: all of them, or, on any exception, none."""

    def after_some_pages(status: int, _left: int, _total: int) -> None:
        if status != sqlite3.SQLITE_DONE:  # then it is done, and nothing that is raised undoes it
            step_taken()

    source.backup(target, pages=pages, progress=after_some_pages)


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection to a SQLite database."""
    driver: Any = connection.connection.driver_connection
    return cast("sqlite3.Connection", driver)
