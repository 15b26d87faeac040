"""The export folder: one room for the names, types and birth of export files, shared by those who write and serve them.

A reader must never see half a file, two exports must never write the same one, and an export that is stopped must leave
nothing. So a file grows under a hidden name that is taken exclusively, gets its final name only when it is complete and
on disk, and vanishes on any exception. What a killed process leaves is found by its lock, which died with it, and
removed by the next export.
"""

import fcntl
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from prefect_jobs.events.times import as_utc

CONTENT_TYPES = {"csv": "text/csv", "json": "application/json", "zip": "application/zip"}
"""The export formats, which are also the file extensions, and how each is served."""

EXPORT_FILE_NAME = re.compile(r"events_export_\d{8}_\d{6}_[0-9a-f]{8}\.(csv|json|zip)", re.ASCII)
"""Use with `fullmatch`: a name that an export may have given; hidden files and paths never match."""

PUBLISHED_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}_[0-9a-f]{8}\.[A-Za-z0-9]{1,10}", re.ASCII)
"""Use with `fullmatch`: a name that a job may have published a file under; exports are among them."""

EXPORTS_PATH = "/api/exports"
"""Where the jobs API serves export files."""

_HIDDEN_PREFIX, _HIDDEN_SUFFIX = ".", ".part"


class UnsupportedFormat(ValueError):
    """Unsupported export format: {format}"""

    def __init__(self, format: str) -> None:
        super().__init__(f"Unsupported export format: {format}")


def require_format(format: str) -> None:
    """Raise `UnsupportedFormat` unless the format is one of `CONTENT_TYPES`."""
    if format not in CONTENT_TYPES:
        raise UnsupportedFormat(format)


def export_stem(run_id: UUID, at: datetime) -> str:
    """The file name of an export without its extension: `events_export_20260304_081552_5d1c0f4e` (UTC)."""
    return f"events_export_{as_utc(at):%Y%m%d_%H%M%S}_{run_id.hex[:8]}"


def published_name(name: str, run_id: UUID) -> str:
    """The name of a file that a run publishes: `report.pdf` becomes `report_5d1c0f4e.pdf`.

    Raises `ValueError` when that is no `PUBLISHED_FILE_NAME`.
    """
    stem, dot, extension = name.rpartition(".")
    final = f"{stem}_{run_id.hex[:8]}{dot}{extension}"
    if not PUBLISHED_FILE_NAME.fullmatch(final):
        raise ValueError(f"A file cannot be published under this name: {name!r}")
    return final


@contextmanager
def new_export_file(folder: Path, name: str, *, replace: bool = False) -> Generator[BinaryIO]:
    """A file to write that appears as `folder / name` when the block ends well, and leaves nothing when it does not.

    Makes the folder (mode 0700); the file is the owner's alone (mode 0600). Raises `FileExistsError` when the name is
    taken, by a file being written or, unless it may be replaced, by a finished one.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_leftovers(folder)
    final = folder / name
    hidden = folder / f"{_HIDDEN_PREFIX}{name}{_HIDDEN_SUFFIX}"
    with open(_reserve(hidden), "wb", buffering=1 << 20) as file:
        try:
            # Whoever writes this name holds the hidden one, so nobody can take it between here and the rename.
            if final.exists() and not replace:
                raise FileExistsError(f"Export file exists already: {final.name}")
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.rename(hidden, final)
        except BaseException:
            with suppress(FileNotFoundError):
                hidden.unlink()
            raise
    _sync_folder(folder)


def remove_leftovers(folder: Path) -> int:
    """Remove what killed exports left in the folder, and say how many files that were; running exports keep theirs."""
    return sum(_remove_if_abandoned(hidden) for hidden in folder.glob(f"{_HIDDEN_PREFIX}*{_HIDDEN_SUFFIX}"))


def _reserve(hidden: Path) -> int:
    """Create and lock a hidden file; its descriptor."""
    while True:
        descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # swept by another export between its making and its lock


def _remove_if_abandoned(hidden: Path) -> bool:
    with suppress(OSError):  # already gone, or locked by the export that writes it
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.unlink()
        finally:
            os.close(descriptor)
        return True
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
