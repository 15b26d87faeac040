"""The watch over a running body, as the flow's process keeps it.

On Linux it is a sidecar: a process of its own, which is started again if somebody kills it. Elsewhere, and where
Prefect can only be reached through a proxy, a thread does what a thread can: it asks the job to stop, and leaves
killing to Prefect.
"""

import logging
import mmap
import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from prefect_jobs import sidecar
from prefect_jobs.kit.prefect_door import Door
from prefect_jobs.processes import adopt_orphans
from prefect_jobs.sidecar.orders import Orders, phase_line
from prefect_jobs.sidecar.page import SIZE, Page
from prefect_jobs.sidecar.process_tree import MARK
from prefect_jobs.sidecar.watch import Watch

SETTLES_WITHIN = 3.0
"""Seconds that a finished job waits for its run to be put right, when somebody had asked it to stop."""
REBIRTHS = 5
"""How often a sidecar that was killed is started again."""
PASSED_ON = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ", "PREFECT_JOBS_UP")
"""Environment variables that a sidecar gets; none of them is a secret. The last lets it be found by `up`'s guardian."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Charge:
    """Which attempt is to be watched. `attempt` is the run's `run_count`, `state_id` its Running state; `alone`: this
    process was started for the run and serves nobody else."""

    run_id: str
    attempt: int
    state_id: str
    alone: bool
    limit: float | None = None


class Watching(Protocol):
    """A watch that was begun."""

    page: Page

    def say(self, phase: str, error: str | None = None) -> None:
        """Tell the watch how the body ended."""
        ...


def begin_watch(charge: Charge, door: Door) -> Watching:
    """Begin to watch the body that this process is about to run."""
    if sys.platform == "linux" and not door.needs_a_proxy:
        with suppress(OSError):  # no memory, no process: it is watched, if not as well
            return Sidecar(charge, door)
        logger.warning("No sidecar could be started: this job cannot be aborted, and has no time limit.", exc_info=True)
    return InnerWatch(charge, door)


def wait_until_settled(page: Page) -> None:
    """Wait until the run of a body that ended after all is put right, for a bounded time."""
    give_up = time.monotonic() + SETTLES_WITHIN
    while not page.settled and time.monotonic() < give_up:
        time.sleep(0.01)


class Sidecar:
    """A sidecar process, and a thread that waits for its end."""

    def __init__(self, charge: Charge, door: Door) -> None:
        _become_watchable()
        self._charge, self._door = charge, door
        self._successor: InnerWatch | None = None
        self._page_fd = os.memfd_create("prefect-jobs", os.MFD_CLOEXEC)
        os.ftruncate(self._page_fd, SIZE)
        self.page = Page(mmap.mmap(self._page_fd, SIZE))
        self._orders = asdict(charge) | asdict(door)
        self._orders["deadline"] = None if charge.limit is None else time.monotonic() + charge.limit
        self._told = b""
        self._lock = threading.Lock()
        self._process = self._start()
        threading.Thread(target=self._keep, name="prefect-jobs-sidecar", daemon=True).start()

    def say(self, phase: str, error: str | None = None) -> None:
        """See `Watching`."""
        line = phase_line(phase, error)
        with self._lock:
            self._told += line
            if self._successor is None:
                self._write(line)
            else:
                self._successor.say(phase, error)

    def _start(self) -> "subprocess.Popen[bytes]":
        pid = os.getpid()
        pidfd = os.pidfd_open(pid)
        try:
            command = [sys.executable, "-I", "-S", str(Path(sidecar.__file__).parent)]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                cwd="/",
                pass_fds=(pidfd, self._page_fd),
                start_new_session=True,
                bufsize=0,
            )
        finally:
            os.close(pidfd)
        places = {"pid": pid, "pidfd": pidfd, "page_fd": self._page_fd, "mark": _mark()}
        self._process = process
        self._write(Orders(self._orders | places).line() + self._told)
        return process

    def _write(self, told: bytes) -> None:
        assert self._process.stdin is not None, "expected a pipe"
        with suppress(OSError, ValueError):  # it is dead, and its successor is told everything
            self._process.stdin.write(told)

    def _keep(self) -> None:
        """Start the sidecar again when it is killed, until the watch is over or goes on without one."""
        for birth in range(REBIRTHS):
            if self._bury() == 0:
                break
            time.sleep(0.05 * 2**birth)
            with self._lock, suppress(OSError):
                self._start()
        else:
            if self._bury() != 0:
                self._go_on_without()
        os.close(self._page_fd)  # the mapping stays as long as somebody reads the page

    def _go_on_without(self) -> None:
        logger.warning("No sidecar stays alive: this job cannot be aborted any more, and has no time limit.")
        with self._lock:
            self._successor = InnerWatch(self._charge, self._door, page=self.page, told=self._told)

    def _bury(self) -> int:
        """Wait for the sidecar's end, and pass on its last words; its exit code."""
        assert self._process.stderr is not None, "expected a pipe"
        if words := self._process.stderr.read():
            logger.warning("A sidecar ended with an error:\n%s", words.decode("utf-8", "replace"))
        code = self._process.wait()
        with self._lock, suppress(OSError):
            for pipe in (self._process.stdin, self._process.stderr):
                if pipe is not None:
                    pipe.close()
        return code


class InnerWatch:
    """The same watch in a thread, without the power to kill."""

    def __init__(self, charge: Charge, door: Door, *, page: Page | None = None, told: bytes = b"") -> None:
        self.page = page or Page(bytearray(SIZE))
        reports, self._told = os.pipe()
        places = {"deadline": None, "pid": os.getpid(), "pidfd": -1, "page_fd": -1, "mark": ""}
        watch = Watch.of(Orders(asdict(charge) | asdict(door) | places), self.page, reports=reports, tree=None)
        watch.hear(told)
        threading.Thread(target=self._run, args=(watch, reports), name="prefect-jobs-watch", daemon=True).start()

    def say(self, phase: str, error: str | None = None) -> None:
        """See `Watching`."""
        with suppress(OSError):
            os.write(self._told, phase_line(phase, error))

    def _run(self, watch: Watch, reports: int) -> None:
        try:
            watch.run()
        finally:
            os.close(reports)
            os.close(self._told)


def _become_watchable() -> None:
    """Let the processes that this one starts be found: by their parents, and by a mark that they inherit."""
    adopt_orphans()
    os.environ[MARK] = _mark()


_marks: dict[int, str] = {}


def _mark() -> str:
    """This process's own mark; a child that was forked gets another one."""
    return _marks.setdefault(os.getpid(), secrets.token_hex(8))
