"""What prefect-jobs keeps on a machine is for the user it runs as: databases with jobs' parameters and results, keys,
finished files. A folder that was there before, or a database of an earlier release, may be open to others, and a umask
decides nothing about what exists.

So files are made for their owner alone, and what is there is closed at the start. Where that is not possible, because
it belongs to another user, the start refuses.
"""

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
OTHERS = 0o077
EVERYBODY = 0o007
DATABASE_PARTS = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of a database for the files beside it."""


class OpenToOthers(Exception):
    """Other users may use what is ours, and this one cannot forbid it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is open to other users and belongs to another one: have its owner close it (chmod go-rwx), "
            "or name another place"
        )


def close_folder(folder: Path) -> None:
    """Close a folder to others, and everything in it; a folder that is not there stays so.

    Raises:
        OpenToOthers: the folder is another user's. What is another's in a folder of ours is out of reach anyway.
    """
    if not folder.is_dir():
        return
    try:
        _close(folder)  # first: from here on nobody else can put anything in the place of what follows
    except OpenToOthers:
        # Another user's folder that a group shares is shared on purpose; one that everybody may enter is not.
        if folder.stat().st_mode & EVERYBODY:
            raise
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(OpenToOthers):
                _close(Path(place, name))


def close_database(file: Path) -> None:
    """Close a SQLite database to others, and what stands beside it.

    Raises:
        OpenToOthers: it is another user's.
    """
    for part in DATABASE_PARTS:
        _close(Path(f"{file}{part}"))


def make_database(file: Path) -> None:
    """Make the file of a SQLite database, for its owner alone, where there is none; else close it to others.

    SQLite gives the files beside it the mode that it has.

    Raises:
        OpenToOthers: it is another user's.
        OSError: it cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    close_database(file)


def write_secret(file: Path, text: str) -> None:
    """Write a file for its owner alone; whoever reads it sees the old text or the new one.

    Raises:
        OSError: it cannot be written.
    """
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE), "w") as out:
            out.write(text + "\n")
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def kept_secret(file: Path, *, prefix: str = "") -> str:
    """The secret that this file holds; a new one, made of chance behind the prefix, where it holds none.

    Raises:
        OpenToOthers: it is another user's.
        OSError: it cannot be read or written.
    """
    with suppress(FileNotFoundError):
        _close(file)
        if held := file.read_text().strip():
            return held
    made = prefix + secrets.token_urlsafe(32)
    write_secret(file, made)
    return made


def close_all(folders: Iterable[Path]) -> None:
    """Close several folders.

    Raises:
        OpenToOthers: one is another user's.
    """
    for folder in folders:
        close_folder(folder)


def _close(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
    except FileNotFoundError:  # gone meanwhile, or never there
        return
    except PermissionError as error:
        raise OpenToOthers(path) from error
