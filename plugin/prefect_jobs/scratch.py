"""A job that needs room on disk for a while must leave none of it behind, not even when it is killed.

So each takes a folder of its own that it holds locked. It is removed when the job is done with it; what a killed job
leaves is known by its lock, which died with it, and goes with the next cleanup.
"""

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_PREFIX = "job-"


@contextmanager
def scratch_folder(root: Path) -> Generator[Path]:
    """An empty folder in `root` for the block, its owner's alone. Makes `root`."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder, descriptor = _take(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def abandoned(root: Path) -> Generator[tuple[Path, int]]:
    """The folders that killed jobs left in `root`, each locked for its turn, with the bytes in it."""
    for folder in sorted(root.glob(f"{_PREFIX}*")):
        with suppress(OSError):  # gone, no folder, or locked by the job that uses it
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder, sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())
            finally:
                os.close(descriptor)


def _take(root: Path) -> tuple[Path, int]:
    while True:
        folder = root / f"{_PREFIX}{uuid4().hex}"
        folder.mkdir(mode=0o700)
        with suppress(FileNotFoundError):  # removed as abandoned between its making and its lock
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return folder, descriptor
            os.close(descriptor)
