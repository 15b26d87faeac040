"""Handing each change of a job to everybody who listens.

Writers publish in version order. Each reader keeps its own place in one shared ring of the latest changes, so a slow
reader costs nothing; one that falls out of the ring is told to read everything again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from prefect_jobs.store import Change

RING = 10_000
"""Changes that may wait for a reader before it is reset."""


class ChangeHub:
    """The latest changes, and a way to wait for the next."""

    def __init__(self, version: int) -> None:
        self._ring: deque[Change] = deque(maxlen=RING)
        self._forgotten = version
        self._news = asyncio.Event()
        self.closed = False
        """Whether the server stops: readers end instead of waiting for more."""

    def close(self) -> None:
        """Let every reader come to its end."""
        self.closed = True
        self.wake()

    @property
    def version(self) -> int:
        """The version of the latest change."""
        return self._ring[-1].version if self._ring else self._forgotten

    @property
    def oldest_resumable(self) -> int:
        """From this version on, all later changes are in the ring."""
        return self._forgotten

    def publish(self, changes: Sequence[Change]) -> None:
        """Add changes, in version order, and wake everybody who waits."""
        for change in changes:
            if len(self._ring) == RING:
                self._forgotten = self._ring[0].version
            self._ring.append(change)
        if changes:
            self.wake()

    def restart(self, version: int) -> None:
        """Forget every change: the index was read anew, and what changed until this version is not known one by one."""
        self._ring.clear()
        self._forgotten = max(version, self._forgotten)
        self.wake()

    def wake(self) -> None:
        """Wake everybody who waits, to look again."""
        self._news.set()
        self._news = asyncio.Event()

    def after(self, version: int) -> list[Change] | None:
        """The changes after this version, or None when some of them are forgotten."""
        if version < self._forgotten:
            return None
        if not self._ring or version >= self._ring[-1].version:
            return []
        newer: list[Change] = []
        for change in reversed(self._ring):
            if change.version <= version:
                break
            newer.append(change)
        return newer[::-1]

    async def wait(self, version: int, *, timeout: float) -> bool:
        """Wait until something is newer than this version. False after ``timeout`` seconds, or when only woken."""
        if self.version > version:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return False
        return self.version > version
