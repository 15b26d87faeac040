"""What the adapter knows of Prefect, in its own words.

Prefect's client models are large and change with every release. The gateway reads Prefect's JSON once, here, into
small frozen values; nothing behind this module knows how Prefect spells them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from prefect_jobs.report_names import KIT_LABEL, PROGRESS_LABEL, RESULT_LABEL

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
                message=None if message is None else str(message),
                attempt=int(fields["attempt"]),
                at=parse_time(fields["at"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


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
    read_order: int = 0
    """When the read that saw this began, on the process's monotonic clock in ns: a later read overrules an earlier."""


@dataclass(frozen=True, slots=True)
class RunDeleted:
    """Prefect no longer holds this run."""

    id: str
    read_order: int = 0


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
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _time(value: object) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def _label(labels: Mapping[str, Any], name: str) -> object:
    text = labels.get(name)
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def run_from_json(
    data: Mapping[str, Any], *, flow_name: str, read_order: int, attempt_started_at: datetime | None = None
) -> Run:
    """Read one item of Prefect's ``/flow_runs/filter``.

    ``attempt_started_at`` is the start of the current attempt where it differs from the run's own ``start_time``
    (Prefect keeps the first start over all attempts).
    """
    state: Mapping[str, Any] = data.get("state") or {}
    details: Mapping[str, Any] = state.get("state_details") or {}
    labels: Mapping[str, Any] = data.get("labels") or {}
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
        read_order=read_order,
    )
