"""A PostgreSQL server of Debian's package on a cluster of its own, for as long as a measurement lasts."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.stack import eventually, free_port

USER = "postgres"


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL on this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def _as_user(*command: str) -> list[str]:
    # PostgreSQL refuses to run as root.
    return (
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command] if not os.getuid() else [*command]
    )


def _run(*command: str) -> None:
    subprocess.run(_as_user(*command), check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def postgres_server(folder: Path) -> Generator[str]:
    """Start a server whose cluster lies in this folder, and stop it at the end. Yields its SQLAlchemy URL, without a
    database's name but for the slash.

    Its settings are the package's own but for the memory that a server of this size would be given.
    """
    programs = binaries()
    assert programs is not None
    if not folder.exists():
        folder.mkdir(parents=True)
        if not os.getuid():
            shutil.chown(folder, USER, USER)
        _run(f"{programs}/initdb", "-D", f"{folder}/data", "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
    port = free_port()
    options = ("-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "shared_buffers=1GB")
    server = subprocess.Popen(
        _as_user(f"{programs}/postgres", "-D", f"{folder}/data", *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    ready = [f"{programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        eventually(lambda: subprocess.run(ready, check=False).returncode == 0, within=60, what="PostgreSQL")
        yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(60)


def create_database(server_url: str, name: str) -> str:
    """Make an empty database. Returns its SQLAlchemy URL."""
    address = server_url.replace("+psycopg", "") + "postgres"
    subprocess.run(["psql", "-q", address, "-c", f'CREATE DATABASE "{name}"'], check=True)
    return server_url + name
