"""A real PostgreSQL server for tests, of Debian's package: its own cluster in a folder that goes away.

It listens on a loopback port and wants a password, so that a test can look for it where it must not be. PostgreSQL
refuses to run as root; then it runs as the user of the package.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.stack import eventually, free_port

OWNER = "postgres"
INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian puts each version's programs, none of which is on the PATH."""
_numbers = count(1)


def programs() -> Path | None:
    """The folder of the newest server's programs, or None where there is no server."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda file: [int(n) for n in re.findall(r"\d+", str(file))])
    return found[-1].parent if found else None


@dataclass
class PostgresServer:
    """A running server; `stop` and `start` do what an operator's restart does."""

    folder: Path
    programs: Path
    port: int
    password: str = field(repr=False)
    _process: subprocess.Popen[Any] | None = None

    def url(self, database: str) -> str:
        """A URL as a person writes it: without a driver."""
        return f"postgresql://{OWNER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def start(self) -> None:
        """Start it and wait until it answers."""
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        # What a power cut would destroy may be destroyed: the cluster does not outlive the tests.
        options = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *listen, *options],
                stdout=log,
                stderr=log,
                **_as_owner(self.folder),
            )

        def answers() -> bool:
            try:
                with psycopg.connect(self.url("postgres"), connect_timeout=2):
                    return True
            except psycopg.OperationalError as error:
                raise AssertionError(str(error)) from error

        eventually(answers, within=60, what="an answer of PostgreSQL")

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._process is not None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End every connection and stop it; SIGQUIT does so without tidying up."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None


def _as_owner(folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        options |= {"user": OWNER, "group": OWNER, "extra_groups": []}
    return options


@contextmanager
def running_postgres(programs: Path) -> Generator[PostgresServer]:
    """A server on a new cluster; both are gone at the end."""
    # Not in pytest's folder, which is closed to others; and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder, password = Path(name), secrets.token_urlsafe(16)
        if os.geteuid() == 0:
            shutil.chown(folder, OWNER, OWNER)
        secret = folder / "password"
        secret.write_text(password)
        if os.geteuid() == 0:
            shutil.chown(secret, OWNER, OWNER)
        make = ["initdb", "-D", str(folder / "data"), "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={secret}"]
        encoding = ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [programs / make[0], *make[1:], *encoding], check=True, stdout=subprocess.DEVNULL, **_as_owner(folder)
        )
        server = PostgresServer(folder, programs, free_port(), password)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
