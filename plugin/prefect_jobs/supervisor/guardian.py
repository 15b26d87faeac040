"""Ends what a supervisor that was killed leaves behind: `guardian.py <mark>`, with a pipe from the supervisor as stdin.

A process asks the kernel for a signal at its parent's death (``leash``), but one that is stuck or stopped does not heed
it, and would work on, beside its successor, on the same database. So the supervisor starts this one first: it waits for
the pipe to close, which no death can prevent, gives everything a while to end by itself, and kills the rest.

What stems from the supervisor is known by a mark in its environment, and by its parents. It is run by path in an
isolated interpreter and imports nothing of the package: it takes 7 MB and no time.
"""

import os
import signal
import sys
import time
from contextlib import suppress

MARK = "PREFECT_JOBS_UP"
"""The environment variable that everything inherits which a supervisor started."""
SIDECAR = "jobs-sidecar"
"""The name of what watches a job: it ends by itself once it has told what became of the job."""
ENDS_WITHIN = 10.0
"""Seconds to end after the signal that the kernel sent: a worker needs nine to tell of its jobs."""
SIDECARS_END_WITHIN = 5.0
"""Seconds after that for those that tell of jobs which were killed."""
LOOK_EVERY = 0.1


def main() -> None:
    """Wait for the supervisor's death, then for everybody else's."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # the supervisor judges, and closes the pipe
    mark = f"{MARK}={sys.argv[1]}".encode()
    while os.read(0, 1):
        pass
    known: set[tuple[int, str]] = set()
    died = time.monotonic()
    while left := _look(mark, known):
        late = time.monotonic() - died - ENDS_WITHIN
        for pid in left:
            if late > SIDECARS_END_WITHIN or (late > 0 and not _is_sidecar(pid)):
                _kill(pid)
        if late > 2 * SIDECARS_END_WITHIN:
            return  # somebody else's, or the kernel holds it
        time.sleep(LOOK_EVERY)


def _look(mark: bytes, known: set[tuple[int, str]]) -> list[int]:
    """The living processes that carry the mark, that were known, or that stem from one of these."""
    below: dict[int, list[int]] = {}
    started: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and (fields := _stat(int(name))) and fields[0] not in "ZX":
            started[int(name)] = fields[19]
            below.setdefault(int(fields[1]), []).append(int(name))
    todo = [pid for pid, start in started.items() if (pid, start) in known or _is_marked(pid, mark)]
    found: list[int] = []
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.append(pid)
            known.add((pid, started[pid]))
            todo += below.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except OSError:  # it ended, or is somebody else's
        return False


def _is_sidecar(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as file:
            return file.read().rstrip() == SIDECAR
    except OSError:
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
