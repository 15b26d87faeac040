"""The real door: Prefect's own client, which retries what an overloaded server refuses.

Answers are read as JSON and not through Prefect's models: parsing 200 runs through them costs more than asking for
them, and they change with every release.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Self, cast
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.context import SettingsContext, get_settings_context
from prefect.events import Event
from prefect.events.clients import PrefectEventSubscriber
from prefect.events.filters import (
    EventAnyResourceFilter,
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
    EventOrder,
    EventResourceFilter,
)
from prefect.logging.clients import PrefectLogsSubscriber
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, get_current_settings

from prefect_jobs.gateway.cancellations import hidden_end, may_hide_an_end, with_end
from prefect_jobs.gateway.flows import DeployedFlow, read_flows
from prefect_jobs.gateway.outlook import AT_WORK, Outlook, read_outlook
from prefect_jobs.gateway.paging import START, Bookmark, Order, RunPage, read_page
from prefect_jobs.gateway.runs import (
    ACTIVE_TYPES,
    LogLine,
    Progress,
    Run,
    RunEvent,
    RunState,
    inner_task_run,
    parse_time,
    run_from_json,
    unattempted_result,
)
from prefect_jobs.gateway.seam import (
    PAGE,
    KnownStarts,
    NoDeployment,
    NoPrefectAddress,
    PrefectUnavailable,
    RunGone,
    StartRefused,
)
from prefect_jobs.gateway.transitions import RunTransitions
from prefect_jobs.report_names import CREATED_LABEL, PROGRESS_EVENT, RESULT_LABEL

RUN_EVENTS = ("prefect.flow-run.", "prefect-jobs.")
HEARTBEAT = "prefect.flow-run.heartbeat"
EXECUTED = "prefect.worker.executed-flow-run"
"""What every worker of Prefect's says when the process (the container) of a run is gone."""
RUN_RESOURCE = "prefect.flow-run."
CONNECT_TIMEOUT = 20.0
"""Seconds that the event stream may take to open. Once open, the socket's own pings notice a server that froze."""


KEY_PREFIX = "prefect-jobs:"
"""Before the idempotency keys of callers, so that none of them meets a key that Prefect's scheduler makes."""
REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
REASON_LIMIT = 500
"""Characters of Prefect's reason that are passed on."""

ANSWER_LIMIT = 15.0
"""Seconds that Prefect may take to answer. Its list of a million runs was measured at up to 8.5 s on SQLite."""


def configured_api_url() -> str:
    """The address of the server that Prefect's own settings name (``PREFECT_API_URL`` or the active profile).

    Raises:
        NoPrefectAddress: they name none.
    """
    url = get_current_settings().api.url
    if not url:
        raise NoPrefectAddress
    return url


def run_event(event: Event) -> RunEvent | None:
    """Read one of Prefect's events; one that is about no run is none."""
    resource = event.resource.id
    if not resource.startswith(RUN_RESOURCE):
        return None
    is_progress = event.event == PROGRESS_EVENT
    return RunEvent(
        run_id=resource.removeprefix(RUN_RESOURCE),
        occurred=datetime.fromtimestamp(event.occurred.timestamp(), UTC),
        state_id=None if is_progress else str(event.id),
        progress=Progress.parse(event.payload) if is_progress else None,
    )


