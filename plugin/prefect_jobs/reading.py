"""Taking over what Prefect holds: some runs, all that have not ended, or everything.

Absence proves nothing: a page can slip past while others are deleted. So each job that did not turn up is asked for by
its id before it is forgotten. What turned up is noted in the index itself, a number for each job, whoever read it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from prefect_jobs.changes import ChangeHub
from prefect_jobs.gateway import PAGE, START, Bookmark, Gateway, Progress, Run, RunPage
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.secrets_of_types import SecretsOfTypes
from prefect_jobs.store import Change, HistoryStore, JobIndex, LogStore

SOON = timedelta(minutes=1)
"""Runs that a schedule prepared are read that much before they are due."""


class JobReader:
    """Brings what was read into the index, and tells everybody what changed by it, in the order of versions."""

    def __init__(
        self,
        gateway: Gateway,
        index: JobIndex,
        logs: LogStore,
        hub: ChangeHub,
        *,
        past: HistoryStore | None,
        budget: ReadBudget,
        clock: Callable[[], datetime],
        secrets: SecretsOfTypes | None = None,
        redraw: bool = False,
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._logs = logs
        self._hub = hub
        self._past = past
        self._budget = budget
        self._clock = clock
        self._secrets = secrets or SecretsOfTypes(gateway, clock=clock)
        self._redraw = redraw
        self._publishing = asyncio.Lock()
        self._readings = index.readings
        self._sweep: tuple[int, Bookmark | None] | None = None
        if not redraw:
            gateway.ask_first(index.attempt_starts)

    # -- some runs --------------------------------------------------------------------------------------------------

    async def took(self, runs: Sequence[Run]) -> None:
        """Take over runs that were read, without the secrets in their parameters."""
        runs = await self._secrets.masked_runs(runs)
        async with self._publishing:
            self._publish(await self._index.apply(runs, now=self._clock(), redraw=self._redraw))

    async def reported(self, reports: Sequence[tuple[str, Progress]]) -> None:
        """Take over what running jobs report."""
        async with self._publishing:
            self._publish(await self._index.apply_progress(reports))

    async def promote_due(self) -> None:
        """Turn what a schedule prepared into jobs when its time has come."""
        async with self._publishing:
            self._publish(await self._index.promote_due(now=self._clock()))

    async def end_unproven(self) -> None:
        """Read the jobs once more whose receipt has been awaited for long enough: a killed one ends without it.

        Raises:
            GatewayError: Prefect could not be read.
        """
        async for ids in self._index.unproven(now=self._clock()):
            self._budget.spend(-(-len(ids) // PAGE))
            await self.check(ids)

    async def follow(self) -> None:
        """Take over what others wrote into the index."""
        async with self._publishing:
            self._publish(await self._index.follow())

    async def forget(self, job_ids: Sequence[str]) -> list[Change]:
        """Drop jobs that Prefect no longer holds, with their logs and their past."""
        if not job_ids:
            return []
        async with self._publishing:
            changes = await self._index.remove(job_ids, now=self._clock())
            self._publish(changes)
        await self._logs.forget(job_ids)
        if self._past is not None:
            await self._past.forget(job_ids)
        return changes

    def _publish(self, changes: Sequence[Change]) -> None:
        if self._readings != self._index.readings:
            self._readings = self._index.readings
            self._hub.restart(self._index.followed)
        else:
            self._hub.publish(changes)

    async def check(self, job_ids: Sequence[str]) -> None:
        """Read these jobs by their ids; forget those that Prefect does not know."""
        for start in range(0, len(job_ids), PAGE):
            batch = job_ids[start : start + PAGE]
            runs = await self._gateway.read_runs(batch)
            await self.took(runs)
            gone = set(batch) - {run.id for run in runs}
            await self.forget(sorted(gone))

    # -- all that have not ended ------------------------------------------------------------------------------------

    async def read_active(self) -> int:
        """Make every job right that has not ended, in Prefect or in the index. Returns the number of questions.

        What was promised of active jobs goes before the budget: nothing here waits for it.

        Raises:
            GatewayError: Prefect could not be read to the end.
        """
        due, look, asked = self._clock() + SOON, self._index.look_around(), 0
        at: Bookmark | None = START
        while at is not None:
            page = await self._asked(self._gateway.active_runs(due_before=due, at=at))
            at, asked = page.next, asked + 1
        async for ids in self._index.missing(look, active_only=True):
            self._budget.spend(-(-len(ids) // PAGE))
            asked += -(-len(ids) // PAGE)
            await self.check(ids)
        return asked

    async def _asked(self, reading: Awaitable[RunPage]) -> RunPage:
        self._budget.spend()
        page = await reading
        await self.took(page.runs)
        return page

    # -- everything -------------------------------------------------------------------------------------------------

    @property
    def half_swept(self) -> bool:
        """Whether the next sweep goes on where the last one broke off, behind its first page."""
        return self._sweep is not None and self._sweep[1] is not START

    async def sweep(self, *, hurried: bool = False, told: Callable[[int], None] = lambda _count: None) -> None:
        """Read every run of Prefect, then ask by id for each job that did not turn up.

        One that broke off goes on where it was: a server that comes and goes must not keep it from its end.

        Args:
            hurried: do not wait for the budget.
            told: is told how many runs each page held.

        Raises:
            GatewayError: Prefect could not be read to the end.
        """
        look, at = self._sweep if self._sweep and self.half_swept else (self._index.look_around(), START)
        while at is not None:
            self._sweep = look, at
            await self._wait(hurried=hurried)
            page = await self._gateway.all_runs(at=at)
            await self.took(page.runs)
            told(len(page.runs))
            at = page.next
        self._sweep = look, None
        async for ids in self._index.missing(look, active_only=False):
            for start in range(0, len(ids), PAGE):
                await self._wait(hurried=hurried)
                await self.check(ids[start : start + PAGE])
        self._sweep = None

    async def _wait(self, *, hurried: bool) -> None:
        if hurried:
            self._budget.spend()
        else:
            await self._budget.take(urgent=False)
