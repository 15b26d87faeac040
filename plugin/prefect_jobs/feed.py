"""Keeping the index true. Events wake it up; reading Prefect makes it right.

Prefect's events get lost when its server restarts, and none is sent for a deletion. So the feed

1. subscribes to the events of runs and reads each run that one names;
2. after every (re)connect replays the stored events since it last listened, and once more ten seconds later;
3. re-reads, every few seconds, every run that has not ended, on either side;
4. sweeps slowly through everything, which finds deletions and renames.

Of several adapters on one database one does this; the others follow what it writes, and one of them takes over when it
is gone.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed_turn import FeedStatus, FeedTurn
from prefect_jobs.gateway import PAGE, Gateway, GatewayError, Progress, Run, RunEvent
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.reading import JobReader
from prefect_jobs.store import BEAT_EVERY, Change, FeedLease, HistoryStore, JobIndex, LogStore

logger = logging.getLogger(__name__)

REPLAY_OVERLAP = timedelta(seconds=10)
READS_PER_SECOND = 5.0
"""Requests a second that reading jobs may cause at Prefect, where no setting says otherwise."""
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
    stale: float = 10.0
    longest_reconcile: float = 6.0
    """With thousands of active jobs they are read less often, to save requests, but never less often than that."""
    events_rest: float = 0.25
    """Pause between two readings that events asked for, once more was asked than the budget allows."""
    follow: float = 1.0
    promote: float = 1.0
    beat: float = BEAT_EVERY


@dataclass(frozen=True, slots=True)
class Awaited:
    """A run to be read, and the time of the state that its event told of."""

    state_at: datetime | None = None
    tries: int = 0

    def is_later_than(self, run: Run | None) -> bool:
        """Whether a reading is older than the event. One that saw a later state than the event's is not."""
        if run is None:
            return True
        return self.state_at is not None and run.state_at is not None and run.state_at < self.state_at


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
        lease: FeedLease | None = None,
        budget: ReadBudget | None = None,
        pace: Pace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._hub = hub
        self._pace = pace or Pace()
        self._budget = budget or ReadBudget(READS_PER_SECOND)
        self._clock = clock
        self._reader = JobReader(gateway, index, logs, hub, past=past, budget=self._budget, clock=clock)
        self._turn = FeedTurn(lease, beat_every=self._pace.beat, clock=clock)
        self._dirty: dict[str, Awaited] = {}
        self._reports: dict[str, Progress] = {}
        self._wake = asyncio.Event()
        self._sweep_now = asyncio.Event()
        self._listening = False
        self._swept = False
        self._right_at: float | None = None
        self._failing = False
        self._problem = "the jobs have not been read from Prefect yet"

    async def run(self) -> None:
        """Keep the index true, or follow the adapter that does, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(self._follow), name="feed:follow")
            tasks.create_task(self._keep(self._hold), name="feed:hold")

    async def _hold(self) -> None:
        """Wait for the feed, and keep the index true for as long as it is ours."""
        async with self._turn.held():
            await self._turn.while_held(self._keep_true, say=self.status, right_at=self._right_since)

    async def _keep_true(self) -> None:
        self._right_at, self._listening = None, False
        async with asyncio.TaskGroup() as tasks:
            for work in (self._listen, self._drain, self._reconcile, self._sweep, self._promote):
                tasks.create_task(self._keep(work), name=f"feed:{work.__name__}")

    async def _follow(self) -> None:
        while True:
            await self._reader.follow()
            await asyncio.sleep(self._pace.follow)

    def _right_since(self) -> datetime | None:
        if self._right_at is None:
            return None
        return self._clock() - timedelta(seconds=time.monotonic() - self._right_at)

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
        if (told := self._turn.told()) is not None:
            return told
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
            complete=self._swept or self._turn.was_swept,
        )

    # -- what the API tells the feed --------------------------------------------------------------------------------

    async def took(self, runs: Sequence[Run]) -> None:
        """Take over runs that were just read or made, before the request that did it is answered."""
        await self._reader.took(runs)

    async def look_up(self, run_id: str) -> None:
        """Read one run now: somebody asks for it and the index does not know it."""
        await self.took(await self._gateway.read_runs([run_id]))

    async def forget(self, job_ids: Sequence[str]) -> list[Change]:
        """Drop jobs that Prefect no longer holds, with their logs and their past."""
        return await self._reader.forget(job_ids)

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
            self._dirty[event.run_id] = Awaited(event.occurred if event.state_id else None)
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
                self._dirty.setdefault(event.run_id, Awaited())
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
                await self._reader.reported(list(reports.items()))
            while self._dirty:
                batch = dict(list(self._dirty.items())[:PAGE])
                for run_id in batch:
                    del self._dirty[run_id]
                self._budget.spend()
                await self._persist(self._read_batch, batch)
                if self._budget.overdrawn:
                    await asyncio.sleep(self._pace.events_rest)

    async def _read_batch(self, batch: dict[str, Awaited]) -> None:
        runs = await self._gateway.read_runs(list(batch))
        await self.took(runs)
        found = {run.id: run for run in runs}
        for run_id, awaited in batch.items():
            # The event of a state can be here before the state is visible to a reader.
            if awaited.tries < STATE_RETRIES and awaited.is_later_than(found.get(run_id)):
                again = replace(awaited, tries=awaited.tries + 1)
                pause = self._pace.state_retry * 2**awaited.tries
                asyncio.get_running_loop().call_later(pause, self._again, run_id, again)

    def _again(self, run_id: str, awaited: Awaited) -> None:
        self._dirty.setdefault(run_id, awaited)
        self._wake.set()

    # -- 3: active runs ---------------------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        while True:
            began, asked = time.monotonic(), 0
            try:
                asked = await self._reader.read_active()
            except GatewayError as error:
                self._fail(error)
            else:
                if self._right_at is None or self.status().prefect != "up":
                    self._sweep_now.set()
                self._right_at, self._failing, self._problem = began, False, ""
                self._hub.wake()
            await asyncio.sleep(self._pace.retry if self._failing else self._reconcile_pause(asked))

    def _reconcile_pause(self, asked: int) -> float:
        """Half of the budget is for active jobs, as far as the promise allows."""
        wanted = asked / (self._budget.rate / 2)
        return max(self._pace.reconcile, min(wanted, self._pace.longest_reconcile))

    async def reconcile_active(self) -> None:
        """Make every job right that has not ended, in Prefect or in the index.

        Raises:
            GatewayError: Prefect could not be read to the end.
        """
        await self._reader.read_active()

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
            GatewayError: Prefect could not be read to the end; the next sweep goes on from there.
        """
        await self._reader.sweep(hurried=not self._swept)
        self._swept = True
        await self._turn.swept()

    async def _promote(self) -> None:
        while True:
            await self._reader.promote_due()
            with contextlib.suppress(GatewayError):  # while Prefect is away nobody can say whether the proof is there
                await self._reader.end_unproven()
            await asyncio.sleep(self._pace.promote)

    def _fail(self, error: GatewayError) -> None:
        if str(error) != self._problem:
            logger.warning("%s", error)
        self._failing, self._problem = True, str(error)
        self._hub.wake()
