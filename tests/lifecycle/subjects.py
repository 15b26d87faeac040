"""Job types that are hard to stop, each in its own way. Loaded by path, and run as `python subjects.py NAME FOLDER`.

Each says that it is at work by a file `ready` in its folder, with the ids of all its processes. The test answers with
a file `seen` once it has found them, and those that end by themselves wait for it.
"""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

from prefect import task

from prefect_jobs import checkpoint, job, progress, step

LONG = 600.0
DAEMONISED = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
print(os.getpid(), flush=True)
os.close(1)
time.sleep(600)
"""
CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def ready(folder: str, *pids: int) -> None:
    """Tell the test which processes are at work."""
    hidden = Path(folder) / f".ready-{os.getpid()}"
    hidden.write_text(json.dumps([os.getpid(), *pids]))
    hidden.rename(Path(folder) / "ready")


def wait_seen(folder: str) -> None:
    """Wait until the test has found our processes, without a look whether to stop."""
    while not (Path(folder) / "seen").exists():
        time.sleep(0.01)


def until_stopped(pause: float = 0.2) -> None:
    while True:
        time.sleep(pause)
        checkpoint()


@job("stepping")
def stepping(folder: str, pause: float = 0.2) -> str:
    """Does small steps, and can be stopped after each."""
    progress(percent=10, message="at work")
    ready(folder)
    try:
        with step("Stepping"):
            until_stopped(pause)
    finally:
        (Path(folder) / "cleaned-up").touch()
    return "never"


@job("long_step")
def long_step(folder: str, seconds: float) -> str:
    """One step that takes longer than anybody's patience."""
    ready(folder)
    time.sleep(seconds)
    (Path(folder) / "step-done").touch()
    checkpoint()
    return "never"


@job("sleeping")
def sleeping(folder: str) -> None:
    """Hears nothing while it sleeps."""
    ready(folder)
    time.sleep(LONG)


@job("holding_the_lock")
def holding_the_lock(folder: str) -> None:
    """Stuck in C code, with the lock of the interpreter in its hands."""
    ready(folder)
    ctypes.PyDLL(None).sleep(int(LONG))


@job("holding_on", timeout=10)
def holding_on(folder: str) -> None:
    """The same, with a time limit."""
    ready(folder)
    ctypes.PyDLL(None).sleep(int(LONG))


@job("deaf")
def deaf(folder: str) -> None:
    """Ignores what can be ignored."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    ready(folder)
    while True:
        try:
            time.sleep(LONG)
        except BaseException:  # noqa: BLE001  it is that stubborn
            continue


@job("family")
def family(folder: str) -> None:
    """Has children, and a grandchild that left the family: other session, no parent, no environment."""
    children = [subprocess.Popen([sys.executable, "-c", CHILD], start_new_session=both) for both in (True, False)]
    left = subprocess.run([sys.executable, "-c", DAEMONISED], env={}, stdout=subprocess.PIPE, check=True)
    ready(folder, *(child.pid for child in children), int(left.stdout))
    time.sleep(LONG)


@job("crowd")
def crowd(folder: str) -> None:
    """Many threads, all of them busy, and deaf to its end."""
    for _ in range(40):
        threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(60_000)]).start()
    ready(folder)
    until_stopped()


@job("in_a_task")
def in_a_task(folder: str) -> None:
    """Waits for a task that does small steps."""

    @task
    def work() -> None:
        ready(folder)
        until_stopped()

    cast(Any, work).submit().result()


@job("in_mapped_tasks")
def in_mapped_tasks(folder: str) -> None:
    """Waits for many tasks."""

    @task
    def work(number: int) -> None:
        if number == 3:
            ready(folder)
        until_stopped()

    cast(Any, work).map(range(4)).result()


@job("asynchronous")
async def asynchronous(folder: str) -> None:
    """Does small steps in an event loop."""
    ready(folder)
    while True:
        await asyncio.sleep(0.2)
        checkpoint()


@job("calling")
def calling(folder: str) -> None:
    """Waits for a job of its own."""
    called(folder)


@job("called")
def called(folder: str) -> None:
    """The one that it waits for."""
    ready(folder)
    until_stopped()


@job("heedless")
def heedless(folder: str, seconds: float = 4.0, error: str | None = None) -> str:
    """Never looks whether it shall stop, and ends by itself."""
    ready(folder)
    wait_seen(folder)
    time.sleep(seconds)
    if error is not None:
        raise ValueError(error)
    return "all done"


@job("patient", retries=1, retry_delay_seconds=60)
def patient(folder: str) -> str:
    """Fails at first, and waits for its next attempt in its process."""
    ready(folder)
    if os.environ.get("PREFECT__FLOW_RUN_ID") and not (Path(folder) / "failed").exists():
        wait_seen(folder)
        (Path(folder) / "failed").touch()
        raise ValueError("disk full")
    return "all done"


@job("hopeful", retries=1, retry_delay_seconds=8)
def hopeful(folder: str) -> str:
    """Fails at first, and soon begins its next attempt in the same process."""
    if (Path(folder) / "failed").exists():
        (Path(folder) / "began-again").touch()
        return "all done"
    ready(folder)
    wait_seen(folder)
    (Path(folder) / "failed").touch()
    raise ValueError("disk full")


@job("leaving")
def leaving(folder: str) -> None:
    """Stops, and leaves a child behind."""
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    ready(folder, child.pid)
    until_stopped()


if __name__ == "__main__":
    name, where = sys.argv[1:3]
    options: dict[str, Any] = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    made: Any = globals()[name]
    outcome: Any = made(where, **options, return_state=True)
    if asyncio.iscoroutine(outcome):
        asyncio.run(outcome)
