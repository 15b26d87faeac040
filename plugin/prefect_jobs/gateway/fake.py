"""A Prefect that lives in memory: the shipped test double of ``Gateway``.

It keeps runs and log lines, tells their events, pages and orders as Prefect does, and can do what servers do to
people: lose events, go away and come back. The seam's own tests run against it and against a real server.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from prefect_jobs.gateway.cancellations import hidden_end, with_end
from prefect_jobs.gateway.flows import DeployedFlow, Deployment
from prefect_jobs.gateway.outlook import AT_WORK, Outlook, Places, Way
from prefect_jobs.gateway.paging import START, Bookmark, Order, RunPage, read_page
from prefect_jobs.gateway.runs import ACTIVE_TYPES, TERMINAL_TYPES, LogLine, Progress, Run, RunEvent, RunState, in_order
from prefect_jobs.gateway.seam import (
    PAGE,
    KnownStarts,
    NoDeployment,
    NothingRunsIt,
    PrefectUnavailable,
    RunGone,
    StateRefused,
)
from prefect_jobs.report_names import WITHDRAWN

_FAKE_URL = "http://prefect.invalid/api"


def _now() -> datetime:
    return datetime.now(UTC)


def a_run(state_type: str, state_name: str = "", *, flow: str = "export", **fields: Any) -> Run:
    """A run in any state. Fields not given are what Prefect would have written by then."""
    created = fields.pop("created_at", None) or _now()
    begun = state_type not in ("SCHEDULED", "PENDING")
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "name": "brave-otter",
        "flow_name": flow,
        "state_type": state_type,
        "state_name": state_name or state_type.title(),
        "state_id": str(uuid4()),
        "created_at": created,
        "scheduled_for": created if state_type == "SCHEDULED" else None,
        "started_at": created if begun else None,
        "ended_at": created if state_type in TERMINAL_TYPES else None,
        "run_count": 1 if begun else 0,
        "expected_at": fields.get("scheduled_for") or created,
    }
    return Run(**(values | fields))


def pending(**fields: Any) -> Run:
    """A run that waits to be picked up."""
    return a_run("SCHEDULED", "Scheduled", **fields)


def running(progress: int | None = None, message: str | None = None, **fields: Any) -> Run:
    """A run at work, at this percentage."""
    run = a_run("RUNNING", **fields)
    if progress is None:
        return run
    return replace(run, uses_kit=True, progress=Progress(progress, message, run.run_count, run.created_at))


def completed(result: Any = None, **fields: Any) -> Run:
    """A run that ended well."""
    return a_run("COMPLETED", result=result, has_result=result is not None, **fields)


def failed(error: str, **fields: Any) -> Run:
    """A run that raised this error."""
    return a_run("FAILED", state_message=f"Flow run encountered an exception: {error}", **fields)


def _expected_start(run: Run) -> datetime:
    return run.scheduled_for or run.created_at


def _deployed(flow: str | DeployedFlow) -> DeployedFlow:
    if isinstance(flow, DeployedFlow):
        return flow
    return DeployedFlow(flow, (Deployment(f"deployment-of-{flow}", "api"),))


LOG_BACKLOG = 256
"""Announcements of log lines that may wait for a subscriber; what comes then is dropped, as Prefect does."""


@dataclass(eq=False)
class LogSubscription:
    """One who hears of lines of these runs."""

    run_ids: frozenset[str]
    waiting: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue[str | None])


class FakePrefect:
    """Runs and logs in memory, behind the same door as a real server."""

    def __init__(self, runs: Sequence[Run] = (), *, deployed: Sequence[str | DeployedFlow] = ("export",)) -> None:
        self._runs: dict[str, Run] = {}
        self._states: dict[str, list[RunState]] = {}
        self._lines: list[LogLine] = []
        self._events: list[RunEvent] = []
        self._beats: list[tuple[datetime, str]] = []
        self._flows = {flow.name: flow for flow in map(_deployed, deployed)}
        self._keys: dict[tuple[str, str], str] = {}
        self.queues: dict[str, int] = {}
        """The priorities of work queues."""
        self.queue_ways: dict[str, Way] = {}
        """Work queues by their ids."""
        self.pools: dict[str, Way] = {}
        """Work pools; a run is in the one that it names."""
        self.workers: dict[str, tuple[str, ...]] = {}
        """The workers that are online, by their pool."""
        self.done_with: set[str] = set()
        """Runs of which their worker has said that their process is gone."""
        self.places: dict[str, Places] = {}
        """Deployments with what is known of their limits, by their ids."""
        self._subscribers: list[asyncio.Queue[RunEvent | None]] = []
        self.log_subscriptions: list[LogSubscription] = []
        """The open subscriptions to announcements of log lines."""
        self.is_down = False
        self.loses_events = False
        self.requests = 0
        for run in runs:
            self.put_silently(run)

    def connect(self) -> AbstractAsyncContextManager["FakePrefect"]:
        """The fake as the context that the application enters."""

        @asynccontextmanager
        async def door() -> AsyncGenerator["FakePrefect"]:
            yield self

        return door()

    def other_door(self) -> "FakePrefect":
        """The same Prefect, reached another way, which can be cut by itself. Its events go to its own subscribers."""
        door = FakePrefect()
        for shared in ("_runs", "_states", "_lines", "_events", "_beats", "_keys", "_flows"):
            setattr(door, shared, getattr(self, shared))
        return door

    # -- what happens in Prefect ----------------------------------------------------------------------------------

    def put(self, run: Run) -> Run:
        """Add a run, or move it to another state. Subscribers hear of it."""
        if run.id in self._runs and self._runs[run.id].state_id == run.state_id:
            run = replace(run, state_id=str(uuid4()))
        self.put_silently(run)
        self.tell_of(run)
        return run

    def put_silently(self, run: Run) -> None:
        """The same, and no event tells of it."""
        known = self._states.setdefault(run.id, [])
        if run.state_id is not None and run.state_id not in {state.id for state in known}:
            at = run.created_at if not known else _now()
            message = run.state_message
            known.append(RunState(run.state_id, run.state_type, run.state_name, at, message, run.scheduled_for))
            run = replace(run, state_at=at)
        self._runs[run.id] = run

    def tell_of(self, run: Run) -> None:
        """Send the event of a run's state, whether or not a reader can see that state yet."""
        held = self._runs.get(run.id)
        seen = held.state_at if held is not None and held.state_id == run.state_id else None
        self._tell(RunEvent(run.id, seen or _now(), state_id=run.state_id))

    def report(self, run_id: str, percent: int, message: str | None = None) -> None:
        """A running flow tells its progress."""
        run = self._runs[run_id]
        progress = Progress(percent, message, run.run_count, _now())
        self._runs[run_id] = replace(run, progress=progress, uses_kit=True)
        self._tell(RunEvent(run_id, progress.at, progress=progress))

    def beat(self, run_id: str, at: datetime) -> None:
        """A run's process gives a sign of life."""
        self._beats.append((at, run_id))

    def recorded(self, run_id: str, states: Sequence[RunState]) -> None:
        """Let a run have been in these states."""
        self._states[run_id] = list(states)

    def delete(self, run_id: str) -> None:
        """Delete a run, of which Prefect tells nobody."""
        del self._runs[run_id], self._states[run_id]
        self._lines[:] = [line for line in self._lines if line.run_id != run_id]

    def log(self, run_id: str, message: str, *, level: int = 20, timestamp: datetime | None = None) -> LogLine:
        """Store a log line."""
        line = LogLine(str(uuid4()), run_id, timestamp or _now(), level, message)
        self._lines.append(line)
        for subscription in self.log_subscriptions:
            if run_id in subscription.run_ids and subscription.waiting.qsize() < LOG_BACKLOG:
                subscription.waiting.put_nowait(run_id)
        return line

    def go_down(self) -> None:
        """Stop answering; streams break off."""
        self.is_down = True
        for queue in self._subscribers:
            queue.put_nowait(None)
        self.lose_log_subscriptions()

    def lose_log_subscriptions(self) -> None:
        """Break off what announces log lines."""
        for subscription in self.log_subscriptions:
            subscription.waiting.put_nowait(None)

    def come_back(self) -> None:
        """Answer again."""
        self.is_down = False

    def _tell(self, event: RunEvent) -> None:
        if self.is_down or self.loses_events:
            return
        self._events.append(event)
        for queue in self._subscribers:
            queue.put_nowait(event)

    # -- the seam -------------------------------------------------------------------------------------------------

    def _asked(self) -> int:
        self.requests += 1
        if self.is_down:
            raise PrefectUnavailable(_FAKE_URL)
        return time.monotonic_ns()

    def _page(self, wanted: Callable[[Run], bool], offset: int) -> list[Run]:
        order = self._asked()
        found = sorted((run for run in self._runs.values() if wanted(run)), key=lambda run: run.id, reverse=True)
        return [self._read(run, order) for run in found[offset : offset + PAGE]]

    def _read(self, run: Run, order: int) -> Run:
        return replace(with_end(run, hidden_end(run, self._states.get(run.id, ()))), read_order=order)

    async def read_runs(self, run_ids: Sequence[str]) -> list[Run]:
        """See ``Gateway``."""
        return self._page(lambda run: run.id in run_ids, 0)

    async def active_runs(self, *, due_before: datetime, at: Bookmark = START) -> RunPage:
        """See ``Gateway``."""
        return await self._page_at(at, lambda run: run.state_type in ACTIVE_TYPES, until=due_before)

    async def all_runs(self, *, at: Bookmark = START) -> RunPage:
        """See ``Gateway``."""
        return await self._page_at(at, lambda _run: True)

    async def count_runs(self) -> int:
        """See ``Gateway``."""
        self._asked()
        return len(self._runs)

    def ask_first(self, known_starts: KnownStarts) -> None:
        """See ``Gateway``: the fake's runs know when their attempts began."""

    async def _page_at(self, at: Bookmark, wanted: Callable[[Run], bool], until: datetime | None = None) -> RunPage:
        read_order = self._asked()

        async def ask(order: Order, *, least: datetime | None, most: datetime | None, offset: int) -> list[Run]:
            def lies_between(run: Run) -> bool:
                expected = _expected_start(run)
                return (least is None or expected >= least) and (most is None or expected <= most)

            found = [run for run in self._runs.values() if wanted(run) and lies_between(run)]
            found.sort(
                key=(lambda run: run.id) if order == "ID_DESC" else _expected_start, reverse=order.endswith("_DESC")
            )
            return found[offset : offset + PAGE]

        cut = await read_page(at, ask, _expected_start, until=until)
        return RunPage([self._read(run, read_order) for run in cut.items], cut.next)

    async def flows(self, *, named: Sequence[str] | None = None) -> list[DeployedFlow]:
        """See ``Gateway``."""
        self._asked()
        titles = {run.flow_name: run.title for run in self._runs.values()}
        flows = self._flows | {name: DeployedFlow(name) for name in titles.keys() - self._flows.keys()}
        wanted = flows.keys() if named is None else set(named)
        return [replace(flow, title=titles.get(name)) for name, flow in sorted(flows.items()) if name in wanted]

    async def start_run(
        self,
        flow_name: str,
        parameters: Mapping[str, Any],
        *,
        deployment: str | None = None,
        run_at: datetime | None = None,
        idempotency_key: str | None = None,
        by: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> Run:
        """See ``Gateway``."""
        order = self._asked()
        flow = self._flows.get(flow_name)
        chosen = flow.deployment(deployment) if flow else None
        if chosen is None:
            raise NoDeployment(flow_name)
        key = (flow_name, idempotency_key or str(uuid4()))
        if key not in self._keys or self._keys[key] not in self._runs:
            run = pending(
                flow=flow_name,
                parameters={**chosen.parameters, **parameters},
                deployment_id=chosen.id,
                created_through_api=True,
                created_by=by,
                scheduled_for=run_at or _now(),
            )
            if result is not None:
                run = replace(
                    run,
                    state_type="COMPLETED",
                    state_name="Completed",
                    ended_at=_now(),
                    scheduled_for=None,
                    result=dict(result),
                    has_result=True,
                )
            self._keys[key] = self.put(run).id
        return replace(self._runs[self._keys[key]], read_order=order)

    async def states(self, run_id: str) -> list[RunState]:
        """See ``Gateway``."""
        self._asked()
        return in_order(self._states.get(run_id, ()))

    async def cancel(self, run_id: str, message: str, *, cooperative: bool = False) -> RunState:
        """See ``Gateway``."""
        run = self._held(run_id)
        if run.state_type in TERMINAL_TYPES:
            raise StateRefused(f"it is in Prefect's terminal state {run.state_name}")
        taken = run.state_type == "PENDING" and (run.deployment_id or run.pool_name)
        if run.state_type in ("SCHEDULED", "PENDING") and not taken:
            self._move(run, "CANCELLED", "Cancelled", message, ended_at=_now())
        elif taken:
            self._move(run, "CANCELLING", WITHDRAWN, message)
        elif run.state_type != "CANCELLING":
            self._move(run, "CANCELLING", "Stopping" if cooperative else "Cancelling", message)
        return self._states[run_id][-1]

    async def end_withdrawn(self, run_id: str) -> RunState:
        """See ``Gateway``."""
        run = self._held(run_id)
        if run.state_type != "CANCELLING":
            raise StateRefused(f"it is in Prefect's state {run.state_name}")
        self._move(run, "CANCELLED", "Cancelled", run.state_message or "", ended_at=_now())
        return self._states[run_id][-1]

    async def abort(self, run_id: str, message: str) -> RunState:
        """See ``Gateway``."""
        run = self._held(run_id)
        if run.state_type not in ("RUNNING", "PAUSED", "CANCELLING") or run.state_name == WITHDRAWN:
            raise StateRefused(f"it is in Prefect's state {run.state_name}")
        if run.state_name != "Aborting":
            self._move(run, "CANCELLING", "Aborting", message)
        return self._states[run_id][-1]

    async def retry(self, run_id: str, message: str) -> RunState:
        """See ``Gateway``."""
        run = self._held(run_id)
        if run.deployment_id is None:
            raise NothingRunsIt(run_id)
        if run.state_type not in ("FAILED", "CRASHED"):
            raise StateRefused(f"it is in Prefect's state {run.state_name}")
        self._move(run, "SCHEDULED", "AwaitingRetry", message, ended_at=None, scheduled_for=_now())
        return self._states[run_id][-1]

    async def crash(self, run_id: str, message: str, *, seen: str) -> RunState:
        """See ``Gateway``."""
        run = self._held(run_id)
        if run.state_type != "RUNNING" or run.state_id != seen:
            raise StateRefused(f"it is in Prefect's state {run.state_name}")
        self._move(run, "CRASHED", "Crashed", message, ended_at=_now())
        return self._states[run_id][-1]

    async def heartbeats(self, run_id: str) -> list[datetime]:
        """See ``Gateway``."""
        self._asked()
        return sorted((at for at, beating in self._beats if beating == run_id), reverse=True)[:2]

    async def given_up(self, run_id: str, *, since: datetime) -> bool:
        """See ``Gateway``."""
        self._asked()
        return run_id in self.done_with

    async def delete_run(self, run_id: str) -> None:
        """See ``Gateway``."""
        self._asked()
        if run_id in self._runs:
            self.delete(run_id)

    async def queue_priority(self, queue_id: str) -> int | None:
        """See ``Gateway``."""
        self._asked()
        return self.queues.get(queue_id)

    async def outlook(self, run_id: str) -> Outlook:
        """See ``Gateway``."""
        run = self._held(run_id)
        others = [other for other in self._runs.values() if other.state_type in AT_WORK]
        pool = run.pool_name or ""
        return Outlook(
            run=run,
            pool=self.pools.get(pool),
            queue=self.queue_ways.get(run.queue_id or ""),
            workers=self.workers.get(pool, ()),
            deployment=self.places.get(run.deployment_id or ""),
            at_work=tuple(
                other
                for other in others
                if (other.pool_name == run.pool_name if run.pool_name else other.deployment_id == run.deployment_id)
            ),
        )

    def run_page(self, run_id: str) -> str | None:
        """See ``Gateway``."""
        return f"{_FAKE_URL.removesuffix('/api')}/runs/flow-run/{run_id}"

    async def last_errors(self, run_id: str) -> list[LogLine]:
        """See ``Gateway``."""
        self._asked()
        lines = [line for line in self._lines if line.run_id == run_id and line.level >= logging.ERROR]
        return sorted(lines, key=lambda line: line.timestamp, reverse=True)[:20]

    def _held(self, run_id: str) -> Run:
        self._asked()
        if run_id not in self._runs:
            raise RunGone(run_id)
        return self._runs[run_id]

    def _move(self, run: Run, state_type: str, name: str, message: str, **fields: Any) -> None:
        moved = {"state_type": state_type, "state_name": name, "state_message": message, "state_id": str(uuid4())}
        self.put(replace(run, **moved, **fields))

    def _logs_of(self, run_id: str) -> list[LogLine]:
        self._asked()
        lines = [line for line in self._lines if line.run_id == run_id]
        return sorted(lines, key=lambda line: line.timestamp)

    async def read_logs(self, run_id: str, *, after: datetime | None, offset: int) -> list[LogLine]:
        """See ``Gateway``."""
        lines = [line for line in self._logs_of(run_id) if after is None or line.timestamp >= after]
        return lines[offset : offset + PAGE]

    async def logs_of_all(self, *, after: datetime, offset: int) -> list[LogLine]:
        """See ``Gateway``."""
        self._asked()
        lines = sorted((line for line in self._lines if line.timestamp >= after), key=lambda line: line.timestamp)
        return lines[offset : offset + PAGE]

    async def newest_logs(self, run_id: str) -> list[LogLine]:
        """See ``Gateway``."""
        return self._logs_of(run_id)[-PAGE:]

    async def has_more_logs_than(self, run_id: str, count: int, *, until: datetime | None = None) -> bool:
        """See ``Gateway``."""
        return sum(until is None or line.timestamp <= until for line in self._logs_of(run_id)) > count

    async def events_since(self, since: datetime) -> list[RunEvent]:
        """See ``Gateway``."""
        self._asked()
        return [event for event in self._events if event.occurred >= since]

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[RunEvent]]:
        """See ``Gateway``."""
        self._asked()
        queue: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        self._subscribers.append(queue)

        async def events() -> AsyncIterator[RunEvent]:
            while (event := await queue.get()) is not None:
                yield event

        try:
            yield events()
        finally:
            self._subscribers.remove(queue)

    @asynccontextmanager
    async def log_wakeups(self, *run_ids: str) -> AsyncGenerator[AsyncIterator[str]]:
        """See ``Gateway``."""
        self._asked()
        subscription = LogSubscription(frozenset(run_ids))
        self.log_subscriptions.append(subscription)

        async def announced() -> AsyncIterator[str]:
            while (run_id := await subscription.waiting.get()) is not None:
                yield run_id

        try:
            yield announced()
        finally:
            self.log_subscriptions.remove(subscription)
