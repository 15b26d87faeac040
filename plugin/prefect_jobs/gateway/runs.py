"""What the adapter knows of Prefect, in its own words.

Prefect's client models are large and change with every release. The gateway reads Prefect's JSON once, here, into
small frozen values; nothing behind this module knows how Prefect spells them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from prefect_jobs.clean_text import clean
from prefect_jobs.iso_time import read_time
from prefect_jobs.report_names import (
    CREATED_LABEL,
    KIT_LABEL,
    PROGRESS_LABEL,
    RECEIPT_LABEL,
    RESULT_LABEL,
    STEPS_LABEL,
    TITLE_LABEL,
    WORKER_NAME_LABEL,
)
from prefect_jobs.worker_process import WorkerProcess

TERMINAL_TYPES = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
ACTIVE_TYPES = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one attempt of a run is, as the kit reported it."""

    percent: int
    message: str | None
    attempt: int
    at: datetime

    @classmethod
    def parse(cls, payload: object) -> "Progress | None":
        """Read a progress payload; anything that is not one is no progress."""
        if not isinstance(payload, Mapping):
            return None
        fields = cast("Mapping[str, Any]", payload)
        try:
            message = fields.get("message")
            return cls(
                percent=min(100, max(0, int(fields["percent"]))),
                message=None if message is None else clean(str(message)),
                attempt=int(fields["attempt"]),
                at=parse_time(fields["at"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class RunStep:
    """Something that an attempt of a run does or did, as the kit told it. ``outcome`` is None while it lasts."""

    attempt: int
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None

    @property
    def duration_seconds(self) -> float | None:
        """From start to end; None while it lasts."""
        return None if self.ended_at is None else max(0.0, (self.ended_at - self.started_at).total_seconds())

    @classmethod
    def parse(cls, told: object) -> "list[RunStep]":
        """Read the steps of one attempt; anything that is not one is left out."""
        payload = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
        attempt, items = payload.get("attempt"), payload.get("steps")
        if not isinstance(attempt, int) or not isinstance(items, list):
            return []
        steps: list[RunStep] = []
        for item in cast("list[Any]", items):
            try:
                ended = None if item["ended_at"] is None else parse_time(item["ended_at"])
                outcome = None if item["outcome"] is None else clean(str(item["outcome"]))
                steps.append(cls(attempt, clean(str(item["name"])), parse_time(item["started_at"]), ended, outcome))
            except (KeyError, TypeError, ValueError):
                continue
        return steps


@dataclass(frozen=True, slots=True)
class Run:
    """One flow run as Prefect holds it at one moment."""

    id: str
    name: str
    flow_name: str
    state_type: str
    state_name: str
    created_at: datetime
    state_id: str | None = None
    state_message: str | None = None
    state_at: datetime | None = None
    scheduled_for: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    run_count: int = 0
    deployment_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    progress: Progress | None = None
    result: Any = None
    has_result: bool = False
    uses_kit: bool = False
    title: str | None = None
    """What people call jobs of its type, where the kit says it."""
    worker: str | None = None
    """The worker that took it last."""
    worker_process: WorkerProcess | None = None
    """Which process that is, where it says so."""
    pool_name: str | None = None
    queue_name: str | None = None
    queue_id: str | None = None
    retries: int = 0
    """How often its flow tries again by itself."""
    created_through_api: bool = False
    created_by: str | None = None
    """The name that the jobs API was asked by, where it made this run."""
    scheduled_by_prefect: bool = False
    """Whether a schedule prepared it."""
    expected_at: datetime | None = None
    """When it was to start at first; neither lateness nor a new time nor a retry changes that."""
    first_started_at: datetime | None = None
    """When its first attempt began, or its end came before any did."""
    steps: tuple[RunStep, ...] = ()
    """What its attempts did, in order."""
    receipts: tuple[tuple[str, str], ...] = ()
    """Ids of states that others wrote, each with the text of the receipt that belongs to it."""
    inside_of: str | None = None
    """The run in whose process it runs; empty where that is not known (yet), None where it has a process of its own."""
    read_order: int = field(default=0, compare=False)
    """When the read that saw this began, on the process's monotonic clock in ns: a later read overrules an earlier."""


@dataclass(frozen=True, slots=True)
class RunState:
    """One state that a run was in, as Prefect's history of the run holds it."""

    id: str
    type: str
    name: str
    timestamp: datetime
    message: str | None = None
    scheduled_for: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of Prefect's log table."""

    id: str
    run_id: str
    timestamp: datetime
    level: int
    message: str


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something happened to a run. It only wakes the reader up; its progress, if any, is news in itself."""

    run_id: str
    occurred: datetime
    state_id: str | None = None
    progress: Progress | None = None


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; one without an offset is UTC.

    Raises:
        ValueError: the text is no time.
        TypeError: it is no text.
    """
    return read_time(text)


def _time(value: object) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def _text(value: object) -> str | None:
    return clean(value) if isinstance(value, str) and value else None


def _label(labels: Mapping[str, Any], name: str) -> object:
    text = labels.get(name)
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # a label is whatever the run's author writes
        return None


def unattempted_result(result: Mapping[str, Any]) -> str:
    """The result label of a run that nobody had to execute."""
    return json.dumps({"attempt": 0, "result": dict(result)}, ensure_ascii=False)


def _steps(labels: Mapping[str, Any]) -> tuple[RunStep, ...]:
    names = [name for name in labels if name.startswith(f"{STEPS_LABEL}.")]
    found = [step for name in names for step in RunStep.parse(_label(labels, name))]
    return tuple(sorted(found, key=lambda step: (step.attempt, step.started_at)))


def _receipts(labels: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    begins = f"{RECEIPT_LABEL}."
    return tuple((name.removeprefix(begins), str(text)) for name, text in labels.items() if name.startswith(begins))


def inner_task_run(data: Mapping[str, Any]) -> str | None:
    """The task run of its parent that stands for a run without a process of its own; None where it has one.

    A run of a deployment that another run made has a parent too, and its own process.
    """
    return None if data.get("deployment_id") else data.get("parent_task_run_id")


def run_from_json(
    data: Mapping[str, Any],
    *,
    flow_name: str,
    read_order: int,
    attempt_started_at: datetime | None = None,
    inside_of: str = "",
) -> Run:
    """Read one item of Prefect's ``/flow_runs/filter``.

    ``attempt_started_at`` is the start of the current attempt where it differs from the run's own ``start_time``
    (Prefect keeps the first start over all attempts). ``inside_of`` is the run of its parent task run.
    """
    state: Mapping[str, Any] = data.get("state") or {}
    details: Mapping[str, Any] = state.get("state_details") or {}
    labels: Mapping[str, Any] = data.get("labels") or {}
    policy: Mapping[str, Any] = data.get("empirical_policy") or {}
    creator: Mapping[str, Any] = data.get("created_by") or {}
    run_count = int(data.get("run_count") or 0)
    stored: Any = _label(labels, RESULT_LABEL)
    has_result = isinstance(stored, dict) and cast("dict[str, Any]", stored).get("attempt") == run_count
    created_at = parse_time(data["created"])
    return Run(
        id=str(data["id"]),
        name=str(data.get("name") or ""),
        flow_name=flow_name,
        state_type=str(state.get("type") or "SCHEDULED"),
        state_name=str(state.get("name") or ""),
        state_id=state.get("id"),
        state_message=state.get("message"),
        state_at=_time(state.get("timestamp")),
        created_at=created_at,
        scheduled_for=_time(data.get("next_scheduled_start_time")) or _time(details.get("scheduled_time")),
        started_at=attempt_started_at or _time(data.get("start_time")),
        ended_at=_time(data.get("end_time")),
        run_count=run_count,
        deployment_id=data.get("deployment_id"),
        parameters=data.get("parameters") or {},
        progress=Progress.parse(_label(labels, PROGRESS_LABEL)),
        result=cast("dict[str, Any]", stored).get("result") if has_result else None,
        has_result=has_result,
        uses_kit=KIT_LABEL in labels,
        title=_text(labels.get(TITLE_LABEL)),
        worker=_text(labels.get(WORKER_NAME_LABEL)),
        worker_process=WorkerProcess.of_run(labels),
        pool_name=_text(data.get("work_pool_name")),
        queue_name=_text(data.get("work_queue_name")),
        queue_id=_text(data.get("work_queue_id")),
        retries=int(policy.get("retries") or 0),
        created_through_api=CREATED_LABEL in labels,
        created_by=_text(labels.get(CREATED_LABEL)),
        # The first is missing where somebody asked for the next runs of a schedule to be prepared.
        scheduled_by_prefect=bool(data.get("auto_scheduled")) or creator.get("type") == "SCHEDULE",
        expected_at=_time(data.get("expected_start_time")),
        first_started_at=_time(data.get("start_time")) or _time(data.get("end_time")),
        steps=_steps(labels),
        receipts=_receipts(labels),
        inside_of=inside_of if inner_task_run(data) else None,
        read_order=read_order,
    )


def state_from_json(data: Mapping[str, Any]) -> RunState:
    """Read one of Prefect's states."""
    details: Mapping[str, Any] = data.get("state_details") or {}
    return RunState(
        id=str(data["id"]),
        type=str(data["type"]),
        name=str(data.get("name") or ""),
        timestamp=parse_time(data["timestamp"]),
        message=_text(data.get("message")),
        scheduled_for=_time(details.get("scheduled_time")),
    )


def in_order(states: Iterable[RunState]) -> list[RunState]:
    """States oldest first; those of the same moment by their ids, which Prefect makes in order."""
    return sorted(states, key=lambda state: (state.timestamp, state.id))
