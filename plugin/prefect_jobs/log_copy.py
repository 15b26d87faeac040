"""Copying one job's log out of Prefect's table, and proving that nothing is missing.

Prefect gives 200 lines at a time, sorted by time without a tie-break, and no count. Lines arrive out of order, as each
process ships its own batch. So pages are asked for by time, a little before the last line known; and completeness is
proved by one question: is there a line behind as many as are stored? Prefect's lines are never changed, so the answer
"no" means that all are here. With "yes" the missing ones are found by halving the time, not by reading all again.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from prefect_jobs.gateway import PAGE, Gateway, LogLine
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.store import LogStore

OVERLAP = timedelta(milliseconds=50)
"""How far in front of the newest line each reading begins."""
LOOK_BACK = timedelta(seconds=30)
"""How far back lines are looked for first that came late."""
NARROWEST = timedelta(milliseconds=1)
SEARCHES = 50
"""How many places with missing lines are looked for before the whole log is read again."""

Announce = Callable[[], None]


def _nobody() -> None:
    pass


class LogCopier:
    """Reads logs of Prefect into the store, within the budget. Every method raises ``GatewayError`` when it cannot."""

    def __init__(self, gateway: Gateway, store: LogStore, budget: ReadBudget, *, clock: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._store = store
        self._budget = budget
        self._clock = clock

    async def newest(self, job_id: str) -> int:
        """Store the newest page of a log, whatever is missing in front of it. Returns how many lines were new."""
        await self._budget.take(urgent=True)
        page = await self._gateway.newest_logs(job_id)
        return await self._store.add_newest(job_id, page, is_all=len(page) < PAGE) if page else 0

    async def ahead(
        self, job_id: str, *, overlap: timedelta = OVERLAP, urgent: bool, announce: Announce = _nobody
    ) -> int:
        """Copy the lines from a little before the newest stored one on (from the first, when there is none)."""
        book = await self._store.book(job_id)
        after = None if book.newest is None else book.newest - overlap
        if after is not None and book.gap is not None:
            after = max(after, book.gap.until)  # what is older the gap takes in
        return await self._pages(job_id, after, urgent=urgent, announce=announce)

    async def _pages(
        self, job_id: str, after: datetime | None, *, urgent: bool, announce: Announce = _nobody, only_new: bool = False
    ) -> int:
        """Copy page by page from this time on to the end; with ``only_new``, until a page brings nothing."""
        offset = 0
        added = 0
        while True:
            page = await self._page(job_id, after, offset, urgent=urgent)
            new = await self._store.add(job_id, page) if page else 0
            added += new
            if new:
                announce()
            if len(page) < PAGE or (only_new and not new):
                return added
            # By time, not by offset: a late line in front would shift the pages. A page of one single time has no
            # other way on.
            last = page[-1].timestamp
            offset = offset + PAGE if last == after else 0
            after = last
            gap = (await self._store.book(job_id)).gap
            if gap is not None and after < gap.until:
                return added  # a reader asked for the end meanwhile, and the rest is filled in by `fill_gap`

    async def _page(self, job_id: str, after: datetime | None, offset: int, *, urgent: bool) -> list[LogLine]:
        await self._budget.take(urgent=urgent)
        return await self._gateway.read_logs(job_id, after=after, offset=offset)

    async def fill_gap(self, job_id: str, *, announce: Announce = _nobody) -> None:
        """Copy the lines that are missing in front of a tail, in the background's share of the budget."""
        offset = 0
        while (gap := (await self._store.book(job_id)).gap) is not None:
            page = await self._page(job_id, gap.copied_to, offset, urgent=False)
            missing = [line for line in page if line.timestamp <= gap.until]
            last = page[-1].timestamp if page else gap.until
            offset = offset + PAGE if last == gap.copied_to else 0
            done = len(page) < PAGE or last > gap.until
            await self._store.fill_gap(job_id, missing, copied_to=None if done else last)
            announce()

    async def prove(
        self, job_id: str, *, ended_at: datetime | None = None, urgent: bool, announce: Announce = _nobody
    ) -> bool:
        """Find out whether every line is stored, and fetch what came late. True: every one is, as noted in the store.

        Args:
            job_id: the job.
            ended_at: when it ended, if no more lines can come: then the whole log is searched for missing ones, and
                once it is whole it is so for good.
            urgent: whether somebody waits.
            announce: called when lines were stored.
        """
        if await self._is_whole(job_id, ended_at, urgent=urgent):
            return True
        await self.ahead(job_id, overlap=LOOK_BACK, urgent=urgent, announce=announce)
        if await self._is_whole(job_id, ended_at, urgent=urgent):
            return True
        if ended_at is None:
            return False
        for _ in range(SEARCHES):
            if not await self._fetch_missing(job_id):
                break
            announce()
            if await self._is_whole(job_id, ended_at, urgent=urgent):
                return True
        await self._pages(job_id, None, urgent=False, announce=announce)
        return await self._is_whole(job_id, ended_at, urgent=urgent)

    async def _is_whole(self, job_id: str, ended_at: datetime | None, *, urgent: bool) -> bool:
        now = self._clock()
        book = await self._store.book(job_id)
        if book.gap is not None:
            return False
        await self._budget.take(urgent=urgent)
        if await self._gateway.has_more_logs_than(job_id, book.lines):
            return False
        await self._store.note_whole(job_id, now, settled_for=ended_at)
        return True

    async def _fetch_missing(self, job_id: str) -> int:
        """Copy the earliest lines that are missing. Returns how many were found."""
        first = await self._page(job_id, None, 0, urgent=False)
        if added := await self._store.add(job_id, first) if first else 0:
            return added
        newest = await self._gateway.newest_logs(job_id)
        if not first or not newest:
            return 0
        # Up to `low` nothing is missing, up to `high` something is.
        low, high = first[0].timestamp - NARROWEST, newest[0].timestamp
        while high - low > NARROWEST:
            middle = low + (high - low) / 2
            await self._budget.take(urgent=False)
            stored = await self._store.count_until(job_id, middle)
            if await self._gateway.has_more_logs_than(job_id, stored, until=middle):
                high = middle
            else:
                low = middle
        return await self._pages(job_id, low, urgent=False, only_new=True)
