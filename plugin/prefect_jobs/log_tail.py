"""Copying a job's log, whole and once, while somebody looks at it.

Prefect's log socket drops lines silently when a burst comes, and has no past. So it only wakes this tail up
(``log_wakeups``); the lines come from Prefect's log table (``log_copy``). A request waits for that only so long: a log
of a million lines answers from what is stored, newest lines first, and says that it is not complete while the rest is
copied behind its back.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from prefect_jobs.attempts import attempts_of
from prefect_jobs.changes import ChangeHub
from prefect_jobs.gateway import Gateway, GatewayError, LogLine
from prefect_jobs.jobs import Job
from prefect_jobs.log_copy import LogCopier
from prefect_jobs.log_wakeups import LogWakeups
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.store import JobIndex, LogStore, StoredLine

logger = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE_AFTER = timedelta(seconds=15)
"""So long after its end a job's last lines may still be on their way."""
HEED_EVERY = 1.0
READ_LATELY = 10.0
"""Seconds within which a watched log was read that is not read again only because its job logged."""
VIEW_PAGE = 500
"""Lines that a viewer gets by one look at the store."""
SHARED_FOR = 0.2
"""Seconds for which a look at the store counts for every viewer of the log, unless there is news before."""
READS_PER_SECOND = 40.0
"""Questions about logs that Prefect is asked at most."""


@dataclass(frozen=True, slots=True)
class TailPace:
    """How often a watched log is read, and how long a request waits for reading, in seconds."""

    poll: float = 1.0
    poll_without_socket: float = 0.3
    prove_every: float = 5.0
    patience: float = 3.0
    patience_for_tail: float = 0.05
    """When lines are stored already, so long a reader of the newest ones waits for still newer ones."""
    fill_after: float = 1.0
    """So long the lines in front of a log's end wait: whoever opens a long log is to see its end first."""
    looks_share: float = 0.1
    proofs_share: float = 0.25
    """Of the questions that may be asked, so many are for looking without news, and for proofs: with many watched logs
    each waits the longer for them, so that those of which there is news need not wait."""
    breath: float = 0.02
    """So long a log that was announced waits: lines are announced one by one, and come by the hundred."""


@dataclass(frozen=True, slots=True)
class LogReach:
    """What an answer about a log is worth."""

    complete: bool
    as_of: datetime | None
    """When Prefect last held no line that is not stored; None while that was never so."""
    goes_on: bool = False
    """Whether lines are still being copied: the asker's patience ended before."""
    failed: bool = False
    """Whether Prefect could not be read: what is stored may be old."""


