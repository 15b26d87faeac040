"""What happens to jobs, told once to everybody who listens on `/ws/system`.

One task turns the changes of the hub into frames, and each listener reads them at its own pace from one shared ring;
one that falls out of the ring is told so, as it could not know what it missed.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from prefect_jobs.changes import ChangeHub
from prefect_jobs.job_news import Frame, JobNews
from prefect_jobs.jobs import Job
from prefect_jobs.store import JobIndex

logger = logging.getLogger(__name__)

RING = 10_000
"""Frames that may wait for a listener."""
LOOK_EVERY = 0.5
AGAIN_AFTER = 1.0


class FellBehind(Exception):
    """The listener lacks frames that are forgotten."""


class Broadcast:
    """The frames about all jobs, as JSON text, in the order in which they happened."""

    def __init__(
        self, hub: ChangeHub, index: JobIndex, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._hub = hub
        self._index = index
        self._clock = clock
        self._ring: deque[str] = deque(maxlen=RING)
        self._news = asyncio.Event()
        self.end = 0
        """The place behind the latest frame."""

    async def run(self) -> None:
        """Turn changes into frames until cancelled."""
        while True:
            try:
                await self._follow()
            except Exception:
                logger.exception("the broadcast of jobs failed, starting it again")
            await asyncio.sleep(AGAIN_AFTER)

    async def _follow(self) -> None:
        at = self._hub.version
        news = JobNews(await self._active())
        while True:
            changes = self._hub.after(at)
            if changes is None:
                # More happened at once than the hub holds: tell how each job that was under way stands now.
                at = self._hub.version
                for job_id in [*news.known, *(job.job_id for job in await self._active())]:
                    job = await self._index.get(job_id)
                    self._publish(news.changed(job, now=self._clock()) if job else [])
                continue
            for change in changes:
                at = change.version
                if change.job is None:
                    news.forget(change.job_id)
                elif change.job.state != "scheduled":
                    self._publish(news.changed(change.job, now=self._clock()))
            self._publish(news.due(now=self._clock()))
            await self._hub.wait(at, timeout=LOOK_EVERY)

    async def _active(self) -> list[Job]:
        found: list[Job] = []
        async for ids in self._index.ids(active_only=True):
            found += [job for job_id in ids if (job := await self._index.get(job_id))]
        return found

    def _publish(self, frames: list[Frame]) -> None:
        if not frames:
            return
        for frame in frames:
            self._ring.append(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))
        self.end += len(frames)
        self._news.set()
        self._news = asyncio.Event()

    async def after(self, place: int) -> list[str]:
        """The frames behind this place, as soon as there are any.

        Raises:
            FellBehind: some of them are forgotten.
        """
        while place >= self.end:
            await self._news.wait()
        missing = self.end - place
        if missing > len(self._ring):
            raise FellBehind
        return [self._ring[index] for index in range(len(self._ring) - missing, len(self._ring))]
