"""The backup folder: names and order of backups, shared by those who make, serve and restore them."""

import fcntl
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from prefect_jobs.iso_time import as_utc

BACKUP_FILE_NAME = re.compile(r"backup_\d{8}_\d{6}_[0-9a-f]{8}\.zip", re.ASCII)
"""Use with `fullmatch`: a name that a backup has; hidden files and paths never match."""


class BackupUnderWay(Exception):
    """Another backup is being made at this moment."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def backup_name(run_id: UUID, at: datetime) -> str:
    """The file name of a backup: `backup_20260304_081552_5d1c0f4e.zip` (UTC)."""
    return f"backup_{as_utc(at):%Y%m%d_%H%M%S}_{run_id.hex[:8]}.zip"


@contextmanager
def the_only_backup(folder: Path) -> Generator[None]:
    """Make the folder, and let nobody else make a backup into it during the block. Raises `BackupUnderWay`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupUnderWay from error
        yield
    finally:
        os.close(descriptor)


def remove_all_but(folder: Path, keep: int) -> list[str]:
    """Remove the oldest backups until so many are left; their names. One that is being restored stays."""
    names = sorted(name for name in os.listdir(folder) if BACKUP_FILE_NAME.fullmatch(name))
    removed: list[str] = []
    for name in names[: max(0, len(names) - keep)]:
        with suppress(OSError):  # gone, no regular file, or locked by a restore
            descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (folder / name).unlink()
                removed.append(name)
            finally:
                os.close(descriptor)
    return removed