@dataclass(slots=True)
class _Tail:
    """One log that is watched or copied."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    told: tuple[object, ...] | None = None
    """What the feed said last of the job, as far as it concerns its log."""
    read_at: float = 0.0
    proved_at: float = 0.0
    prove_pause: float = 0.0
    viewers: int = 0
    follower: asyncio.Task[None] | None = None
    works: dict[str, "_Work"] = field(default_factory=dict[str, "_Work"])
    looks: dict[object, "asyncio.Task[Any]"] = field(default_factory=dict[object, "asyncio.Task[Any]"])
    """What somebody has just looked up, or is looking up."""

    def announce(self) -> None:
        self.looks.clear()
        self.news.set()
        self.news = asyncio.Event()


@dataclass(frozen=True, slots=True)
class _Work:
    """A reading under way, of which there is one of a kind for each log."""

    began: float
    task: asyncio.Task[Any]


class LogTails:
    """The logs that somebody looks at, each read by one task whatever the number of viewers."""

    def __init__(
        self,
        gateway: Gateway,
        index: JobIndex,
        store: LogStore,
        *,
        pace: TailPace | None = None,
        budget: ReadBudget | None = None,
        wakeups: LogWakeups | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._store = store
        self._pace = pace or TailPace()
        self._clock = clock
        self._budget = budget or ReadBudget(READS_PER_SECOND)
        self._copier = LogCopier(gateway, store, self._budget, clock=clock)
        self._wakeups = wakeups or LogWakeups(gateway)
        self._tails: dict[str, _Tail] = {}

    async def close(self) -> None:
        """End all reading; what is stored stays valid."""
        # All are told to end before any is waited for: who closes may be cancelled again while it waits.
        tasks: list[asyncio.Task[Any]] = self._wakeups.end()
        tasks += [work.task for tail in self._tails.values() for work in tail.works.values()]
        tasks += [tail.follower for tail in self._tails.values() if tail.follower]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- for a request --------------------------------------------------------------------------------------------

    async def catch_up(self, job: Job, *, newest_first: bool = False, patience: float | None = None) -> LogReach:
        """Copy what Prefect holds of this job now, as far as that is done soon; the rest goes on by itself.

        Args:
            job: whose log.
            newest_first: whether its newest lines are wanted: they are copied before older ones that are missing.
            patience: seconds to wait, where that is not as usual.

        Raises:
            GatewayError: Prefect could not be read, and nothing is stored.
        """
        began = time.monotonic()
        patience = self._pace.patience if patience is None else patience
        book = await self._store.book(job.job_id)
        if book.settled_for is not None and book.settled_for == job.completed_at:
            await self._store.note_use(job.job_id, self._clock())
            return LogReach(complete=True, as_of=book.whole_at)
        asked_at = self._clock()
        if newest_first and book.gap is not None and self.is_over(job):
            # The end is here, and only what is in front of it is missing: there is nothing to wait for.
            await self._fill(job.job_id)
            await self._store.note_use(job.job_id, asked_at)
            return LogReach(complete=False, as_of=book.whole_at, goes_on=True)
        if newest_first:
            deadline = began + (self._pace.patience_for_tail if book.lines else patience)
            failure = await self._within(job.job_id, "newest", deadline, lambda: self._newest(job))
            deadline = min(deadline, time.monotonic() + self._pace.patience_for_tail)
        else:
            deadline = began + patience
            failure = None
        failure = await self._within(job.job_id, "copy", deadline, lambda: self.copy(job, urgent=True)) or failure
        book = await self._store.book(job.job_id)
        if failure is not None and book.lines == 0:
            raise failure
        await self._store.note_use(job.job_id, self._clock())
        proved = failure is None and book.whole_at is not None and book.whole_at >= asked_at
        goes_on = time.monotonic() >= deadline and not proved
        return LogReach(proved, book.whole_at, goes_on=goes_on, failed=failure is not None)

    async def copy_quietly(self, job: Job) -> bool:
        """Copy what is missing of a log in the background's share of the budget. True when it is whole.

        Raises:
            GatewayError: Prefect could not be read; what is stored stays valid.
        """
        work = self._start(job.job_id, "copy", lambda: self.copy(job, urgent=False, prove=False))
        return bool(await asyncio.shield(work.task))

    async def lines_of_all(self, *, after: datetime, offset: int) -> list[LogLine]:
        """One page of the newest lines of all jobs, in the background's share of the budget; nothing is stored.

        Raises:
            GatewayError: Prefect could not be read.
        """
        await self._budget.take(urgent=False)
        return await self._gateway.logs_of_all(after=after, offset=offset)

    def begin(self, job: Job) -> None:
        """Copy what is missing of a log, and let nobody wait."""
        self._start(job.job_id, "copy", lambda: self.copy(job, urgent=False))

    def news_of(self, job_id: str) -> asyncio.Event | None:
        """What is set at the next news of this log, while lines of it are being copied; None when none are."""
        tail = self._tails.get(job_id)
        return tail.news if tail is not None and tail.works else None

    async def _within(
        self, job_id: str, kind: str, deadline: float, start: Callable[[], Coroutine[Any, Any, Any]]
    ) -> GatewayError | None:
        """Let a reading that begins now be done, but wait for it no longer than until the deadline."""
        asked = time.monotonic()
        while True:
            work = self._start(job_id, kind, start)
            await asyncio.wait([work.task], timeout=max(0.0, deadline - time.monotonic()))
            if not work.task.done():
                return None
            error = None if work.task.cancelled() else work.task.exception()
            if error is not None and not isinstance(error, GatewayError):
                raise error
            # One that was under way before may have passed by what the asker knows of.
            if work.began >= asked:
                return error

    def _start(self, job_id: str, kind: str, start: Callable[[], Coroutine[Any, Any, Any]]) -> _Work:
        tail = self._tails.setdefault(job_id, _Tail())
        known = tail.works.get(kind)
        if known is not None and not known.task.done():
            return known
        task = asyncio.create_task(start(), name=f"{kind} of the log of {job_id}")
        work = tail.works[kind] = _Work(time.monotonic(), task)
        task.add_done_callback(lambda done: self._ended(job_id, kind, done))
        return work

    def _ended(self, job_id: str, kind: str, task: asyncio.Task[Any]) -> None:
        tail = self._tails.get(job_id)
        if tail is not None and (work := tail.works.get(kind)) and work.task is task:
            del tail.works[kind]
            self._leave(job_id, tail)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, GatewayError):
            logger.debug("log of %s: %s", job_id, error)
        else:
            logger.error("reading the log of %s failed", job_id, exc_info=error)

    def _leave(self, job_id: str, tail: _Tail) -> None:
        if not tail.viewers and not tail.works and self._tails.get(job_id) is tail:
            del self._tails[job_id]
            tail.announce()

    # -- copying --------------------------------------------------------------------------------------------------

    async def _newest(self, job: Job) -> None:
        await self._learn_attempts(job)
        if await self._copier.newest(job.job_id):
            self._announce(job.job_id)
        await self._fill(job.job_id)

    async def copy(self, job: Job, *, urgent: bool, prove: bool = True) -> bool:
        """Copy the new lines of a job. True when every line of Prefect's is stored.

        Args:
            job: whose log.
            urgent: whether somebody waits for it.
            prove: whether to find out that none is missing; an ended job's log is proved and settled in any case.

        Raises:
            GatewayError: Prefect could not be read; what is stored stays valid.
        """
        job_id = job.job_id

        def announce() -> None:
            self._announce(job_id)

        await self._learn_attempts(job)
        await self._copier.ahead(job_id, urgent=urgent, announce=announce)
        if await self._fill(job_id):
            return False
        ended_at = job.completed_at if self.is_over(job) else None
        if ended_at is None and not prove:
            return False
        return await self._copier.prove(job_id, ended_at=ended_at, urgent=urgent, announce=announce)

    def is_over(self, job: Job) -> bool:
        """Whether no more lines can come."""
        return job.completed_at is not None and self._clock() - job.completed_at > SETTLE_AFTER

    def _announce(self, job_id: str) -> None:
        tail = self._tails.get(job_id)
        if tail is not None:
            tail.announce()

    async def _fill(self, job_id: str) -> bool:
        """Have an open gap filled in the background. True when there is one."""
        if (await self._store.book(job_id)).gap is None:
            return False
        self._start(job_id, "gap", lambda: self._fill_gap(job_id))
        return True

    async def _fill_gap(self, job_id: str) -> None:
        await asyncio.sleep(self._pace.fill_after)
        await self._copier.fill_gap(job_id, announce=lambda: self._announce(job_id))

    async def _learn_attempts(self, job: Job) -> None:
        """Know when each attempt began: a line belongs to the one that was under way at its time."""
        known = (await self._store.book(job.job_id)).attempts
        if job.attempt > max(1, len(known.starts)):
            await self._budget.take(urgent=True)
            attempts = attempts_of(await self._gateway.states(job.job_id), {})
            await self._store.note_attempts(job.job_id, [attempt.started_at for attempt in attempts])

    # -- for a viewer ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def watch(self, job_id: str) -> AsyncGenerator["Watch"]:
        """Keep a job's log up to date for as long as the context lasts."""
        tail = self._tails.setdefault(job_id, _Tail())
        tail.viewers += 1
        if tail.follower is None:
            tail.follower = asyncio.create_task(self._follow(job_id, tail), name=f"log tail of {job_id}")
        try:
            yield Watch(tail, lambda after: self._store.behind(job_id, after, limit=VIEW_PAGE))
        finally:
            tail.viewers -= 1
            if tail.viewers == 0 and tail.follower:
                task, tail.follower = tail.follower, None
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            self._leave(job_id, tail)

    def is_watched(self, job_id: str) -> bool:
        """Whether a viewer keeps this log up to date."""
        tail = self._tails.get(job_id)
        return tail is not None and tail.viewers > 0

    def wake(self, job_id: str) -> None:
        """There is news of this log; if it is watched, and was not read lately, its announcement may have got lost."""
        tail = self._tails.get(job_id)
        if tail is not None and time.monotonic() - tail.read_at > READ_LATELY:
            tail.wake.set()

    async def heed(self, hub: ChangeHub) -> None:
        """Look at a watched log again when its job begins, ends or is tried again, until the server stops."""
        at = hub.version
        while not hub.closed:
            await hub.wait(at, timeout=HEED_EVERY)
            changes, at = hub.after(at), hub.version
            for change in changes or ():
                if (tail := self._tails.get(change.job_id)) and (job := change.job):
                    before, tail.told = tail.told, (job.state, job.attempt, job.completed_at)
                    if before != tail.told:
                        tail.wake.set()

    async def _follow(self, job_id: str, tail: _Tail) -> None:
        try:
            while True:
                tail.wake.clear()
                await self._step(job_id, tail)
                pause = self._pace.poll if self._wakeups.hears(job_id) else self._pace.poll_without_socket
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._in_turn(pause, self._pace.looks_share)):
                        await tail.wake.wait()
                        await asyncio.sleep(self._pace.breath)
        finally:
            self._wakeups.drop(job_id)

    def _in_turn(self, pause: float, share: float) -> float:
        """This pause, or so long that all that is watched gets its turn within this share of the budget."""
        return max(pause, (len(self._tails) - 1) / (self._budget.rate * share))

    async def _step(self, job_id: str, tail: _Tail) -> None:
        """Read once, if there can be more to read."""
        job = await self._index.get(job_id)
        book = await self._store.book(job_id)
        if job is None or (job.completed_at is not None and book.settled_for == job.completed_at):
            # A retry opens the log again; until then the index is all that is asked.
            self._wakeups.drop(job_id)
            return
        self._wakeups.add(job_id, tail.wake.set)
        work = self._start(job_id, "copy", lambda: self.copy(job, urgent=True, prove=False))
        await asyncio.wait([work.task])
        tail.read_at = time.monotonic()
        if tail.read_at - tail.proved_at > tail.prove_pause:
            # Beside the reading of what is announced, which does not wait for it.
            self._start(job_id, "proof", lambda: self._prove(job, tail))

    async def _prove(self, job: Job, tail: _Tail) -> None:
        began = time.monotonic()
        try:
            if (await self._store.book(job.job_id)).gap is None:
                announce = functools.partial(self._announce, job.job_id)
                await self._copier.prove(job.job_id, urgent=False, announce=announce)
        finally:
            tail.proved_at = time.monotonic()
            # Counting a long log takes time: it may take a tenth of Prefect's.
            pause = max(self._pace.prove_every, 10 * (tail.proved_at - began))
            tail.prove_pause = self._in_turn(pause, self._pace.proofs_share)


class Watch:
    """One viewer's hold on a watched log."""

    def __init__(self, tail: _Tail, look: Callable[[int], Coroutine[Any, Any, list[StoredLine]]]) -> None:
        self._tail = tail
        self._look = look

    def mark(self) -> asyncio.Event:
        """Take this before looking at the store, and wait on it after: no line can slip in between."""
        return self._tail.news

    async def behind(self, after: int) -> list[StoredLine]:
        """The next stored lines behind this one."""
        return await self.once(after, lambda: self._look(after))

    async def once(self, what: object, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Look something up about this log: a hundred viewers that want to know it in the same moment cost one look."""
        looks = self._tail.looks
        task = looks.get(what)
        if task is None:
            task = looks[what] = asyncio.create_task(look(), name=f"a look at a log: {what}")
            asyncio.get_running_loop().call_later(SHARED_FOR, self._forget, what, task)
        return await asyncio.shield(task)

    def _forget(self, what: object, task: "asyncio.Task[Any]") -> None:
        if self._tail.looks.get(what) is task:
            del self._tail.looks[what]
