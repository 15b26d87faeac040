"""The past of a job: read from Prefect when it has moved on, and told from the adapter's own copy otherwise.

A page that shows a job asks for its history again and again, and Prefect may be away. So Prefect is asked only when the
job is in another state than when its history was read last, once for everybody who asks at that moment.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from prefect_jobs.attempts import Attempt, attempts_of, previous_errors
from prefect_jobs.clean_text import clean, shortened
from prefect_jobs.gateway import Gateway, PrefectUnavailable, Run, RunState, RunStep
from prefect_jobs.gateway.cancellations import standing
from prefect_jobs.jobs import Job
from prefect_jobs.proofs import RECEIPT_ARRIVES_WITHIN, as_proven
from prefect_jobs.sidecar.receipt import find_receipt, with_receipt
from prefect_jobs.store.history import Circumstances, HistoryStore, StopAsked, StoredHistory
from prefect_jobs.transitions import Action, Event, Origin, Transition, events_of, transitions_of

STEPS_GO_ON_AFTER = timedelta(seconds=2)
"""So long the steps of a running job are believed: it tells new ones no faster."""
LOGS_ARRIVE_WITHIN = timedelta(seconds=30)
"""So long after its end a job's last log lines may still be on their way."""
TRACEBACK_LIMIT = 64 * 1024
"""Characters of a traceback that are kept: its end, which names the error."""
_TRACEBACK = re.compile(r"^(  \+ Exception Group )?Traceback \(most recent call last\):$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class History:
    """A job's past. ``complete`` is false when Prefect is away and the job has moved on since."""

    transitions: list[Transition]
    events: list[Event]
    attempts: list[Attempt]
    steps: list[RunStep]
    previous_errors: list[str]
    circumstances: Circumstances
    complete: bool


@dataclass(frozen=True, slots=True)
class HistoryDifference:
    """Where the stored past of a job is not Prefect's: ids of states that are missing here, or only here."""

    job_id: str
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    twice: tuple[str, ...]


class Histories:
    """The past of all jobs."""

    def __init__(
        self, gateway: Gateway, store: HistoryStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._clock = clock
        self._looks: dict[tuple[str, str | None], asyncio.Task[tuple[StoredHistory, bool]]] = {}

    async def of(self, job: Job) -> History:
        """The past of this job.

        Raises:
            PrefectUnavailable: it was never read, and cannot be now.
        """
        stored, complete = await self._current(job)
        actions = await self._store.actions(job.job_id)
        about = stored.circumstances
        states = standing(as_proven(stored.states, uses_kit=job.uses_kit, ended=job.ended))
        if job.prepared_at is not None and states:
            states[0] = replace(states[0], timestamp=job.created_at)
        attempts = attempts_of(states, stored.workers, result=job.result)
        return History(
            transitions=transitions_of(states, actions, about.origin),
            events=events_of(states, actions, about.origin),
            attempts=attempts,
            steps=[_closed(step, attempts) for step in about.steps],
            previous_errors=previous_errors(states),
            circumstances=about,
            complete=complete,
        )

    async def _current(self, job: Job) -> tuple[StoredHistory, bool]:
        """What is stored, read from Prefect first where the job has gone on; and whether that could be done.

        One look for everybody who asks meanwhile: who looked into the store before the past of the job was written
        there, and came to Prefect's turn after, would read it again. One who leaves does not take it from the others.
        """
        key = job.job_id, job.state_id
        task = self._looks.get(key)
        if task is None:
            task = self._looks[key] = asyncio.create_task(self._look(job), name=f"the past of {job.job_id}")
            task.add_done_callback(lambda _done: self._looks.pop(key, None))
        return await asyncio.shield(task)

    async def _look(self, job: Job) -> tuple[StoredHistory, bool]:
        stored = await self._store.read(job.job_id)
        if stored is not None and stored.state_id == job.state_id and not self._goes_on(job, stored):
            return stored, True
        try:
            return await self._read(job.job_id), True
        except PrefectUnavailable:
            if stored is None:
                raise
            return stored, False

    def _goes_on(self, job: Job, stored: StoredHistory) -> bool:
        """Whether there may be more to tell than was read: another step, or the receipt of a crash."""
        if not job.uses_kit or stored.read_at is None:
            return job.uses_kit
        if job.state == "crashed" and job.completed_at is not None:
            return stored.read_at < job.completed_at + RECEIPT_ARRIVES_WITHIN
        return job.status == "running" and self._clock() - stored.read_at > STEPS_GO_ON_AFTER

    async def _read(self, job_id: str) -> StoredHistory:
        states, runs = await asyncio.gather(self._gateway.states(job_id), self._gateway.read_runs([job_id]))
        about = await self._circumstances(runs[0]) if runs else Circumstances()
        if states:
            receipts = dict(runs[0].receipts) if runs else {}
            told = [_clean(_with_receipt(state, receipts.get(state.id, ""))) for state in states]
            await self._store.write(job_id, told, about, now=self._clock())
        stored = await self._store.read(job_id)
        return stored or StoredHistory(None, (), {}, about)

    async def _circumstances(self, run: Run) -> Circumstances:
        return Circumstances(
            worker=run.worker,
            worker_process=run.worker_process,
            queue_name=run.queue_name,
            queue_priority=await self._gateway.queue_priority(run.queue_id) if run.queue_id else None,
            retries=run.retries,
            steps=run.steps,
            origin=Origin(run.created_through_api, run.created_by, run.scheduled_by_prefect),
        )

    async def traceback(self, job: Job) -> str | None:
        """The traceback of a failed job's last attempt, where its log holds one; None while Prefect is away."""
        if job.status != "failed" or job.state_id is None:
            return None
        searched, text = await self._store.traceback(job.job_id, job.state_id)
        if searched:
            return text
        try:
            lines = await self._gateway.last_errors(job.job_id)
        except PrefectUnavailable:
            return None
        began = job.started_at or job.created_at
        found = (traceback_in(line.message) for line in lines if line.timestamp >= began)
        text = next((text for text in found if text), None)
        ended = job.completed_at or self._clock()
        if text or self._clock() - ended > LOGS_ARRIVE_WITHIN:
            await self._store.keep_traceback(job.job_id, job.state_id, text)
        return text

    async def note(self, job_id: str, action: Action) -> None:
        """Keep that somebody did something."""
        await self._store.note(job_id, action)

    async def stops(self, *, after: int, since: datetime) -> list[StopAsked]:
        """Whoever cancelled a job since this time, oldest first; those that came after this one."""
        return await self._store.stops(after=after, since=since)

    async def compare(self, job: Job) -> HistoryDifference | None:
        """Hold the past that is told of a job against Prefect's own; None when there is no difference.

        Raises:
            PrefectUnavailable: Prefect is away.
        """
        stored, _ = await self._current(job)
        here = [state.id for state in stored.states]
        there = {state.id for state in await self._gateway.states(job.job_id)}
        missing, surplus = there - set(here), set(here) - there
        changes, events = (tell(stored.states, [], Origin()) for tell in (transitions_of, events_of))
        twice = {
            state_id
            for told in ([change.state_id for change in changes], [event.state_id for event in events])
            for state_id in told
            if state_id is not None and told.count(state_id) > 1
        }
        if not (missing or surplus or twice):
            return None
        return HistoryDifference(job.job_id, *(tuple(sorted(ids)) for ids in (missing, surplus, twice)))


def _with_receipt(state: RunState, text: str) -> RunState:
    receipt = find_receipt(text)
    return state if receipt is None else replace(state, message=with_receipt(state.message or "", receipt))


def _clean(state: RunState) -> RunState:
    message = None if state.message is None else clean(state.message)
    return RunState(state.id, state.type, clean(state.name), state.timestamp, message, state.scheduled_for)


def _closed(step: RunStep, attempts: list[Attempt]) -> RunStep:
    """A step whose attempt ended before it could tell how the step did, because it was killed."""
    attempt = next((attempt for attempt in attempts if attempt.number == step.attempt), None)
    if step.ended_at is not None or attempt is None or attempt.ended_at is None:
        return step
    outcome = "stopped" if attempt.status == "cancelled" else "failed"
    return replace(step, ended_at=max(attempt.ended_at, step.started_at), outcome=outcome)


def traceback_in(message: str) -> str | None:
    """The traceback that a log line carries: its last one, from its heading on.

    With a group of exceptions in it the whole of it: the causes of such an error stand in front of it and inside.
    """
    headings = list(_TRACEBACK.finditer(message))
    if not headings:
        return None
    if any(found[1] for found in headings):
        return shortened(clean(message[headings[0].start() :].rstrip()), TRACEBACK_LIMIT)  # a group is named on its top
    return clean(message[headings[-1].start() :].rstrip())[-TRACEBACK_LIMIT:]
