"""Copying a job's log, whole and once, while somebody looks at it.

Prefect's log socket drops lines silently when a burst comes, and has no past. So it only wakes this tail up; the lines
come from Prefect's log table, page by page from a time a little before the newest line already stored. Lines arrive
out of order (each process ships its own batch), therefore a deeper look back runs every few seconds, and once a job
has been over for a while its whole log is read a last time and is settled.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prefect_jobs.gateway import PAGE, Gateway, GatewayError
from prefect_jobs.jobs import Job
from prefect_jobs.store import JobIndex, LogStore

logger = logging.getLogger(__name__)

SETTLE_AFTER = timedelta(seconds=15)
"""So long after its end a job's last lines may still be on their way."""


@dataclass(frozen=True, slots=True)
class TailPace:
    """How often a watched log is read, in seconds, and how far back."""

    poll: float = 1.0
    poll_without_socket: float = 0.3
    deep_every: float = 5.0
    overlap: timedelta = timedelta(milliseconds=50)
    deep_overlap: timedelta = timedelta(seconds=30)


@dataclass(slots=True)
class _Tail:
    """One watched log."""

    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    socket_up: bool = False
    deep_at: float = 0.0
    deep_pause: float = 0.0
    users: int = 0
    viewers: int = 0
    task: asyncio.Task[None] | None = None

    def announce(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class LogTails:
    """The logs that somebody looks at, each read by one task whatever the number of viewers."""

    def __init__(
        self,
        gateway: Gateway,
        index: JobIndex,
        store: LogStore,
        *,
        pace: TailPace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._store = store
        self._pace = pace or TailPace()
        self._clock = clock
        self._tails: dict[str, _Tail] = {}

    async def catch_up(self, job: Job) -> bool:
        """Copy every line that Prefect holds of this job now. True when the log is whole for good.

        Raises:
            GatewayError: Prefect could not be read; what is stored stays valid.
        """
        if job.completed_at is not None and await self._store.settled(job.job_id) == job.completed_at:
            return True
        async with self._tail(job.job_id) as tail, tail.reading:
            settles = job.completed_at is not None and self._clock() - job.completed_at > SETTLE_AFTER
            await self._read(job.job_id, job.attempt, overlap=None if settles else self._pace.deep_overlap)
            tail.deep_at = time.monotonic()
            if settles and job.completed_at is not None:
                await self._store.settle(job.job_id, job.completed_at)
        return settles

    @asynccontextmanager
    async def watch(self, job_id: str) -> AsyncGenerator["Watch"]:
        """Keep a job's log up to date for as long as the context lasts."""
        async with self._tail(job_id) as tail:
            tail.viewers += 1
            if tail.task is None:
                tail.task = asyncio.create_task(self._follow(job_id, tail), name=f"log tail of {job_id}")
            try:
                yield Watch(tail)
            finally:
                tail.viewers -= 1
                if tail.viewers == 0 and tail.task:
                    task, tail.task = tail.task, None
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def _tail(self, job_id: str) -> AsyncGenerator[_Tail]:
        tail = self._tails.setdefault(job_id, _Tail())
        tail.users += 1
        try:
            yield tail
        finally:
            tail.users -= 1
            if tail.users == 0:
                self._tails.pop(job_id, None)

    async def _follow(self, job_id: str, tail: _Tail) -> None:
        socket = asyncio.create_task(self._listen(job_id, tail), name=f"log socket of {job_id}")
        try:
            while True:
                tail.wake.clear()
                settled = await self._step(job_id, tail)
                if settled:
                    # A retry opens the log again; until then the index is all that is asked.
                    socket.cancel()
                pause = self._pace.poll if tail.socket_up or settled else self._pace.poll_without_socket
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await tail.wake.wait()
                if settled and socket.done():
                    job = await self._index.get(job_id)
                    if job is not None and not job.ended:
                        socket = asyncio.create_task(self._listen(job_id, tail), name=f"log socket of {job_id}")
        finally:
            socket.cancel()

    async def _step(self, job_id: str, tail: _Tail) -> bool:
        """Read once. True when there is nothing more to come."""
        job = await self._index.get(job_id)
        try:
            if job is not None and job.ended and self._clock() - (job.completed_at or self._clock()) > SETTLE_AFTER:
                before = (await self._store.position(job_id)).last_seq
                settled = await self.catch_up(job)
                if (await self._store.position(job_id)).last_seq > before:
                    tail.announce()
                return settled
            began = time.monotonic()
            deep = began - tail.deep_at > tail.deep_pause
            async with tail.reading:
                added = await self._read(
                    job_id,
                    job.attempt if job else 1,
                    overlap=self._pace.deep_overlap if deep else self._pace.overlap,
                    announce=tail.announce,
                )
                if deep:
                    tail.deep_at = time.monotonic()
                    # A torrent of lines makes the look back long: it may take a tenth of the time.
                    tail.deep_pause = max(self._pace.deep_every, 10 * (tail.deep_at - began))
            if added:
                tail.announce()
        except GatewayError as error:
            logger.debug("log of %s: %s", job_id, error)
        except Exception:
            # Whatever went wrong with this reading, the viewers wait for the next one.
            logger.exception("reading the log of %s failed", job_id)
        return False

    async def _read(
        self, job_id: str, attempt: int, *, overlap: timedelta | None, announce: Callable[[], None] | None = None
    ) -> int:
        """Copy the lines from ``overlap`` before the newest stored one on (None: from the first). Returns how many."""
        newest = (await self._store.position(job_id)).newest
        after = None if newest is None or overlap is None else newest - overlap
        offset = 0
        added = 0
        while True:
            page = await self._gateway.read_logs(job_id, after=after, offset=offset)
            new = await self._store.add(job_id, page, attempt=attempt) if page else 0
            added += new
            if new and announce:
                announce()
            if len(page) < PAGE:
                return added
            # By time, not by offset: a late line in front would shift the pages. A page of one single time has no
            # other way on.
            last = page[-1].timestamp
            offset = offset + PAGE if last == after else 0
            after = last

    async def _listen(self, job_id: str, tail: _Tail) -> None:
        """Wake the tail at each line that Prefect announces. Without the socket the tail reads by the clock."""
        while True:
            try:
                async with self._gateway.log_wakeups(job_id) as ticks:
                    tail.socket_up = True
                    async for _tick in ticks:
                        tail.wake.set()
            except Exception as error:  # noqa: BLE001  # Prefect's subscriber raises bare exceptions; a server may have the stream switched off
                logger.debug("log socket of %s: %s", job_id, error)
            finally:
                tail.socket_up = False
            await asyncio.sleep(5)


class Watch:
    """One viewer's hold on a watched log."""

    def __init__(self, tail: _Tail) -> None:
        self._tail = tail

    def mark(self) -> asyncio.Event:
        """Take this before looking at the store, and wait on it after: no line can slip in between."""
        return self._tail.news
