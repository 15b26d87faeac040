"""A PostgreSQL server of Debian's package on a cluster of its own, for as long as a measurement lasts.

Not the server of the tests (tests.postgres_server): that one promises its disk nothing, which would make it faster than
anybody's, and its cluster goes away.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.postgres_server import OWNER, programs
from tests.stack import eventually, free_port


@contextmanager
def postgres_server(folder: Path) -> Generator[str]:
    """Start a server whose cluster lies in this folder, made when it is not there, and stop it at the end.

    Its settings are PostgreSQL's own but for the memory that a server of this size would be given. Yields its URL
    up to the database's name, as a person writes it.
    """
    installed = programs()
    assert installed is not None
    # PostgreSQL refuses to run as root.
    owner: dict[str, Any] = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
    quiet: dict[str, Any] = {"cwd": "/", "stdout": subprocess.DEVNULL, **owner}
    if not folder.exists():
        folder.mkdir(parents=True)
        if owner:
            shutil.chown(folder, OWNER, OWNER)
            _let_through(folder)
        make = ["initdb", "-D", f"{folder}/data", "-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run([installed / make[0], *make[1:]], check=True, **quiet)
    port = free_port()
    options = ("-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "shared_buffers=1GB")
    server = subprocess.Popen(
        [installed / "postgres", "-D", f"{folder}/data", *options], stderr=subprocess.DEVNULL, **quiet
    )
    url = f"postgresql://{OWNER}@127.0.0.1:{port}/"
    try:
        eventually(lambda: _answers(url), within=60, what="an answer of PostgreSQL")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def _let_through(folder: Path) -> None:
    """The owner of the cluster has to pass the folder above, which a temporary one does not let him."""
    if not folder.parent.stat().st_mode & 0o001:
        folder.parent.chmod(folder.parent.stat().st_mode | 0o011)


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(f"{url}postgres", connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def create_database(server_url: str, name: str) -> str:
    """Make an empty database. Returns its URL."""
    with psycopg.connect(f"{server_url}postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return server_url + name
