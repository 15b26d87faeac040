"""One subscription at Prefect for all logs that are watched here, whatever their number.

An embedded server admits some hundred requests at a time, and each open socket of its log stream is one. Its filter is
said once, when the socket opens. So when more logs are watched, a new subscription takes the place of the old one, and
the old one ends only when the new one listens: no line is announced to nobody.

Prefect drops announcements once 256 wait for a subscriber. After such a burst everybody looks once more by himself.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from prefect_jobs.gateway import Gateway

logger = logging.getLogger(__name__)

SETTLE = 0.02
"""Seconds in which more logs may be asked for before the subscription is renewed: a page may open many at once."""
RENEW_EVERY = 0.3
"""Seconds between two renewals. Until it is heard, a log is read about as often."""
OPEN_WITHIN = 20.0
"""Seconds that the subscription may take to open."""
RETRY = 5.0
"""Seconds until it is tried again where it could not be opened, or did not last so long."""
BURST = 250
"""Announcements within ``BURST_SECONDS`` after which some may have been dropped."""
BURST_SECONDS = 1.0
LEFT_MOST = 50
"""Logs that nobody watches any more of which announcements may go on to come."""

Wake = Callable[[], None]


class LogWakeups:
    """Wakes who watches a log when Prefect announces a line of it."""

    def __init__(
        self, gateway: Gateway, *, settle: float = SETTLE, renew_every: float = RENEW_EVERY, retry: float = RETRY
    ) -> None:
        self._gateway = gateway
        self._settle = settle
        self._renew_every = renew_every
        self._retry = retry
        self._wanted: dict[str, Wake] = {}
        self._heard: frozenset[str] = frozenset()
        self._listening: asyncio.Task[None] | None = None
        self._opened_at = 0.0
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._counted_from = 0.0
        self._count = 0

    def add(self, job_id: str, wake: Wake) -> None:
        """Call this at each line that Prefect announces of this log, and once when it begins to."""
        if self._wanted.get(job_id) == wake:
            return
        self._wanted[job_id] = wake
        self._changed.set()
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep(), name="log subscription")

    def drop(self, job_id: str) -> None:
        """Nobody watches this log any more."""
        self._wanted.pop(job_id, None)
        if not self._wanted and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    def hears(self, job_id: str) -> bool:
        """Whether lines of this log are announced."""
        return job_id in self._heard

    def end(self) -> list[asyncio.Task[None]]:
        """Tell the subscription to end. Returns what may be waited for."""
        tasks = [task for task in (self._keeping, self._listening) if task is not None]
        self._keeping = None
        self._wanted.clear()
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        """End the subscription."""
        await asyncio.gather(*self.end(), return_exceptions=True)

    # -- the subscription -------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        try:
            while True:
                self._changed.clear()
                await asyncio.sleep(self._settle)
                if self._listening is not None and self._listening.done():
                    await self._lost()
                if self._fits():
                    await self._changed.wait()
                elif await self._renew():
                    await asyncio.sleep(self._renew_every)
                else:
                    await asyncio.sleep(self._retry)
        finally:
            self._end()

    def _fits(self) -> bool:
        """Whether the subscription hears of all that is wanted, and of little else."""
        left = len(self._heard) - len(self._wanted)
        return self._wanted.keys() <= self._heard and left <= max(LEFT_MOST, len(self._wanted))

    async def _lost(self) -> None:
        self._end()
        if time.monotonic() - self._opened_at < self._retry:
            await asyncio.sleep(self._retry)

    def _end(self) -> None:
        listening, self._listening, self._heard = self._listening, None, frozenset[str]()
        if listening is not None:
            listening.cancel()

    async def _renew(self) -> bool:
        """Put a subscription to what is wanted now in the place of the one before, if it can be had."""
        wanted, opened = frozenset(self._wanted), asyncio.Event()
        listening = asyncio.create_task(self._listen(wanted, opened), name="log subscription: listen")
        listening.add_done_callback(lambda _: (opened.set(), self._changed.set()))
        try:
            await opened.wait()
        except asyncio.CancelledError:
            listening.cancel()
            raise
        if listening.done():
            return False
        before, self._listening = self._listening, listening
        if before is not None:
            before.cancel()
        fresh, self._heard = wanted - self._heard, wanted
        self._opened_at = time.monotonic()
        self._wake(fresh)
        return True

    async def _listen(self, job_ids: frozenset[str], opened: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(OPEN_WITHIN) as opening, self._gateway.log_wakeups(*job_ids) as announced:
                opening.reschedule(None)
                opened.set()
                async for job_id in announced:
                    self._wake((job_id,))
                    self._count_one()
        except Exception as error:  # noqa: BLE001  Prefect's subscriber raises bare exceptions; a server may have the stream switched off
            logger.debug("log subscription: %s", error)

    def _wake(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            if wake := self._wanted.get(job_id):
                wake()

    def _count_one(self) -> None:
        now = time.monotonic()
        if now - self._counted_from > BURST_SECONDS:
            self._counted_from, self._count = now, 0
        self._count += 1
        if self._count == BURST:
            asyncio.get_running_loop().call_later(BURST_SECONDS, lambda: self._wake(self._heard))
