"""Making a backup: every table of one moment into an archive, which is read again before it counts as one."""

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from prefect_jobs import __version__
from prefect_jobs.events.backup.archive import ArchiveReader, ArchiveWriter, Manifest
from prefect_jobs.events.backup.consistent_copy import StepTaken, consistent_copy
from prefect_jobs.events.backup.stored_tables import TABLES, rows_of
from prefect_jobs.events.database import SCHEMA, EventStore
from prefect_jobs.room import needing_room

BATCH = 1_000
CHUNK = 1 << 20

Tell = Callable[[int, str], None]
"""Takes percent and message."""


@needing_room("make the backup")
def write_backup(
    store: EventStore,
    file: BinaryIO,
    *,
    backup_id: str,
    at: datetime,
    scratch: Path,
    tell: Tell,
    step_taken: StepTaken,
) -> Manifest:
    """Write the whole store into a file that can be read and written, and prove that it can be read again.

    Raises:
        CopyDamaged: the store itself is damaged.
        DamagedBackup: what was written is not what is read.
    """

    def stepping(batches: Generator[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
        with closing(batches):  # before its connection is
            for batch in batches:
                step_taken()
                yield batch

    with ArchiveWriter(file) as writer:
        with consistent_copy(store, scratch, step_taken) as connection:
            for place, name in enumerate(TABLES):
                tell(80 * place // len(TABLES), f"Exporting {name}")
                writer.write_table(name, stepping(rows_of(connection, name, BATCH)))
        tell(85, "Creating manifest")
        manifest = writer.write_manifest(backup_id, at, __version__, SCHEMA.newest, store.engine.dialect.name)
        tell(90, "Creating ZIP archive")
    tell(95, "Finalizing backup")
    file.flush()
    verify(file, step_taken)
    return manifest


def verify(file: BinaryIO, step_taken: StepTaken, *, unpacked_limit: int | None = None) -> ArchiveReader:
    """Read a whole archive and hold it against its manifest.

    Raises:
        DamagedBackup: it is not what it says.
    """
    file.seek(0)
    archive = ArchiveReader(file, unpacked_limit=unpacked_limit)
    for name in archive.manifest.contents:
        for number, _ in enumerate(archive.rows(name)):
            if number % BATCH == 0:
                step_taken()
    file.seek(0)
    return archive


def checksum_of(file: BinaryIO) -> str:
    """SHA-256 of a file, in hex."""
    checksum = hashlib.sha256()
    file.seek(0)
    while data := file.read(CHUNK):
        checksum.update(data)
    return checksum.hexdigest()
