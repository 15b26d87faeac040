"""What must hold before anything is started: found out now, it is a sentence; found out later, it is four processes
that fail in turn."""

import fcntl
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from prefect_jobs.cli.refusals import Refusal, refusing_with
from prefect_jobs.private_files import OpenToOthers, close_all, close_folder
from prefect_jobs.processes import command_line, start_time, with_open_file

if TYPE_CHECKING:
    from prefect_jobs.settings import Settings

LOCK = "up.lock"
LEFT_BEHIND_ENDS_WITHIN = 20.0
"""Seconds that what a killed `up` left behind gets: its guardian kills it after 10, and sidecars after 15."""


def require_free_port(host: str, port: int) -> None:
    """Check that this process may listen there.

    Raises:
        Refusal: it may not.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Refusal(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error


def require_writable_folder(folder: Path) -> None:
    """Make a folder, for this user alone, if it is missing, and check that files can be made in it.

    Raises:
        Refusal: they cannot.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise Refusal(f"Cannot write to the data folder {folder}: {error.strerror or error}.") from error


def require_private_files(settings: "Settings") -> None:
    """Make the data folder if it is missing, and close what is kept to other users, whatever it was like before.

    Raises:
        Refusal: the folder cannot be written to, or something is another user's and open to others.
    """
    require_writable_folder(settings.data_path)
    with refusing_with("Other users could read what is kept here", OpenToOthers, OSError):
        close_folder(settings.data_path)
        close_all((settings.exports_path, settings.uploads_path, settings.backups_path))


@contextmanager
def only_one(folder: Path) -> Generator[int]:
    """Hold a data folder: two servers on the same databases would ruin each other's work.

    Yields:
        the open file whose lock holds it. A process that is given it holds the folder for as long as it lives.

    Raises:
        Refusal: another process holds it.
    """
    file = folder / LOCK
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as lock:
        give_up_at = time.monotonic() + LEFT_BEHIND_ENDS_WITHIN
        while not _taken(lock):
            owner = _owner(lock)
            if owner is not None:
                raise Refusal(
                    f"Another `prefect-jobs up` (process {owner}) is already running on the data folder {folder}."
                )
            # That of a killed one; what it left is ended in a moment.
            if time.monotonic() > give_up_at:
                raise Refusal(f"The data folder {folder} is in use by {_holders(file)}: end it first.")
            time.sleep(0.1)
        lock.truncate(0)
        lock.write(f"{os.getpid()} {start_time(os.getpid())}\n")
        lock.flush()
        yield descriptor


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _owner(lock: TextIO) -> int | None:
    """The `up` that took the lock, if it lives."""
    lock.seek(0)
    pid, _, started = lock.readline().strip().partition(" ")
    if not pid.isdecimal() or not started.isdecimal():
        return None
    return int(pid) if start_time(int(pid)) == int(started) else None


def _holders(file: Path) -> str:
    found = [f"process {pid} ({command_line(pid)[:80]})" for pid in with_open_file(file)]
    return ", ".join(found) or "a process that cannot be seen from here"
