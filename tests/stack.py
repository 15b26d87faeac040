"""The real thing, for tests: `prefect-jobs up` as a process of its own, with its databases in a folder that goes away.

Shared by a whole run, because it takes seconds to start: a test must not count on being alone, and one that breaks
something puts it right again.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

from prefect_jobs.settings import Settings

T = TypeVar("T")

START_WITHIN = 120.0
STOP_WITHIN = 10.0
LOOK_EVERY = 0.05
# What a developer has set for himself must not decide a test.
OURS = ("PREFECT_", "PREFECT_JOBS_")


class NotInTime(AssertionError):
    """What was waited for did not come."""


def eventually(look: Callable[[], T | None], *, within: float = 20.0, what: str = "") -> T:
    """The first true value that `look` returns; an assertion of its own counts as not yet.

    Raises:
        NotInTime: it returned none within so many seconds.
    """
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            if value := look():
                return value
            last = value
        except (AssertionError, httpx.TransportError) as error:
            last = error
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {within:g} s: {what or look!r}; at last {last!r}")
        time.sleep(LOOK_EVERY)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of Prefect's or ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


@dataclass(frozen=True)
class Stack:
    """A running `prefect-jobs up`."""

    pid: int
    api_url: str
    """Base of the adapter: `{api_url}/api/jobs`, `{api_url}/ws/...`."""
    prefect_api_url: str
    data_dir: Path
    log_file: Path
    databases: Mapping[str, str] = field(default_factory=dict[str, str])
    """The settings `index_url` and `events_url`, where they are not the files of the data folder."""

    @property
    def page_url(self) -> str:
        return f"{self.api_url}/jobs"

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.data_dir, **self.databases)  # pyright: ignore[reportArgumentType]  # URLs

    @property
    def events_database(self) -> str:
        return self.settings.events_database

    @property
    def exports_dir(self) -> Path:
        return self.settings.exports_path

    @property
    def log(self) -> str:
        """What the processes wrote so far, each line behind its name."""
        return self.log_file.read_text(errors="replace")

    @property
    def prefect_auth(self) -> str | None:
        """What the stack's Prefect server asks for, where there are API keys: `name:password`."""
        file = self.data_dir / "prefect-auth"
        return file.read_text().strip() if file.exists() else None

    @property
    def environment(self) -> dict[str, str]:
        """For a command that is to work with this stack, such as `python myflow.py`."""
        return {
            **clean_environment(),
            "PREFECT_API_URL": self.prefect_api_url,
            **({"PREFECT_API_AUTH_STRING": self.prefect_auth} if self.prefect_auth else {}),
            "PREFECT_HOME": str(self.data_dir / "prefect"),
            "PREFECT_JOBS_DATA_DIR": str(self.data_dir),
            **_as_environment(self.databases),
            "DO_NOT_TRACK": "1",
        }

    def pid_of(self, child: str) -> int:
        """The process of `prefect`, `serve` or `work`.

        Raises:
            NotInTime: there is none, and none comes.
        """
        words = {"prefect": ["prefect", "server", "start"]}.get(child, ["prefect_jobs.cli", child])

        def look() -> int:
            for process in psutil.Process(self.pid).children():
                try:
                    if all(word in process.cmdline() for word in words):
                        return process.pid
                except psutil.Error:  # it ended while we looked
                    continue
            return 0

        return eventually(look, what=f"a process of {child}")

    def kill(self, child: str) -> None:
        """Kill a child and wait until it is gone. The supervisor starts it again."""
        process = psutil.Process(self.pid_of(child))
        process.send_signal(signal.SIGKILL)
        eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, what="a death")

    def restart_adapter(self) -> None:
        """Kill the adapter and wait until its successor is ready."""
        self.kill("serve")
        self.wait_ready()

    def wait_ready(self, within: float = 60.0) -> None:
        """Wait until the adapter says that it is in step with Prefect."""
        eventually(lambda: httpx.get(f"{self.api_url}/readyz").is_success, within=within)


@contextmanager
def running_stack(
    folder: Path, *options: str, events: int = 0, settings: Mapping[str, str] | None = None, **databases: str
) -> Generator[Stack]:
    """Start the stack, wait until it is ready, and prove at the end that it left no process behind.

    `settings` are further environment variables, such as settings of the Prefect server.
    """
    port, prefect_port = free_port(), free_port()
    data, log_file = folder / "data", folder / "up.log"
    environment = {**clean_environment(), "PREFECT_JOBS_DATA_DIR": str(data), **_as_environment(databases)}
    environment |= settings or {}
    if events:
        sample = [sys.executable, "-m", "prefect_jobs.cli", "events", "sample", f"--count={events}", "--seed=1"]
        subprocess.run(sample, env=environment, check=True, capture_output=True)
    command = [sys.executable, "-m", "prefect_jobs.cli", "up", f"--port={port}", f"--prefect-port={prefect_port}"]
    with log_file.open("wb") as log:
        up = subprocess.Popen(
            [*command, *options], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    stack = Stack(up.pid, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{prefect_port}/api", data, log_file, databases)

    def ready() -> bool:
        if up.poll() is not None:
            raise RuntimeError(f"`prefect-jobs up` ended with exit code {up.returncode}:\n{stack.log}")
        return "Ready." in stack.log

    try:
        eventually(ready, within=START_WITHIN, what=f"Ready. in {log_file}")
        yield stack
    finally:
        up.terminate()
        try:
            code = up.wait(STOP_WITHIN)
        finally:
            up.kill()
            up.wait()
            left = processes_of(data)
            for process in left:
                process.kill()
    assert code == 0, f"`prefect-jobs up` ended with exit code {code}:\n{stack.log}"
    assert not left, f"`prefect-jobs up` left processes behind: {left}"


def _as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"PREFECT_JOBS_{name.upper()}": value for name, value in settings.items()}


def processes_of(data: Path) -> list[psutil.Process]:
    """Every living process, flows too, that was started for this data folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("PREFECT_JOBS_DATA_DIR") == str(data)
            if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
