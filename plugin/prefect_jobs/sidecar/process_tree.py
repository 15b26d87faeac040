"""Every process that stems from a job, found for certain and ended for certain.

A tree of processes grows while one looks at it, so it is frozen first: the job, what it started, what that started,
until nothing new is found. Parent links find the tree as long as the job lives (it adopts its orphans), what was seen
before and a mark in the environment find what is left of it afterwards. A process is a pid *and* its start time:
pids are used again.

Sidecars are descendants of their jobs too, and never part of the tree: each ends by itself.
"""

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefect_jobs.sidecar.receipt import Process

NAME = "jobs-sidecar"
"""What a sidecar calls itself, at most 15 letters."""
MARK = "PREFECT_JOBS_MARK"
"""The environment variable that the processes of a job inherit."""
FREEZE_WITHIN = 3.0
GONE_WITHIN = 5.0
GONE = ("Z", "X")
_FROZEN = ("T", "t", *GONE)

Known = tuple[int, int]
"""A pid and the start time of the process."""


class Seen:
    """A process at one moment."""

    __slots__ = ("name", "parent", "pid", "start", "state")

    def __init__(self, pid: int, name: str, state: str, parent: int, start: int) -> None:
        self.pid = pid
        self.name = name
        self.state = state
        self.parent = parent
        self.start = start

    @property
    def known(self) -> Known:
        """What tells it from every other process, ever."""
        return (self.pid, self.start)


def look_at(pid: int) -> Seen | None:
    """A process now; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    # pid (name) state parent ...: the name may hold anything, parentheses too.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Seen(pid, head.partition("(")[2], fields[0], int(fields[1]), int(fields[19]))


class ProcessTree:
    """A job's process and everything below it."""

    def __init__(self, pid: int, pidfd: int, mark: str) -> None:
        self._root = pid
        self._pidfd = pidfd
        self._mark = f"{MARK}={mark}".encode()
        self._me = os.getpid()
        root = look_at(pid)
        self._known: set[Known] = set() if root is None else {root.known}
        self._names: dict[Known, str] = {}
        self._frozen: dict[Known, None] = {}
        self._others: set[Known] = set()
        self.left: list[Process] = []
        """Processes that live on after `kill`: another user's, or stuck where not even the kernel's kill is heard."""

    def remember(self) -> None:
        """Remember the descendants of now, by which they are found when the job is gone."""
        todo = [self._root]
        while todo:
            for pid in _children(todo.pop()):
                seen = look_at(pid)
                if seen is not None and seen.name != NAME:
                    self._known.add(seen.known)
                    todo.append(pid)

    def freeze(self) -> None:
        """Stop every process of the tree where it stands."""
        give_up = time.monotonic() + FREEZE_WITHIN
        while True:
            members = self._members()
            new = [seen for seen in members if seen.known not in self._frozen]
            for seen in new:
                self._frozen[seen.known] = None
                self._names[seen.known] = seen.name
                self._signal(seen, signal.SIGSTOP)
            if not new and all(seen.state in _FROZEN for seen in members if self._may_signal(seen)):
                return
            if time.monotonic() > give_up:
                return
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let every frozen process go on."""
        for pid, start in self._frozen:
            seen = look_at(pid)
            if seen is not None and seen.start == start:
                self._signal(seen, signal.SIGCONT)
        self._frozen.clear()

    def kill(self) -> "list[Process]":
        """Kill the tree and wait until it is gone; what was killed, the job itself first."""
        killed: dict[Known, None] = {}
        give_up = time.monotonic() + GONE_WITHIN
        while (members := self._members()) and time.monotonic() < give_up:
            for seen in members:
                if self._may_signal(seen):
                    killed[seen.known] = None
                    self._names.setdefault(seen.known, seen.name)
                    self._signal(seen, signal.SIGKILL)
            if not any(self._may_signal(seen) for seen in members):
                break
            time.sleep(0.002)
        self.left = [(seen.pid, seen.name) for seen in members]
        dead = killed.keys() - {seen.known for seen in members}
        order = sorted(dead, key=lambda known: (known[0] != self._root, known[1], known[0]))
        return [(pid, self._names[pid, start]) for pid, start in order]

    def _members(self) -> list[Seen]:
        """The living processes of the tree."""
        present = {seen.pid: seen for seen in map(look_at, _pids()) if seen is not None}
        below: dict[int, list[Seen]] = {}
        for seen in present.values():
            below.setdefault(seen.parent, []).append(seen)
        todo = [seen for seen in present.values() if seen.known in self._known or self._is_marked(seen)]
        found: dict[int, Seen] = {}
        while todo:
            seen = todo.pop()
            if seen.pid in found or seen.pid == self._me or seen.name == NAME:
                continue
            found[seen.pid] = seen
            self._known.add(seen.known)
            todo += below.get(seen.pid, ())
        return [seen for seen in found.values() if seen.state not in GONE]

    def _is_marked(self, seen: Seen) -> bool:
        try:
            with open(f"/proc/{seen.pid}/environ", "rb") as file:
                return self._mark in file.read().split(b"\0")
        except OSError:  # gone, or somebody else's
            return False

    def _may_signal(self, seen: Seen) -> bool:
        return seen.known not in self._others

    def _signal(self, seen: Seen, signum: int) -> None:
        try:
            if seen.pid == self._root:
                signal.pidfd_send_signal(self._pidfd, signum)
            else:
                os.kill(seen.pid, signum)
        except ProcessLookupError:
            pass
        except PermissionError:
            self._others.add(seen.known)


def _pids() -> "Iterable[int]":
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:  # it ended, or the kernel tells no children: the mark finds them
        pass
    return found
