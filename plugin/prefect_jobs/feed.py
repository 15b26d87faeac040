"""Keeping the index true. Events wake it up; reading Prefect makes it right.

Prefect's events get lost when its server restarts, and none is sent for a deletion. So the feed

1. subscribes to the events of runs and reads each run that one names;
2. after every (re)connect replays the stored events since it last listened, and once more ten seconds later;
3. re-reads, every few seconds, every run that has not ended, on either side;
4. sweeps slowly through everything, which finds deletions and renames, and after an outage what happened meanwhile.

Of several adapters on one database one does this; the others follow what it writes, and one of them takes over when it
is gone, or cannot read Prefect any more. Each looks by itself whether Prefect answers it.
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
from prefect_jobs.readiness import Part, Proof
from prefect_jobs.reading import JobReader
from prefect_jobs.secrets_of_types import SecretsOfTypes
from prefect_jobs.store import BEAT_EVERY, Change, FeedLease, HistoryStore, JobIndex, LogStore, StoreError

logger = logging.getLogger(__name__)

REPLAY_OVERLAP = timedelta(seconds=10)
READS_PER_SECOND = 5.0
"""Requests a second that reading jobs may cause at Prefect, where no setting says otherwise."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""The id of no run: asking for it costs Prefect nothing, and proves that its door, its key and its database work."""
PROBE_LIMIT = 6.0
"""Seconds after which that question is put anew, on a new connection: the old one may lead nowhere."""
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
    probe: float = 2.0
    """How often Prefect is asked for a sign of life, where nothing else asks it."""
    ask: float = 1.0
    """How often one that waits looks whether the feed is free."""
    unable: float = 5.0
    """So long without a sign of Prefect, a holder is relieved by another that can read it."""
    steady: float = 3.0
    """For so long the other must have been able to: longer than the time between two beats, so that a server that comes
    back for all makes no feed go round."""


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
        secrets: SecretsOfTypes | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._hub = hub
        self._pace = pace or Pace()
        self._budget = budget or ReadBudget(READS_PER_SECOND)
        self._clock = clock
        self._reader = JobReader(
            gateway, index, logs, hub, past=past, budget=self._budget, clock=clock, secrets=secrets
        )
        self._turn = FeedTurn(
            lease,
            beat_every=self._pace.beat,
            clock=clock,
            able=self._can_read,
            ask_every=self._pace.ask,
            unable_most=self._pace.unable,
        )
        self._prefect = Proof("Prefect", stale=self._pace.stale)
        self._dirty: dict[str, Awaited] = {}
        self._reports: dict[str, Progress] = {}
        self._wake = asyncio.Event()
        self._sweep_now = asyncio.Event()
        self._listening = False
        self._swept = False
        self._outages = 0
        self._sweep_knows = self._sweep_knew = -1
        self._right_at: float | None = None
        self._true_at = self._held_at = time.monotonic()
        self._failing = self._store_failing = False
        self._problem = "the jobs have not been read from Prefect yet"

    async def run(self) -> None:
        """Keep the index true, or follow the adapter that does, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(self._follow), name="feed:follow")
            tasks.create_task(self._keep(self._hold), name="feed:hold")
            tasks.create_task(self._keep(self._probe), name="feed:probe")

    async def _hold(self) -> None:
        """Wait for the feed, and keep the index true for as long as it is ours."""
        async with self._turn.held():
            now = time.monotonic()
            self._right_at, self._listening, self._held_at = None, False, now
            self._true_at = now - self._turn.behind_before
            self._note_outage()
            await self._turn.while_held(
                self._keep_true, say=self.status, right_at=self._right_since, unable_for=self._unable_for
            )

    async def _keep_true(self) -> None:
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
            except StoreError as error:  # away, or its disk full: nothing that a traceback would explain
                logger.warning("%s failed, starting it again: %s", work.__name__, error)
            except Exception:
                logger.exception("%s failed, starting it again", work.__name__)
            await asyncio.sleep(self._pace.retry)

    # -- what it is worth -------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        """See for this process whether Prefect answers: what another one says of its own way there proves nothing."""
        while True:
            if self._prefect.age >= self._pace.probe or not self._prefect.part().up:
                await self._ask_prefect()
            await asyncio.sleep(self._pace.retry)

    async def _ask_prefect(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(PROBE_LIMIT):
                await self._gateway.read_runs([NOBODY])
        except TimeoutError:
            pass  # a busy server; one that stays silent is found out by the age of its last answer
        except GatewayError as error:
            self._prefect_failed(str(error))
        except Exception as error:  # noqa: BLE001  Prefect's client lets refusals (401, 404) through as they are
            self._prefect_failed(f"Prefect refuses to answer: {str(error).splitlines()[0]}")
        else:
            self._prefect_answered(began)

    def _prefect_answered(self, began: float) -> None:
        if not self._prefect.part().up:
            self._note_outage()  # which also ends one that nobody noticed: a silence
            self._hub.wake()
        self._prefect.worked(began)
        self._sweep_if_owed()

    def _prefect_failed(self, reason: str) -> None:
        if self._prefect.part().up:
            self._note_outage()
            self._hub.wake()
        self._prefect.failed(reason)

    def _can_read(self) -> bool:
        return self._prefect.age < 2 * self._pace.probe and self._prefect.steady >= self._pace.steady

    def _unable_for(self) -> float:
        """Seconds for which this holder has had no sign of Prefect."""
        silent = min(self._prefect.age, time.monotonic() - self._held_at)
        return silent if silent > 2 * self._pace.probe or not self.prefect_part().up else 0.0

    @property
    def holding(self) -> bool:
        """Whether it is this adapter that keeps the index true."""
        return self._turn.holding

    def prefect_part(self) -> Part:
        """Whether Prefect answers this process."""
        part = self._prefect.part()
        if part.up and self._turn.holding and self._failing and not self._store_failing:
            return Part(up=False, reasons=(self._problem,))
        return part

    def feed_part(self) -> Part:
        """Whether the index is in step with Prefect, whoever sees to that."""
        told = self._turn.told()
        return self._own_part() if told is None else told.part

    def _own_part(self) -> Part:
        behind = 0.0 if self._right_at is None else time.monotonic() - self._right_at
        prefect = self._prefect.part()
        in_step = self._right_at is not None and not self._failing and behind < self._pace.stale and prefect.up
        reasons: list[str] = []
        if not in_step:
            silence = f"the active jobs have not been read for {behind:.0f} s"
            reasons += [self._problem] if self._problem else prefect.reasons or [silence]
        elif not self._listening:
            reasons.append("the event stream of Prefect is not connected; active jobs are read every few seconds")
        if not self._swept:
            reasons.append("the first reading of all jobs is not finished")
        elif self._sweep_is_owed:
            reasons.append("all jobs have to be read once more, for what happened while nobody read them")
        return Part(in_step and self._swept and not self._sweep_is_owed, tuple(reasons))

    def status(self) -> FeedStatus:
        """What the index is worth now."""
        told, prefect = self._turn.told(), self.prefect_part()
        if told is None:
            part, complete = self._own_part(), self._swept or self._turn.was_swept
            behind = 0.0 if part.up else time.monotonic() - self._true_at
        else:
            part, complete, behind = told.part, told.complete, told.behind_seconds
        return FeedStatus(
            prefect="up" if prefect.up else "down",
            behind_seconds=round(behind, 3),
            ready=prefect.up and part.up,
            reasons=tuple(dict.fromkeys((*prefect.reasons, *part.reasons))),
            complete=complete,
        )

    def _note_outage(self) -> None:
        """Runs may have begun and ended unseen: only a sweep that begins later finds them all."""
        self._outages += 1

    def _sweep_if_owed(self) -> None:
        if self._sweep_is_owed and self._sweep_knows != self._outages:
            self._sweep_now.set()

    @property
    def _sweep_is_owed(self) -> bool:
        return self._sweep_knew != self._outages

    def _note_truth(self) -> None:
        if self._right_at is not None and self._own_part().up:
            self._true_at = self._right_at

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
            except (GatewayError, StoreError) as error:
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
            except (GatewayError, StoreError) as error:
                self._fail(error)
            else:
                if self._right_at is not None and time.monotonic() - self._right_at >= self._pace.stale:
                    self._note_outage()
                self._prefect_answered(began)
                self._right_at, self._failing, self._problem = began, False, ""
                self._note_truth()
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
            except (GatewayError, StoreError) as error:
                self._fail(error)
                await asyncio.sleep(self._pace.retry)
                self._sweep_now.set()
            except Exception:
                self._sweep_now.set()
                raise

    async def sweep(self) -> None:
        """Read every run of Prefect, then ask by id for each job that did not turn up.

        Raises:
            GatewayError: Prefect could not be read to the end; the next sweep goes on from there.
        """
        if not self._reader.half_swept:
            self._sweep_knows = self._outages
        await self._reader.sweep(hurried=self._sweep_is_owed)
        self._swept, self._sweep_knew = True, self._sweep_knows
        self._sweep_if_owed()
        self._note_truth()
        self._hub.wake()
        await self._turn.swept()

    async def _promote(self) -> None:
        while True:
            await self._reader.promote_due()
            with contextlib.suppress(GatewayError):  # while Prefect is away nobody can say whether the proof is there
                await self._reader.end_unproven()
            await asyncio.sleep(self._pace.promote)

    def _fail(self, error: GatewayError | StoreError) -> None:
        if str(error) != self._problem:
            logger.warning("%s", error)
        self._failing, self._problem = True, str(error)
        self._store_failing = isinstance(error, StoreError)
        if not self._store_failing:
            self._prefect_failed(str(error))
        self._note_outage()
        self._hub.wake()
