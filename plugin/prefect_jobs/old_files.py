"""Files whose time is over: exports that may go, uploads that nobody imported, and what killed jobs left.

Looked at are the names that jobs give, in the folders that jobs write to, and nothing else: no link is followed, no
folder entered but a job's own. A file that a job still writes or reads is locked by it, and stays.
"""

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from prefect_jobs.export_terms import TermsUnreadable, forget_terms, read_terms
from prefect_jobs.exports import PUBLISHED_FILE_NAME
from prefect_jobs.finished_files import leftovers
from prefect_jobs.scratch import abandoned

logger = logging.getLogger(__name__)

UPLOADS = "*.upload"


@dataclass(frozen=True)
class OldFile:
    """A file that went, or in a dry run would go."""

    name: str
    bytes: int


def remove_old_exports(folder: Path, *, now: datetime, days: int | None, dry_run: bool) -> Iterator[OldFile]:
    """Remove the published files that are older than `days`, or than the days of their own that were promised.

    With `days` None only those go that have days of their own. A file under legal hold stays, and so does one whose
    terms cannot be read.
    """
    for path in _files(folder, "*_*.*"):
        if not PUBLISHED_FILE_NAME.fullmatch(path.name):
            continue
        try:
            terms = read_terms(folder, path.name)
        except TermsUnreadable as error:
            logger.warning("%s; the file stays", error)
            continue
        kept = (terms.retention_days if terms else None) or days
        if kept is None or (terms is not None and terms.legal_hold) or not _is_older(path, now, kept):
            continue
        if found := _remove(path, dry_run):
            if not dry_run:
                forget_terms(folder, path.name)
            yield found


def remove_old_uploads(folder: Path, *, now: datetime, days: int, dry_run: bool) -> Iterator[OldFile]:
    """Remove the uploads that nobody has imported for so many days."""
    for path in _files(folder, UPLOADS):
        if _is_older(path, now, days) and (found := _remove(path, dry_run)):
            yield found


def remove_leftovers_in(folders: list[Path], scratch: Path, *, dry_run: bool) -> Iterator[OldFile]:
    """Remove what killed jobs left: files that were not finished in these folders, and folders in `scratch`."""
    for folder in folders:
        for name, size in leftovers(folder, remove=not dry_run):
            yield OldFile(name, size)
    for folder, size in abandoned(scratch):
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        yield OldFile(folder.name, size)


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if stat.S_ISREG(path.lstat().st_mode))


def _is_older(path: Path, now: datetime, days: int) -> bool:
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime < (now - timedelta(days=days)).timestamp()
    return False


def _remove(path: Path, dry_run: bool) -> OldFile | None:
    """Remove a file that no job holds; None when one does."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(descriptor).st_size
            if not dry_run:
                path.unlink()
            return OldFile(path.name, size)
        finally:
            os.close(descriptor)
    return None
