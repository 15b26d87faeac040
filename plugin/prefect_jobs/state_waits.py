"""Waiting for a job to get into another state, by hundreds of callers at once.

The sidecar of every running job waits here for somebody to stop it. Each of them following the changes of all jobs
would cost the square of their number, so one task follows them and wakes whom a change concerns.
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable

from prefect_jobs.changes import ChangeHub
from prefect_jobs.jobs import Job
from prefect_jobs.store import JobIndex

LOOK_EVERY = 1.0
HEARD_OF = 20_000
"""Jobs of which it is remembered when they waited last, the latest ones."""


class StateWaits:
    """Everybody who waits for a job's state."""

    def __init__(self, hub: ChangeHub, index: JobIndex) -> None:
        self._hub = hub
        self._index = index
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._alive: Counter[str] = Counter()
        self._heard: OrderedDict[str, float] = OrderedDict()

    async def run(self) -> None:
        """Wake who waits, until the server stops."""
        at = self._hub.version
        while not self._hub.closed:
            await self._hub.wait(at, timeout=LOOK_EVERY)
            changes = self._hub.after(at)
            at = self._hub.version
            # More happened than the hub holds: everybody looks for himself.
            self._wake(list(self._waiting) if changes is None else (change.job_id for change in changes))
        self._wake(list(self._waiting))

    def _wake(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            for waiter in self._waiting.get(job_id, ()):
                waiter.set()

    def silent_for(self, job_id: str) -> float:
        """Seconds since the job itself waited here last; without end where it never did."""
        if job_id in self._alive:
            return 0.0
        return time.monotonic() - self._heard.get(job_id, -math.inf)

    def _hear(self, job_id: str) -> None:
        self._alive[job_id] -= 1
        if not self._alive[job_id]:
            del self._alive[job_id]
        self._heard[job_id] = time.monotonic()
        self._heard.move_to_end(job_id)
        if len(self._heard) > HEARD_OF:
            self._heard.popitem(last=False)

    async def until_not(self, state: str, job_id: str, *, timeout: float, alive: bool = False) -> Job | None:
        """The job once it is in another state, or as it is after ``timeout`` seconds; None when it is gone.

        ``alive`` says that the job itself waits, which is a sign of its life.
        """
        news = asyncio.Event()
        self._waiting[job_id].add(news)
        if alive:
            self._alive[job_id] += 1
        try:
            async with asyncio.timeout(timeout):
                while (job := await self._index.get(job_id)) and job.state == state and not self._hub.closed:
                    await news.wait()
                    news.clear()
        except TimeoutError:
            job = await self._index.get(job_id)
        finally:
            self._waiting[job_id].discard(news)
            if alive:
                self._hear(job_id)
            if not self._waiting[job_id]:
                del self._waiting[job_id]
        return job
