"""Putting a backup in place of what is in the store: all of it, or, whatever happens, nothing.

On PostgreSQL one transaction does it. On SQLite a new database is made beside the old one and proven; then its pages
replace those of the old one in one transaction, by SQLite's online backup in the other direction. Files are never
exchanged: a process that has the old one open would go on with that.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, delete, text
from sqlalchemy.exc import SQLAlchemyError

from prefect_jobs.events.backup.archive import ArchiveReader, DamagedBackup, NewerBackup
from prefect_jobs.events.backup.consistent_copy import StepTaken, copy_pages, driver_connection
from prefect_jobs.events.backup.making import BATCH, Tell, verify
from prefect_jobs.events.backup.stored_tables import TABLES, write_rows
from prefect_jobs.events.database import SCHEMA, EventStore, open_event_store
from prefect_jobs.events.ids import continue_ids
from prefect_jobs.scratch import scratch_folder

REQUIRED = ("cameras", "events")


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


def restore(store: EventStore, archive: ArchiveReader, *, scratch: Path, tell: Tell, step_taken: StepTaken) -> None:
    """Replace everything in the store by what is in an archive that `open_archive` has read.

    Raises:
        DamagedBackup: its rows do not fit together. The store is as it was.
    """
    if store.on_sqlite:
        _restore_sqlite(store, archive, scratch, tell, step_taken)
    else:
        with _refusing_rows(), store.writing() as connection:
            names = ", ".join(table.name for table in TABLES.values())
            connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))  # readers go on
            for table in reversed(TABLES.values()):
                connection.execute(delete(table))
            _fill(connection, archive, tell, step_taken)
            for name, table in TABLES.items():
                if name != "cameras":  # those are named, not numbered
                    continue_ids(connection, table.name)


def _restore_sqlite(
    store: EventStore, archive: ArchiveReader, scratch: Path, tell: Tell, step_taken: StepTaken
) -> None:
    with scratch_folder(scratch) as folder, open_event_store(f"sqlite:///{folder / 'new.db'}") as new:
        with _refusing_rows(), new.writing() as connection:
            _fill(connection, archive, tell, step_taken)
        tell(90, "Replacing the event store")
        with new.engine.connect() as source, store.engine.connect() as target:
            found = source.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if found != "ok":
                raise DamagedBackup(str(found))
            pages, place = driver_connection(source), driver_connection(target)
            for connection in (pages, place):
                connection.rollback()  # SQLAlchemy has begun a transaction; the copy is one by itself
            copy_pages(pages, place, step_taken)


def _fill(connection: Connection, archive: ArchiveReader, tell: Tell, step_taken: StepTaken) -> None:
    total = sum(archive.manifest.count(name) for name in TABLES)
    done = 0
    for name in TABLES:
        for rows in _batches(archive.rows(name)):
            step_taken()
            write_rows(connection, name, rows)
            done += len(rows)
            tell(40 + 50 * done // max(1, total), f"Restoring {name}: {done}/{total}")


def _batches(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


@contextmanager
def _refusing_rows() -> Generator[None]:
    """Rows that the tables do not take are a damage of the archive."""
    try:
        yield
    except (SQLAlchemyError, ValueError) as error:
        said = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise DamagedBackup(f"its rows do not fit together ({said})") from error
