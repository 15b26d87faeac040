"""Which processes stem from this one. A child that dies leaves its own children behind, and those of a worker are
running jobs: they must be found and ended although nobody here started them.

Linux hands orphans to the nearest ancestor that asked for them (a subreaper) and shows parents in `/proc`. On other
platforms there are no orphans to be seen, and none are ended.
"""

import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from prefect_jobs.sidecar.process_tree import NAME as SIDECAR

PR_SET_CHILD_SUBREAPER = 36
PROC = Path("/proc")
KILL_WITHIN = 2.0  # seconds: a process that the kernel holds longer cannot be waited for
GONE = "ZX"  # states of a process that ended but was not taken leave of


def adopt_orphans() -> None:
    """Become the parent of every process below this one that loses its own."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """The living processes that a process is the parent of."""
    return [process for process, (parent, state) in _processes().items() if parent == pid and state not in GONE]


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks of the kernel; None when there is none, or none can be seen.

    Process ids come round again; an id with its start time does not.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] in GONE else int(fields[19])


def process_space() -> str:
    """What tells the process ids seen from here from those of another container; empty where there is no telling."""
    try:
        return os.readlink(PROC / "self" / "ns" / "pid")
    except OSError:
        return ""


def with_environment(name: str, value: str) -> list[int]:
    """The living processes that were started with this variable set to this."""
    alive = (pid for pid, (_, state) in _processes().items() if state not in GONE)
    return [pid for pid in alive if environment(pid).get(name) == value]


def environment(pid: int) -> dict[str, str]:
    """What a process was started with; nothing when it is gone, or somebody else's."""
    try:
        lines = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(line).partition("=") for line in lines)
    return {name: value for name, _, value in pairs if name}


def is_sidecar(pid: int) -> bool:
    """Whether this process watches a running job: it ends by itself once it has told what became of the job."""
    try:
        return (PROC / str(pid) / "comm").read_text(errors="replace").rstrip() == SIDECAR
    except OSError:
        return False


def kill_descendants(pid: int) -> list[int]:
    """Kill everything below this process and take leave of it; what was killed. Nobody else may await a child."""
    killed: list[int] = []
    give_up_at = time.monotonic() + KILL_WITHIN
    while (below := _descendants(pid)) and time.monotonic() < give_up_at:
        for process, state in below.items():
            if state not in GONE:
                kill(process, signal.SIGKILL)
                if process not in killed:
                    killed.append(process)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
    return killed


def kill(pid: int, signum: int, *, group: bool = False) -> None:
    """Send a signal to a process, or to its group, that may be gone already."""
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, signum)


def _descendants(pid: int) -> dict[int, str]:
    """The processes below a process, with their states."""
    below: dict[int, list[int]] = defaultdict(list)
    processes = _processes()
    for process, (parent, _) in processes.items():
        below[parent].append(process)
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        next_ones = below[todo.pop()]
        found.update((process, processes[process][1]) for process in next_ones)
        todo += next_ones
    return found


def _processes() -> dict[int, tuple[int, str]]:
    """Parent and state of every process that can be seen."""
    found: dict[int, tuple[int, str]] = {}
    if not PROC.is_dir():
        return found
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None:  # else it ended while we looked
                found[int(entry.name)] = (int(fields[1]), fields[0])
    return found


def _stat(pid: int) -> list[str] | None:
    """What the kernel tells of a process from its state on: `pid (name) state parent ...`."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # the name may hold anything, parentheses too
