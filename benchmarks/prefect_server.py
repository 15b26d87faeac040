"""A real Prefect server on a database file of its own, for as long as a measurement lasts."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from prefect_jobs import prefect_environment
from tests.stack import clean_environment, eventually, free_port

START_WITHIN = 120.0


def _environment(file: Path) -> dict[str, str]:
    home = file.parent / "prefect-home"
    return {
        **clean_environment(),
        **prefect_environment.embedded_server(file.parent),
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": (
            f"sqlite+aiosqlite:///{file}?plugin={prefect_environment.ONE_CONNECTION}"
        ),
    }


def create_database(file: Path) -> None:
    """Make an empty Prefect database by Prefect's own migrations."""
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    subprocess.run(command, env=_environment(file), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def prefect_server(file: Path) -> Generator[str]:
    """Start a server on this database, wait until it answers, and stop it at the end. Yields the URL of its API."""
    port = free_port()
    api_url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log_path = file.parent / "prefect-server.log"
    with log_path.open("wb") as log:
        environment = {**_environment(file), "PREFECT_SERVER_UI_API_URL": api_url}  # else its page asks port 4200
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )

        def healthy() -> bool:
            if server.poll() is not None:
                raise RuntimeError(f"the Prefect server ended with {server.returncode}: see {log_path}")
            return httpx.get(f"{api_url}/health").is_success

        try:
            eventually(healthy, within=START_WITHIN, what=f"a Prefect server on {os.fspath(file)}")
            yield api_url
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
