"""Whether the jobs API serves what a job writes here.

A job publishes a file by writing it into a folder that the jobs API serves. A script that is started by hand knows
where Prefect is and nothing of the jobs API, so it takes the folder that prefect-jobs uses when no setting names one.
The API may use another, and then the result names a file that nobody can fetch.

So the API leaves a note in each folder that it serves, with the addresses of the Prefect servers whose jobs it shows,
and a job looks for the note before it writes. A folder that a setting names needs no note: its author vouches for it.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

NOTE = ".served"
"""The note's name. Hidden, so it is never served itself."""
MOST_SERVERS = 20
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def note_served(folder: Path, prefect_api: str) -> None:
    """Say in a folder that the jobs API of this Prefect server serves it. Makes the folder (mode 0700).

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    servers = [server for server in _servers(folder) if server != prefect_api]
    text = "\n".join([*servers[-MOST_SERVERS + 1 :], prefect_api, ""])
    # Two that start at once: a reader sees the one note or the other, never half of one.
    descriptor, draft = tempfile.mkstemp(dir=folder, prefix=NOTE)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, folder / NOTE)
    except BaseException:
        os.unlink(draft)
        raise


def is_served(folder: Path, prefect_api: str) -> bool:
    """Whether the jobs API of this Prefect server has left its note in the folder."""
    return any(_may_be_one(prefect_api, server) for server in _servers(folder))


def _servers(folder: Path) -> list[str]:
    with suppress(OSError, UnicodeDecodeError):
        return (folder / NOTE).read_text(encoding="utf-8").split()
    return []


def _may_be_one(first: str, second: str) -> bool:
    """Whether two addresses may lead to one server. Of one machine they do with the same port only."""
    try:
        one, other = urlsplit(first), urlsplit(second)
        here = one.hostname in _LOOPBACK and other.hostname in _LOOPBACK
        return not here or one.port == other.port
    except ValueError:
        return False
