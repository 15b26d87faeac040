"""Putting a backup in place of what is in the store: all of it, or, whatever happens, nothing.

On PostgreSQL one transaction does it. On SQLite a new database is made beside the old one and proven; then it replaces
the old one in one transaction. Files are never exchanged: a process that has the old one open would go on with that.

What is replaced can be saved first. Events that are written between the saving and the replacing would be in neither,
so it is one transaction from before the one to after the other, and whoever writes waits for its end.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, delete, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from prefect_jobs.events.backup.archive import ArchiveReader, DamagedBackup, NewerBackup
from prefect_jobs.events.backup.consistent_copy import StepTaken, copy_pages, driver_connection
from prefect_jobs.events.backup.making import BATCH, Tell, verify
from prefect_jobs.events.backup.stored_tables import TABLES, write_rows
from prefect_jobs.events.complaints import rows_complaint
from prefect_jobs.events.database import SCHEMA, EventStore, open_event_store
from prefect_jobs.events.ids import continue_ids
from prefect_jobs.room import needing_room
from prefect_jobs.scratch import scratch_folder

REQUIRED = ("cameras", "events")
STEPS = 1_000_000
"""Instructions of SQLite between two looks at whether to go on: a fraction of a second."""

Save = Callable[[], None]
Counts = dict[str, int]
"""Rows of each table."""


def open_archive(file: BinaryIO, step_taken: StepTaken, *, unpacked_limit: int | None = None) -> ArchiveReader:
    """Read an archive through, before anything is done with it.

    Raises:
        DamagedBackup: it is not what it says, or not of this application.
        NewerBackup: it has what this release does not know.
    """
    manifest = ArchiveReader(file).manifest
    if manifest.schema not in SCHEMA.revisions:
        raise NewerBackup(manifest.schema)
    if missing := next((name for name in REQUIRED if name not in manifest.contents), None):
        raise DamagedBackup(f"it has no {missing}")
    if unknown := next((name for name in manifest.contents if name not in TABLES), None):
        raise DamagedBackup(f"it has a table {unknown}, which there is not")
    verify(file, step_taken, unpacked_limit=unpacked_limit)
    return ArchiveReader(file)


@needing_room("restore the backup")
def restore(
    store: EventStore,
    archive: ArchiveReader,
    *,
    scratch: Path,
    tell: Tell,
    step_taken: StepTaken,
    save: Save | None = None,
) -> Counts:
    """Replace everything in the store by what is in an archive that `open_archive` has read.

    `save` is called while every writer waits, and what it then reads of the store is what is replaced.

    Returns:
        How many rows of each table were replaced; nothing is counted without `save`.

    Raises:
        DamagedBackup: its rows do not fit together. The store is as it was.
        NoSpace: the disk is full. So it is then.
    """
    if store.on_sqlite:
        return _restore_sqlite(store, archive, scratch, tell, step_taken, save)
    with store.writing() as connection:
        names = ", ".join(table.name for table in TABLES.values())
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))  # readers go on
        if save is not None:
            save()
        replaced = {name: connection.execute(delete(table)).rowcount for name, table in reversed(TABLES.items())}
        with _refusing_rows():
            _fill(connection, archive, tell, step_taken)
        for name, table in TABLES.items():
            if name != "cameras":  # those are named, not numbered
                continue_ids(connection, table.name)
    return replaced if save is not None else {}


def _restore_sqlite(
    store: EventStore, archive: ArchiveReader, scratch: Path, tell: Tell, step_taken: StepTaken, save: Save | None
) -> Counts:
    with scratch_folder(scratch) as folder:
        file = folder / "new.db"
        with open_event_store(f"sqlite:///{file}") as new:
            with _refusing_rows(), new.writing() as connection:
                _fill(connection, archive, tell, step_taken)
            with new.engine.connect() as source:
                found = source.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                if found != "ok":
                    raise DamagedBackup(str(found))
                tell(90, "Replacing the event store")
                if save is None:
                    _replace_pages(store, source, step_taken)
                    return {}
        return _replace_rows(store, file, step_taken, save)


def _replace_pages(store: EventStore, source: Connection, step_taken: StepTaken) -> None:
    """The quickest way, and the only one where the old database is damaged."""
    with store.engine.connect() as target:
        pages, place = driver_connection(source), driver_connection(target)
        for connection in (pages, place):
            connection.rollback()  # SQLAlchemy has begun a transaction; the copy is one by itself
        copy_pages(pages, place, step_taken)


def _replace_rows(store: EventStore, file: Path, step_taken: StepTaken, save: Save) -> Counts:
    """Save and replace in one transaction: copying pages begins one of its own, and writers would slip in before."""
    with store.engine.connect() as target, _stoppable(driver_connection(target), step_taken) as place:
        place.rollback()
        place.execute("ATTACH DATABASE ? AS restored", (str(file),))
        try:
            place.execute("BEGIN IMMEDIATE")
            save()
            replaced = {
                name: place.execute(f"DELETE FROM main.{table.name}").rowcount
                for name, table in reversed(TABLES.items())
            }
            for table in TABLES.values():
                step_taken()
                columns = ", ".join(column.name for column in table.c)
                place.execute(
                    f"INSERT INTO main.{table.name} ({columns}) SELECT {columns} FROM restored.{table.name} ORDER BY id"
                )
            place.execute("COMMIT")
        finally:
            place.rollback()  # where it was not committed
            place.execute("DETACH DATABASE restored")
    return replaced


@contextmanager
def _stoppable(connection: sqlite3.Connection, step_taken: StepTaken) -> Generator[sqlite3.Connection]:
    """A connection whose statements end when `step_taken` raises, and raise that."""
    stopped: list[BaseException] = []

    def look() -> bool:
        try:
            step_taken()
        except BaseException as error:  # noqa: BLE001  raised again below: SQLite takes no exceptions
            stopped.append(error)
        return bool(stopped)

    connection.set_progress_handler(look, STEPS)
    try:
        yield connection
    except sqlite3.OperationalError as error:
        if stopped:
            raise stopped[0] from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _fill(connection: Connection, archive: ArchiveReader, tell: Tell, step_taken: StepTaken) -> None:
    total = sum(archive.manifest.count(name) for name in TABLES)
    done = 0
    for name in TABLES:
        for rows in _batches(archive.rows(name)):
            step_taken()
            write_rows(connection, name, rows)
            done += len(rows)
            tell(10 + 80 * done // max(1, total), f"Restoring {name}: {done}/{total}")


def _batches(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


@contextmanager
def _refusing_rows() -> Generator[None]:
    """Rows that the tables do not take are a damage of the archive."""
    try:
        yield
    except OperationalError:
        raise  # the database's trouble, such as a full disk, and not the archive's
    except (SQLAlchemyError, ValueError) as error:
        said = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise DamagedBackup(f"its rows do not fit together ({rows_complaint(said)})") from error
