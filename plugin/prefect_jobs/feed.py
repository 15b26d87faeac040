"""Keeping the index true. Events wake it up; reading Prefect makes it right.

Prefect's events get lost when its server restarts, and none is sent for a deletion. So the feed

1. subscribes to the events of runs and reads each run that one names;
2. after every (re)connect replays the stored events since it last listened, and once more ten seconds later;
3. re-reads, every few seconds, every run that has not ended, on either side;
4. sweeps slowly through everything, which finds deletions and renames.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from prefect_jobs.changes import ChangeHub
from prefect_jobs.gateway import PAGE, Gateway, GatewayError, Progress, Run, RunEvent
from prefect_jobs.store import Change, HistoryStore, JobIndex, LogStore

logger = logging.getLogger(__name__)

REPLAY_OVERLAP = timedelta(seconds=10)
STATE_RETRIES = 5
"""How often a run is read again when its event is known and its state is not yet: the event can be the faster one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the feed looks, in seconds."""

    reconcile: float = 3.0
    sweep: float = 300.0
    retry: float = 1.0
    second_replay: float = 10.0
    state_retry: float = 0.05
    stale: float = 7.0


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the index is worth: whether Prefect answers, and how old the news may be."""

    prefect: Literal["up", "down"]
    behind_seconds: float
    ready: bool
    reasons: tuple[str, ...]


