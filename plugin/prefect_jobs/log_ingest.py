"""Copying logs before anybody asks, so that whoever looks finds them: the logs of running jobs, every few seconds,
and once more when they have ended; and dropping those that nobody has looked at for long.

Asking for the log of each running job would take a thousand questions for a thousand silent jobs. So the newest lines
of all runs are asked for first, and then only for the logs of the jobs that logged; where so many lines came that this
answers nothing, for those of all. A line that comes later than ``LATE`` is found when its job ends, or when somebody
looks.

It takes what the readers leave of the budget. The logs of jobs that ended before this process knew them, and those
that were dropped, are copied when somebody asks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect_jobs.gateway import PAGE, GatewayError, LogLine
from prefect_jobs.log_tail import LogTails
from prefect_jobs.store import JobIndex, LogStore, StoreError

logger = logging.getLogger(__name__)

LATE = timedelta(seconds=5)
"""How much later than they were logged lines may be in Prefect's table: workers ship them every 2 s, unless told
otherwise."""
PAGES_MOST = 10
"""Pages of the newest lines of all runs that are read to learn which jobs logged."""
AT_ONCE = 4
"""Logs that are read side by side: the budget limits how fast, this how many wait for it."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long copies of ended jobs' logs are kept: unused, and how many lines of all jobs together."""

    unused: timedelta = timedelta(days=30)
    lines: int = 20_000_000


@dataclass(frozen=True, slots=True)
class IngestPace:
    """How often, in seconds."""

    copy_every: float = 5.0
    drop_every: float = 600.0


class LogIngest:
    """Keeps the copies of running jobs' logs up to date, and the number of copies within bounds."""

    def __init__(
        self,
        tails: LogTails,
        index: JobIndex,
        store: LogStore,
        *,
        retention: Retention | None = None,
        pace: IngestPace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tails = tails
        self._index = index
        self._store = store
        self._retention = retention or Retention()
        self._pace = pace or IngestPace()
        self._clock = clock
        self._running: set[str] = set()
        self._unsettled: set[str] = set()
        """Jobs of which something is to be copied: that logged, that are new, or that have ended."""
        self._looked_at: datetime | None = None
        self._lines_seen: set[str] = set()

    async def run(self) -> None:
        """Copy and drop until cancelled; then nothing is read any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._every(self._pace.copy_every, self.copy_running), name="log ingest")
                tasks.create_task(self._every(self._pace.drop_every, self.drop_expired), name="log retention")
        finally:
            await self._tails.close()

    @staticmethod
    async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except GatewayError as error:
                logger.debug("%s", error)
            except StoreError as error:
                logger.warning("%s failed, starting it again: %s", getattr(work, "__name__", work), error)
            except Exception:
                logger.exception("%s failed, starting it again", getattr(work, "__name__", work))
            await asyncio.sleep(seconds)

    async def copy_running(self) -> None:
        """Copy the new lines of every running job, and what is left of those that have ended since."""
        running = {job_id async for ids in self._index.running() for job_id in ids}
        before, self._running = self._running, running
        logged = await self._that_logged() if running else set[str]()
        self._unsettled |= running - before | before - running
        self._unsettled |= running if logged is None else running & logged
        waiting = asyncio.Semaphore(AT_ONCE)

        async def copy(job_id: str) -> None:
            async with waiting:
                await self._copy(job_id)

        await asyncio.gather(*(copy(job_id) for job_id in sorted(self._unsettled)))

    async def _that_logged(self) -> set[str] | None:
        """The jobs that logged since the last look; None when too many lines came to tell, or it is the first look.

        Raises:
            GatewayError: Prefect could not be read; the next look goes back as far as this one.
        """
        since, now = self._looked_at, self._clock()
        if since is None:
            self._looked_at = now
            return None
        lines, page, after, offset = dict[str, str](), list[LogLine](), since - LATE, 0
        for _ in range(PAGES_MOST):
            page = await self._tails.lines_of_all(after=after, offset=offset)
            lines.update((line.id, line.run_id) for line in page)
            if len(page) < PAGE:
                break
            # By time, not by offset: a late line in front would shift the pages.
            last = page[-1].timestamp
            offset = offset + PAGE if last == after else 0
            after = last
        known, self._lines_seen, self._looked_at = self._lines_seen, set(lines), now
        return None if len(page) == PAGE else {job_id for line, job_id in lines.items() if line not in known}

    async def _copy(self, job_id: str) -> None:
        job = await self._index.get(job_id)
        if job is None:
            self._unsettled.discard(job_id)
            return
        if self._tails.is_watched(job_id) and not job.ended:
            self._tails.wake(job_id)  # it was announced, but some announcements get lost
            self._unsettled.discard(job_id)
            return
        try:
            settled = await self._tails.copy_quietly(job)
        except GatewayError as error:
            logger.debug("log of %s: %s", job_id, error)
            return
        if not job.ended or (settled and self._tails.is_over(job)):
            self._unsettled.discard(job_id)

    async def drop_expired(self) -> None:
        """Drop the copies that nobody needs. They are copied again when somebody asks."""
        unused_since = self._clock() - self._retention.unused
        expired = await self._store.expired(unused_since=unused_since, most_lines=self._retention.lines)
        if expired:
            await self._store.forget(expired)
            logger.info("dropped the copies of %d logs that nobody has looked at", len(expired))
