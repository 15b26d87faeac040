"""What must hold before anything is started: found out now, it is a sentence; found out later, it is four processes
that fail in turn."""

import fcntl
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from prefect_jobs.cli.refusals import Refusal


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


@contextmanager
def only_one(folder: Path) -> Generator[None]:
    """Hold a data folder: two servers on the same databases would ruin each other's work.

    Raises:
        Refusal: another process holds it.
    """
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refusal(f"Another `prefect-jobs up` is already running on the data folder {folder}.") from error
        yield
