"""A full disk is nobody's mistake, and says so: one error for it, whoever ran out of room, and a look before.

The system calls it ENOSPC or EDQUOT, SQLite `database or disk is full`, PostgreSQL 53100; each reaches us in another
exception, within others. `needing_room` finds them and says what there was no room for.
"""

import errno
import os
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from prefect_jobs.readiness import Part

SPARE = 4 << 20
"""Bytes that must be free before something new is begun: the databases need some to end what they have begun."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SQLITE_SHMSIZE = 4874
"""SQLite's code when it has no room for the shared memory of its write-ahead log."""
_POSTGRESQL_FULL = "53100"


class NoSpace(OSError):
    """Not enough space to {what}"""

    def __init__(self, what: str) -> None:
        super().__init__(errno.ENOSPC, f"Not enough space to {what}")

    def __str__(self) -> str:
        return str(self.strerror)


def is_full(error: BaseException | None) -> bool:
    """Whether the cause of this is a full disk."""
    for _ in range(10):  # a cause of a cause; not for ever
        if error is None:
            return False
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(code, int) and (code & 0xFF == sqlite3.SQLITE_FULL or code == _SQLITE_SHMSIZE):
            return True
        if getattr(error, "sqlstate", None) == _POSTGRESQL_FULL:
            return True
        orig = getattr(error, "orig", None)  # SQLAlchemy's
        error = orig if isinstance(orig, BaseException) else error.__cause__
    return False


@contextmanager
def needing_room(what: str) -> Generator[None]:
    """Say what there was no room for; of several around each other the outermost, which knows what it is for.

    Raises:
        NoSpace: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if is_full(error):
            raise NoSpace(what) from error
        raise


class Room:
    """The room that is left where this process, and the jobs on this machine, write.

    Args:
        folders: where; one that is not there yet counts as the folder that it will be made in.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(dict.fromkeys(folders))

    def require(self, what: str, *, size: int = 0) -> None:
        """Look whether something of so many bytes can be begun.

        Raises:
            NoSpace: it cannot.
        """
        if any(free_bytes(folder) < size + SPARE for folder in self._folders):
            raise NoSpace(what)

    def part(self) -> Part:
        """For those who ask whether this process can do its work."""
        full = [folder for folder in self._folders if free_bytes(folder) < SPARE]
        return Part(not full, tuple(f"not enough space in {folder}" for folder in full[:1]))


def free_bytes(folder: Path) -> int:
    """How many bytes this user may still write there; without end where nobody knows."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            break
        # Some file systems have no inodes to count.
        return 0 if found.f_files and not found.f_favail else found.f_bavail * found.f_frsize
    return 1 << 62
