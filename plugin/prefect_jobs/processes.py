"""Which processes stem from this one. A child that dies leaves its own children behind, and those of a worker are
running jobs: they must be found and ended although nobody here started them.

Linux hands orphans to the nearest ancestor that asked for them (a subreaper) and shows parents in `/proc`. On other
platforms there are no orphans to be seen, and none are ended.
"""

import asyncio
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
NOBODYS_AFTER = 3.0
LOOK_FOR_DEAD_EVERY = 1.0
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


def with_open_file(file: Path) -> list[int]:
    """The processes, other than this one, that hold this file open; those of other users are not seen."""
    wanted = os.path.realpath(file)
    found: list[int] = []
    for pid in _processes():
        with suppress(OSError):
            links = (PROC / str(pid) / "fd").iterdir()
            if pid != os.getpid() and any(os.path.realpath(link) == wanted for link in links):
                found.append(pid)
    return found


def command_line(pid: int) -> str:
    """What a process was started as; empty when it is gone."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return os.fsdecode(b" ".join(words)).strip()


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


class Leavetaking:
    """Takes leave of adopted processes that have ended: until their parent does, the dead keep a place in the table.

    A process that this one started itself is somebody's here, who waits for it and takes leave at once; so only who has
    been dead for a while is nobody's.
    """

    def __init__(self) -> None:
        self._dead: dict[int, float] = {}

    def look(self, now: float) -> None:
        """Look once; `now` is on a clock that does not jump."""
        try:
            any_dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            any_dead = None
        me = os.getpid()
        table = _processes() if any_dead else {}
        dead = (pid for pid, (parent, state) in table.items() if parent == me and state in GONE)
        self._dead = {pid: self._dead.get(pid, now) for pid in dead}
        for pid, since in self._dead.items():
            if now - since >= NOBODYS_AFTER:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


async def take_leave_of_orphans() -> None:
    """Do so until cancelled."""
    leavetaking = Leavetaking()
    while True:
        leavetaking.look(time.monotonic())
        await asyncio.sleep(LOOK_FOR_DEAD_EVERY)


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
