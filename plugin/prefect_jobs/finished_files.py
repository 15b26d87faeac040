"""Files that jobs leave for others: a reader must never see half a file, two jobs must never write the same one, and a
job that is stopped must leave nothing.

So a file grows under a hidden name that is taken exclusively, gets its final name only when it is complete and on disk,
and vanishes on any exception. What a killed process leaves is found by its lock, which died with it, and removed by the
next job that writes into the folder, or by the cleanup.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from prefect_jobs.room import needing_room

_HIDDEN_PREFIX, _HIDDEN_SUFFIX = ".", ".part"


@contextmanager
def new_finished_file(folder: Path, name: str, *, replace: bool = False) -> Generator[BinaryIO]:
    """A file to write that appears as `folder / name` when the block ends well, and leaves nothing when it does not.

    Makes the folder (mode 0700); the file is the owner's alone (mode 0600). Raises `FileExistsError` when the name is
    taken, by a file being written or, unless it may be replaced, by a finished one.
    """
    with needing_room(f"write the file {name}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_leftovers(folder)
        final = folder / name
        hidden = folder / f"{_HIDDEN_PREFIX}{name}{_HIDDEN_SUFFIX}"
        with open(_reserve(hidden), "w+b", buffering=1 << 20) as file:
            try:
                # Whoever writes this name holds the hidden one, so nobody can take it between here and the rename.
                if final.exists() and not replace:
                    raise FileExistsError(f"There is a file of this name already: {final.name}")
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
    """Remove what killed jobs left in the folder, and say how many files that were; running jobs keep theirs."""
    return sum(1 for _ in leftovers(folder, remove=True))


def leftovers(folder: Path, *, remove: bool) -> Generator[tuple[str, int]]:
    """What killed jobs left in the folder: each file's name and size in bytes. With `remove` they are gone then."""
    for hidden in sorted(folder.glob(f"{_HIDDEN_PREFIX}*{_HIDDEN_SUFFIX}")):
        with suppress(OSError):  # already gone, or locked by the job that writes it
            descriptor = os.open(hidden, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                size = os.fstat(descriptor).st_size
                if remove:
                    hidden.unlink()
            finally:
                os.close(descriptor)
            yield hidden.name, size


def _reserve(hidden: Path) -> int:
    """Create and lock a hidden file; its descriptor."""
    while True:
        descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # swept by another job between its making and its lock


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