class Feed:
    """Reads Prefect into the index and publishes every change."""

    def __init__(
        self,
        gateway: Gateway,
        index: JobIndex,
        logs: LogStore,
        hub: ChangeHub,
        *,
        past: HistoryStore | None = None,
        pace: Pace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._logs = logs
        self._hub = hub
        self._past = past
        self._pace = pace or Pace()
        self._clock = clock
        self._dirty: dict[str, tuple[str | None, int]] = {}
        self._reports: dict[str, Progress] = {}
        self._wake = asyncio.Event()
        self._sweep_now = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._listening = False
        self._swept = False
        self._right_at: float | None = None
        self._failing = False
        self._problem = "the jobs have not been read from Prefect yet"

    async def run(self) -> None:
        """Keep the index true until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._listen, self._drain, self._reconcile, self._sweep, self._promote):
                tasks.create_task(self._keep(work), name=f"feed:{work.__name__}")

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Start a part of the feed again when it fails in a way nobody foresaw: a page must not grow old unseen."""
        while True:
            try:
                await work()
            except Exception:
                logger.exception("%s failed, starting it again", work.__name__)
            await asyncio.sleep(self._pace.retry)

    def status(self) -> FeedStatus:
        """What the index is worth now."""
        now = time.monotonic()
        behind = 0.0 if self._right_at is None else now - self._right_at
        up = self._right_at is not None and not self._failing and behind < self._pace.stale
        reasons: list[str] = []
        if not up:
            reasons.append(self._problem or f"Prefect has not answered for {behind:.0f} s")
        if up and not self._listening:
            reasons.append("the event stream of Prefect is not connected; active jobs are read every few seconds")
        if not self._swept:
            reasons.append("the first reading of all jobs is not finished")
        return FeedStatus(
            prefect="up" if up else "down",
            behind_seconds=0.0 if up else round(behind, 3),
            ready=up and self._swept,
            reasons=tuple(reasons),
        )

    # -- what the API tells the feed --------------------------------------------------------------------------------

    async def took(self, runs: Sequence[Run]) -> None:
        """Take over runs that were just read or made, before the request that did it is answered."""
        async with self._publishing:
            self._hub.publish(await self._index.apply(runs, now=self._clock()))

    async def look_up(self, run_id: str) -> None:
        """Read one run now: somebody asks for it and the index does not know it."""
        await self.took(await self._gateway.read_runs([run_id]))

    # -- 1 and 2: events --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                async with self._gateway.subscribe() as events:
                    self._listening = True
                    logger.info("listening to Prefect's events")
                    async with asyncio.TaskGroup() as tasks:
                        replay = tasks.create_task(self._replay())
                        async for event in events:
                            self._note(event)
                        replay.cancel()
            except (GatewayError, OSError, ExceptionGroup) as error:
                logger.debug("event stream lost: %s", error)
            except Exception:
                # Prefect's subscriber raises bare exceptions, for a refused login too: say it and try again.
                logger.exception("event stream failed")
            if self._listening:
                logger.warning("lost Prefect's event stream, connecting again")
            self._listening = False
            self._sweep_now.set()
            await asyncio.sleep(self._pace.retry)

    def _note(self, event: RunEvent) -> None:
        if event.progress is not None:
            self._reports[event.run_id] = event.progress
        else:
            self._dirty[event.run_id] = (event.state_id, 0)
        self._wake.set()

    async def _replay(self) -> None:
        """Read what was missed: now, and again when the last events of before have been stored."""
        since = await self._index.events_read_until() or self._clock() - REPLAY_OVERLAP
        for pause in (0.0, self._pace.second_replay):
            await asyncio.sleep(pause)
            await self._persist(self._replay_since, since - REPLAY_OVERLAP)
        while True:
            await self._index.set_events_read_until(self._clock())
            await asyncio.sleep(self._pace.second_replay)

    async def _replay_since(self, since: datetime) -> None:
        for event in await self._gateway.events_since(since):
            # A run that was told of meanwhile is not overwritten with an older state's id.
            if event.progress is None:
                self._dirty.setdefault(event.run_id, (None, 0))
        self._wake.set()

    async def _persist(self, work: Callable[..., Any], *args: Any) -> None:
        while True:
            try:
                return await work(*args)
            except GatewayError as error:
                self._fail(error)
                await asyncio.sleep(self._pace.retry)

    async def _drain(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            reports, self._reports = self._reports, {}
            if reports:
                async with self._publishing:
                    self._hub.publish(await self._index.apply_progress(reports.items()))
            while self._dirty:
                batch = dict(list(self._dirty.items())[:PAGE])
                for run_id in batch:
                    del self._dirty[run_id]
                await self._persist(self._read_batch, batch)

    async def _read_batch(self, batch: dict[str, tuple[str | None, int]]) -> None:
        runs = await self._gateway.read_runs(list(batch))
        await self.took(runs)
        states = {run.id: run.state_id for run in runs}
        for run_id, (expected, tries) in batch.items():
            # The event of a state can be here before the state is visible to a reader.
            early = expected is not None and run_id in states and states[run_id] != expected
            if (early or run_id not in states) and tries < STATE_RETRIES:
                asyncio.get_running_loop().call_later(
                    self._pace.state_retry * 2**tries, self._again, run_id, expected, tries + 1
                )

    def _again(self, run_id: str, expected: str | None, tries: int) -> None:
        self._dirty.setdefault(run_id, (expected, tries))
        self._wake.set()

    # -- 3: active runs ---------------------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self.reconcile_active()
            except GatewayError as error:
                self._fail(error)
            else:
                if self._right_at is None or self.status().prefect != "up":
                    self._sweep_now.set()
                self._right_at, self._failing, self._problem = began, False, ""
                self._hub.wake()
            await asyncio.sleep(self._pace.retry if self._failing else self._pace.reconcile)

    async def reconcile_active(self) -> None:
        """Make every job right that has not ended, in Prefect or in the index.

        Raises:
            GatewayError: Prefect could not be read to the end.
        """
        due = self._clock() + timedelta(minutes=1)
        seen = await self._take_all(lambda offset: self._gateway.active_runs(due_before=due, offset=offset))
        await self._check_others(seen, active_only=True)

    async def _take_all(self, page: Callable[[int], Awaitable[list[Run]]]) -> set[str]:
        """Take over every run of these pages. Returns their ids."""
        seen: set[str] = set()
        offset = 0
        while True:
            runs = await page(offset)
            await self.took(runs)
            seen.update(run.id for run in runs)
            if len(runs) < PAGE:
                return seen
            offset += PAGE

    async def _check_others(self, seen: set[str], *, active_only: bool) -> None:
        """Ask by id for each job that did not turn up: a page can slip past while others are deleted."""
        async for ids in self._index.ids(active_only=active_only):
            await self._check([job_id for job_id in ids if job_id not in seen])

    async def _check(self, job_ids: Sequence[str]) -> None:
        """Read these jobs by their ids; forget those that Prefect does not know."""
        for start in range(0, len(job_ids), PAGE):
            batch = job_ids[start : start + PAGE]
            runs = await self._gateway.read_runs(batch)
            await self.took(runs)
            gone = set(batch) - {run.id for run in runs}
            await self.forget(sorted(gone))

    async def forget(self, job_ids: Sequence[str]) -> list[Change]:
        """Drop jobs that Prefect no longer holds, with their logs and their past."""
        if not job_ids:
            return []
        async with self._publishing:
            changes = await self._index.remove(job_ids, now=self._clock())
            self._hub.publish(changes)
        await self._logs.forget(job_ids)
        if self._past is not None:
            await self._past.forget(job_ids)
        return changes

    # -- 4: everything ----------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.sweep):
                    await self._sweep_now.wait()
            self._sweep_now.clear()
            try:
                await self.sweep()
            except GatewayError as error:
                self._fail(error)
                await asyncio.sleep(self._pace.retry)
                self._sweep_now.set()

    async def sweep(self) -> None:
        """Read every run of Prefect, then ask by id for each job that did not turn up.

        Raises:
            GatewayError: Prefect could not be read to the end.
        """
        seen = await self._take_all(lambda offset: self._gateway.all_runs(offset=offset))
        await self._check_others(seen, active_only=False)
        self._swept = True

    async def _promote(self) -> None:
        while True:
            async with self._publishing:
                self._hub.publish(await self._index.promote_due(now=self._clock()))
            await asyncio.sleep(1)

    def _fail(self, error: GatewayError) -> None:
        if str(error) != self._problem:
            logger.warning("%s", error)
        self._failing, self._problem = True, str(error)
        self._hub.wake()