class PrefectGateway:
    """Asks one Prefect server. Made by ``connect``, closed with its context."""

    def __init__(self, client: PrefectClient, api_url: str) -> None:
        self._client = client
        self._url = api_url
        self._pages = _address_of_pages(api_url)
        self._impatient = get_current_settings().copy_with_update({PREFECT_CLIENT_MAX_RETRIES: 0})
        self._flow_names: dict[str, str] = {}
        self._deployments: dict[tuple[str, str | None], str] = {}
        self._titles: dict[str, str] = {}
        self._transitions = RunTransitions(self._ask)
        self.requests = 0
        self._parents: dict[str, str] = {}
        self._hidden_ends: dict[str, RunState | None] = {}
        self._attempt_starts: dict[tuple[str, int], datetime] = {}
        self._known_starts: KnownStarts | None = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, api_url: str) -> AsyncGenerator[Self]:
        """A gateway to the server at this address. The server need not be up yet."""
        api = get_current_settings().api
        # Not `get_client`: without an address in Prefect's settings it would start a server of its own.
        async with PrefectClient(
            api_url,
            api_key=api.key.get_secret_value() if api.key else None,
            auth_string=api.auth_string.get_secret_value() if api.auth_string else None,
        ) as client:
            yield cls(client, api_url)

    async def _ask(self, method: str, path: str, *, patient: bool = False, **options: Any) -> Any:
        """Ask once, or patiently: then Prefect's client tries again what an overloaded server refuses.

        Readers come again by themselves within seconds; the client's growing pauses would only make them late when
        the server is back.
        """
        self.requests += 1
        current = get_settings_context()
        settings = current.settings if patient else self._impatient
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                with SettingsContext(profile=current.profile, settings=settings):
                    response = await self._client.request(cast("Any", method), cast("Any", path), **options)
            return response.json() if response.content else None
        except httpx.HTTPStatusError as error:
            if error.response.status_code >= 500 or error.response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                raise PrefectUnavailable(self._url, f"it answered {error.response.status_code}") from error
            raise
        except (httpx.TransportError, OSError, TimeoutError) as error:
            raise PrefectUnavailable(self._url, type(error).__name__) from error

    # -- runs -----------------------------------------------------------------------------------------------------

    async def read_runs(self, run_ids: Sequence[str]) -> list[Run]:
        """See ``Gateway``."""
        ids = [run_id for run_id in run_ids if _is_uuid(run_id)]
        if not ids:
            return []
        return await self._runs({"id": {"any_": ids}})

    async def active_runs(self, *, due_before: datetime, at: Bookmark = START) -> RunPage:
        """See ``Gateway``."""
        return await self._page(at, {"state": {"type": {"any_": list(ACTIVE_TYPES)}}}, until=due_before)

    async def all_runs(self, *, at: Bookmark = START) -> RunPage:
        """See ``Gateway``."""
        return await self._page(at, {})

    async def count_runs(self) -> int:
        """See ``Gateway``."""
        return int(await self._ask("POST", "/flow_runs/count", json={}))

    def ask_first(self, known_starts: KnownStarts) -> None:
        """See ``Gateway``."""
        self._known_starts = known_starts

    async def _page(self, at: Bookmark, run_filter: Mapping[str, Any], until: datetime | None = None) -> RunPage:
        began = time.monotonic_ns()

        async def ask(
            order: Order, *, least: datetime | None, most: datetime | None, offset: int
        ) -> list[dict[str, Any]]:
            bounds = {"after_": least and least.isoformat(), "before_": most and most.isoformat()}
            times = {name: time for name, time in bounds.items() if time}
            wanted = {**run_filter, "expected_start_time": times} if times else run_filter
            return await self._ask_runs(wanted, sort=order, offset=offset)

        cut = await read_page(at, ask, _expected_start, until=until)
        return RunPage(await self._read(cut.items, began), cut.next)

    async def _runs(self, run_filter: Mapping[str, Any]) -> list[Run]:
        began = time.monotonic_ns()
        return await self._read(await self._ask_runs(run_filter, sort="ID_DESC", offset=0), began)

    async def _ask_runs(self, run_filter: Mapping[str, Any], *, sort: Order, offset: int) -> list[dict[str, Any]]:
        wanted = {"flow_runs": run_filter, "limit": PAGE, "offset": offset, "sort": sort}
        return await self._ask("POST", "/flow_runs/filter", json=wanted)

    async def _read(self, items: Sequence[Mapping[str, Any]], began: int) -> list[Run]:
        await self._learn_flow_names({str(item["flow_id"]) for item in items})
        retried = [key for item in items if (key := _attempt(item))[1] > 1 and key not in self._attempt_starts]
        if retried and self._known_starts is not None:
            self._attempt_starts.update(await self._known_starts(retried))
        await self._learn_parents(items)
        return [await self._run(item, began) for item in items]

    async def _learn_parents(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Which runs these run inside of, as far as they are at work: of an ended one nobody wants to know."""
        inner = {task for item in items if _is_active(item) and (task := inner_task_run(item))}
        unknown = sorted(inner - self._parents.keys())
        if len(self._parents) > 10_000:
            self._parents.clear()
        if unknown:
            wanted = {"task_runs": {"id": {"any_": unknown}}, "limit": PAGE}
            for task in await self._ask("POST", "/task_runs/filter", json=wanted):
                self._parents[str(task["id"])] = str(task["flow_run_id"] or "")

    async def _run(self, item: Mapping[str, Any], began: int) -> Run:
        run = run_from_json(
            item,
            flow_name=self._flow_names.get(str(item["flow_id"]), "unknown"),
            read_order=began,
            attempt_started_at=await self._attempt_start(item),
            inside_of=self._parents.get(inner_task_run(item) or "", "") if _is_active(item) else "",
        )
        if run.title:
            self._titles[run.flow_name] = run.title
        return await self._as_it_stands(run) if may_hide_an_end(run) else run

    async def _as_it_stands(self, run: Run) -> Run:
        """The run with the end that its runner wrote over, if it did."""
        key = str(run.state_id)
        if key not in self._hidden_ends:
            if len(self._hidden_ends) > 10_000:
                self._hidden_ends.clear()
            self._hidden_ends[key] = hidden_end(run, await self.states(run.id))
        return with_end(run, self._hidden_ends[key])

    async def _attempt_start(self, item: Mapping[str, Any]) -> datetime | None:
        """When the current attempt of a retried run began: Prefect's ``start_time`` is that of the first."""
        key = _attempt(item)
        if key[1] < 2:
            return None
        if key not in self._attempt_starts:
            states = cast(
                "list[dict[str, Any]]", await self._ask("GET", "/flow_run_states/", params={"flow_run_id": key[0]})
            )
            # A pause makes a further Running state within one attempt, so the attempt's first one counts: the
            # first that follows the last Scheduled.
            ordered = sorted(states, key=lambda state: parse_time(state["timestamp"]))
            last_scheduled = max((i for i, state in enumerate(ordered) if state["type"] == "SCHEDULED"), default=-1)
            running = [state for state in ordered[last_scheduled + 1 :] if state["type"] == "RUNNING"]
            if not running:
                return None
            if len(self._attempt_starts) > 10_000:
                self._attempt_starts.clear()
            self._attempt_starts[key] = parse_time(running[0]["timestamp"])
        return self._attempt_starts[key]

    async def _learn_flow_names(self, flow_ids: set[str]) -> None:
        unknown = sorted(flow_ids - self._flow_names.keys())
        for start in range(0, len(unknown), PAGE):
            flows = await self._ask(
                "POST",
                "/flows/filter",
                json={"flows": {"id": {"any_": unknown[start : start + PAGE]}}, "limit": PAGE},
            )
            self._flow_names.update({str(flow["id"]): str(flow["name"]) for flow in flows})

    # -- starting and stopping ------------------------------------------------------------------------------------

    async def flows(self, *, named: Sequence[str] | None = None) -> list[DeployedFlow]:
        """See ``Gateway``."""
        found = await read_flows(self._ask, named=named)
        return [replace(flow, title=self._titles.get(flow.name)) for flow in found]

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
        at = {"scheduled_time": run_at.isoformat() if run_at else None}
        wanted: dict[str, Any] = {
            "parameters": dict(parameters),
            # They are checked before they come here. Prefect would do so on its event loop, where a pattern of the
            # schema runs with backtracking: `^(a+)+$` and 40 letters keep the server from answering for days.
            "enforce_parameter_schema": False,
            "state": {"type": "SCHEDULED", "state_details": at} if result is None else {"type": "COMPLETED"},
            # The key makes a repeated request find the run that a lost answer had already made.
            "idempotency_key": f"{KEY_PREFIX}{idempotency_key or uuid4()}",
            "labels": {CREATED_LABEL: by or ""}
            | ({} if result is None else {RESULT_LABEL: unattempted_result(result)}),
        }
        for fresh in (False, True):
            deployment_id = await self._deployment(flow_name, deployment, fresh=fresh)
            began = time.monotonic_ns()
            try:
                item = await self._ask(
                    "POST", f"/deployments/{deployment_id}/create_flow_run", patient=True, json=wanted
                )
            except httpx.HTTPStatusError as error:
                # The deployment we remembered was deleted meanwhile: look once more.
                if error.response.status_code == HTTPStatus.NOT_FOUND and not fresh:
                    continue
                if error.response.status_code in REFUSALS:
                    raise StartRefused(_reason(error.response)) from error
                raise
            await self._learn_flow_names({str(item["flow_id"])})
            return await self._run(item, began)
        raise NoDeployment(flow_name)

    async def _deployment(self, flow_name: str, name: str | None, *, fresh: bool) -> str:
        if fresh or (flow_name, name) not in self._deployments:
            flows = await read_flows(self._ask, named=[flow_name])
            chosen = flows[0].deployment(name) if flows else None
            if chosen is None:
                raise NoDeployment(flow_name)
            self._deployments[flow_name, name] = chosen.id
        return self._deployments[flow_name, name]

    async def states(self, run_id: str) -> list[RunState]:
        """See ``Gateway``."""
        return await self._transitions.states(run_id) if _is_uuid(run_id) else []

    async def cancel(self, run_id: str, message: str, *, cooperative: bool = False) -> RunState:
        """See ``Gateway``."""
        _require_uuid(run_id)
        return await self._transitions.cancel(run_id, message, cooperative=cooperative)

    async def end_withdrawn(self, run_id: str) -> RunState:
        """See ``Gateway``."""
        _require_uuid(run_id)
        return await self._transitions.end_withdrawn(run_id)

    async def abort(self, run_id: str, message: str) -> RunState:
        """See ``Gateway``."""
        _require_uuid(run_id)
        return await self._transitions.abort(run_id, message)

    async def retry(self, run_id: str, message: str) -> RunState:
        """See ``Gateway``."""
        _require_uuid(run_id)
        return await self._transitions.retry(run_id, message)

    async def crash(self, run_id: str, message: str, *, seen: str) -> RunState:
        """See ``Gateway``."""
        _require_uuid(run_id)
        return await self._transitions.crash(run_id, message, seen=seen)

    async def delete_run(self, run_id: str) -> None:
        """See ``Gateway``."""
        if _is_uuid(run_id):
            await self._transitions.delete(run_id)

    async def queue_priority(self, queue_id: str) -> int | None:
        """See ``Gateway``."""
        try:
            return int((await self._ask("GET", f"/work_queues/{queue_id}"))["priority"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def outlook(self, run_id: str) -> Outlook:
        """See ``Gateway``."""
        runs = await self.read_runs([run_id])
        if not runs:
            raise RunGone(run_id)
        return await read_outlook(self._ask, runs[0], self._runs_at_work)

    async def _runs_at_work(self, narrowed: Mapping[str, Any]) -> list[Run]:
        began = time.monotonic_ns()
        at_work = {"flow_runs": {"state": {"type": {"any_": list(AT_WORK)}}}, "limit": PAGE}
        return await self._read(await self._ask("POST", "/flow_runs/filter", json={**at_work, **narrowed}), began)

    def run_page(self, run_id: str) -> str | None:
        """See ``Gateway``."""
        return f"{self._pages}/runs/flow-run/{run_id}" if self._pages else None

    # -- logs -----------------------------------------------------------------------------------------------------

    async def read_logs(self, run_id: str, *, after: datetime | None, offset: int) -> list[LogLine]:
        """See ``Gateway``."""
        times = {} if after is None else {"after_": after.isoformat()}
        return await self._logs(run_id, times, limit=PAGE, offset=offset)

    async def logs_of_all(self, *, after: datetime, offset: int) -> list[LogLine]:
        """See ``Gateway``. Lines of task runs that belong to no flow run are left out."""
        lines = await self._ask_logs({"timestamp": {"after_": after.isoformat()}}, limit=PAGE, offset=offset)
        return [_log_line(line) for line in lines]

    async def newest_logs(self, run_id: str) -> list[LogLine]:
        """See ``Gateway``."""
        return (await self._logs(run_id, {}, limit=PAGE, sort="TIMESTAMP_DESC"))[::-1]

    async def has_more_logs_than(self, run_id: str, count: int, *, until: datetime | None = None) -> bool:
        """See ``Gateway``. Prefect counts no logs; but it finds none behind the last one."""
        times = {} if until is None else {"before_": until.isoformat()}
        return bool(await self._logs(run_id, times, limit=1, offset=count))

    async def _logs(
        self, run_id: str, times: Mapping[str, str], *, limit: int, offset: int = 0, sort: str = "TIMESTAMP_ASC"
    ) -> list[LogLine]:
        if not _is_uuid(run_id):
            return []
        log_filter: dict[str, Any] = {"flow_run_id": {"any_": [run_id]}}
        if times:
            log_filter["timestamp"] = dict(times)
        return [_log_line(line) for line in await self._ask_logs(log_filter, limit=limit, offset=offset, sort=sort)]

    async def _ask_logs(
        self, log_filter: Mapping[str, Any], *, limit: int, offset: int = 0, sort: str = "TIMESTAMP_ASC"
    ) -> list[dict[str, Any]]:
        wanted = {"logs": dict(log_filter), "limit": limit, "offset": offset, "sort": sort}
        return await self._ask("POST", "/logs/filter", json=wanted)

    async def last_errors(self, run_id: str) -> list[LogLine]:
        """See ``Gateway``."""
        if not _is_uuid(run_id):
            return []
        wanted = {"flow_run_id": {"any_": [run_id]}, "level": {"ge_": logging.ERROR}}
        lines = await self._ask_logs(wanted, limit=20, sort="TIMESTAMP_DESC")
        return [_log_line(line) for line in lines]

    @asynccontextmanager
    async def log_wakeups(self, *run_ids: str) -> AsyncGenerator[AsyncIterator[str]]:
        """See ``Gateway``."""
        wanted = [UUID(run_id) for run_id in run_ids if _is_uuid(run_id)]
        log_filter = LogFilter(flow_run_id=LogFilterFlowRunId(any_=wanted))
        async with PrefectLogsSubscriber(self._url, filter=log_filter, reconnection_attempts=0) as subscriber:

            async def announced() -> AsyncIterator[str]:
                async for line in subscriber:
                    yield str(line.flow_run_id)

            yield announced()

    # -- events ---------------------------------------------------------------------------------------------------

    async def events_since(self, since: datetime) -> list[RunEvent]:
        """See ``Gateway``."""
        event_filter = EventFilter(
            event=EventNameFilter(prefix=list(RUN_EVENTS)),
            occurred=EventOccurredFilter(
                since=cast("Any", since), until=cast("Any", datetime.now(UTC) + timedelta(days=1))
            ),
            order=EventOrder.ASC,
        )
        try:
            self.requests += 1
            page = await self._client.read_events(event_filter, limit=50)
            events = list(page.events)
            while page.next_page:
                self.requests += 1
                page = await self._client.read_events_page(str(page.next_page))
                events.extend(page.events)
        except httpx.HTTPError as error:
            raise PrefectUnavailable(self._url, type(error).__name__) from error
        return [found for event in events if (found := run_event(event))]

    async def heartbeats(self, run_id: str) -> list[datetime]:
        """See ``Gateway``."""
        event_filter = EventFilter(
            event=EventNameFilter(name=[HEARTBEAT]),
            resource=EventResourceFilter(id=[f"{RUN_RESOURCE}{run_id}"]),
            order=EventOrder.DESC,
        )
        self.requests += 1
        try:
            page = await self._client.read_events(event_filter, limit=2)
        except httpx.HTTPError as error:
            raise PrefectUnavailable(self._url, type(error).__name__) from error
        return [datetime.fromtimestamp(event.occurred.timestamp(), UTC) for event in page.events]

    async def given_up(self, run_id: str, *, since: datetime) -> bool:
        """See ``Gateway``."""
        event_filter = EventFilter(
            event=EventNameFilter(name=[EXECUTED]),
            any_resource=EventAnyResourceFilter(id=[f"{RUN_RESOURCE}{run_id}"]),
            occurred=EventOccurredFilter(since=cast(Any, since)),
        )
        self.requests += 1
        try:
            return bool((await self._client.read_events(event_filter, limit=1)).events)
        except httpx.HTTPError as error:
            raise PrefectUnavailable(self._url, type(error).__name__) from error

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[RunEvent]]:
        """See ``Gateway``."""
        event_filter = EventFilter(event=EventNameFilter(prefix=list(RUN_EVENTS)))
        try:
            async with (
                asyncio.timeout(CONNECT_TIMEOUT) as connecting,
                PrefectEventSubscriber(self._url, filter=event_filter, reconnection_attempts=0) as subscriber,
            ):
                connecting.reschedule(None)

                async def events() -> AsyncIterator[RunEvent]:
                    async for event in subscriber:
                        if found := run_event(event):
                            yield found

                yield events()
        except (OSError, TimeoutError) as error:
            raise PrefectUnavailable(self._url, type(error).__name__) from error


def _is_active(item: Mapping[str, Any]) -> bool:
    state: Mapping[str, Any] = item.get("state") or {}
    return state.get("type") in ACTIVE_TYPES


def _attempt(item: Mapping[str, Any]) -> tuple[str, int]:
    return str(item["id"]), int(item.get("run_count") or 0)


def _expected_start(item: Mapping[str, Any]) -> datetime | None:
    moment = item.get("expected_start_time")
    return parse_time(moment) if moment else None


def _address_of_pages(api_url: str) -> str | None:
    """Where people look at the server of this API: as Prefect's settings say, else beside the API."""
    settings = get_current_settings()
    if settings.ui_url and settings.api.url == api_url:
        return settings.ui_url.rstrip("/")
    return api_url.removesuffix("/api") if api_url.endswith("/api") else None


def _log_line(line: Mapping[str, Any]) -> LogLine:
    return LogLine(
        id=str(line["id"]),
        run_id=str(line["flow_run_id"]),
        timestamp=parse_time(line["timestamp"]),
        level=int(line["level"]),
        message=str(line["message"]),
    )


def _reason(response: httpx.Response) -> str:
    """Prefect's reason for refusing a new run, in either of its two shapes."""
    try:
        body = response.json()
        reason = body.get("detail") or body["exception_detail"][0]["msg"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return f"it answered {response.status_code}"
    return str(reason)[:REASON_LIMIT]


def _require_uuid(run_id: str) -> None:
    if not _is_uuid(run_id):
        raise RunGone(run_id)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
