"""The application and its page behind the real server, in a process of its own, in front of the fake of Prefect.

For what only a real server shows: its connections, the heads of requests as bytes, and what it writes to its log.
"""

import resource
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from prefect_jobs.api.access_log import write_logs_without_secrets
from prefect_jobs.api.app import create_app
from prefect_jobs.api.connections import server_config
from prefect_jobs.gateway.fake import FakePrefect, completed, running
from prefect_jobs.settings import Settings
from tests.stack import STOP_WITHIN, clean_environment, eventually, free_port

START_WITHIN = 120.0
KNOWN_ID = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"


@dataclass(frozen=True)
class ServedProcess:
    """A server that runs."""

    port: int
    pid: int
    log_file: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written until now."""
        return self.log_file.read_text(errors="replace")


@contextmanager
def served_process(
    folder: Path, *, nofile: int | None = None, log: Path | None = None, **settings: str
) -> Generator[ServedProcess]:
    """A server whose data is in this folder, with these settings, and with so many descriptors at most."""
    port, log = free_port(), log or folder / "server.log"
    environment = {f"PREFECT_JOBS_{name.upper()}": value for name, value in settings.items()}

    def limited() -> None:
        if nofile is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

    before: Callable[[], None] | None = None if nofile is None else limited
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.served_process", str(folder), str(port)],
            cwd=Path(__file__).parent.parent,
            env=clean_environment() | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=before,
        )
    try:
        served = ServedProcess(port, process.pid, log)

        def ready() -> bool:
            assert process.poll() is None, served.log
            return httpx.get(f"{served.url}/readyz", timeout=5).is_success

        eventually(ready, within=START_WITHIN)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(folder: str, port: str) -> None:
    """Serve until the end."""
    import uvicorn

    from prefect_jobs_ui import mount_page

    settings = Settings(data_dir=Path(folder), port=int(port), access_log=False)
    fake = FakePrefect(
        [completed({"note": "a text"}, id=KNOWN_ID), running(40, "at work")], deployed=("export", "import")
    )
    fake.log(KNOWN_ID, "a line")
    app = create_app(settings, fake.connect())
    mount_page(app, api_url=settings.address, allowed_origins=settings.allowed_origins)
    write_logs_without_secrets()
    uvicorn.Server(server_config(app, settings, grace=1)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
