"""A job's transitions, drawn from the states that Prefect keeps of its run.

Prefect's history has more states than a reader can tell apart (Pending, then Pending named Submitting) and no word for
who caused them. Here each state that changes the job's ``status`` or ``state`` is one transition, and a table says
what triggers a state of its kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from prefect_jobs.gateway.runs import RunState
from prefect_jobs.job_states import JobState, Status, job_state
from prefect_jobs.jobs import error_of
from prefect_jobs.sidecar.receipt import Receipt, find_receipt

Trigger = Literal["api", "worker", "user", "timeout", "retry", "system"]

CLOCKS_APART = timedelta(seconds=1)
"""A run made for "now" may be due a moment after its own first state."""
BY_PREFECT = (
    "Flow run cancellation timed out",
    "The parent flow run was cancelled",
)
"""How messages begin of the cancellations that Prefect's server writes by itself."""
_TELL_ERRORS = frozenset({"FAILED", "CRASHED", "SCHEDULED"})
"""States whose message is their error, in Prefect's framing words."""


@dataclass(frozen=True, slots=True)
class Action:
    """Somebody did something to a job through the jobs API. ``by`` is None where nobody has to sign in."""

    action: Literal["cancel", "abort", "retry", "purge"]
    by: str | None
    at: datetime
    state_id: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a run."""

    through_api: bool = False
    by: str | None = None
    by_schedule: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A job went from one status to another, or within one status from one state to another."""

    state_id: str
    before: Status | None
    to: Status
    state: str
    at: datetime
    trigger: Trigger
    name: str
    message: str | None
    error: str | None
    by: str | None
    receipt: Receipt | None = None
    """How a stop went, where the kit proved it; the message has it in words."""


def state_of(state: RunState) -> JobState:
    """The job state that this state of its run was, at that time."""
    now = state.timestamp + CLOCKS_APART
    return job_state(state.type, state.name, scheduled_for=state.scheduled_for, now=now)


def error_in(state: RunState) -> str | None:
    """The error with which this state ended an attempt: of a failure, or of a retry that one caused."""
    if state.type == "SCHEDULED":
        return error_of("failed", state.message) if state.name == "AwaitingRetry" and state.message else None
    status, word = state_of(state)
    return error_of(word, state.message) if status == "failed" else None


def transitions_of(states: Sequence[RunState], actions: Sequence[Action], origin: Origin) -> list[Transition]:
    """Each change of a job's status or state once, oldest first.

    Args:
        states: every state of the run, oldest first.
        actions: what was done to the job through the API.
        origin: who made the run.
    """
    by_state = {action.state_id: action for action in actions if action.state_id}
    found: list[Transition] = []
    before: RunState | None = None
    for state in states:
        now = state_of(state)
        previous = None if before is None else state_of(before)
        if now == previous:
            found[-1] = _with_receipt(found[-1], state)
            continue
        asked = _cause(before, state, by_state)
        error = _shown_error(before, state)
        receipt = find_receipt(state.message or "")
        found.append(
            Transition(
                state_id=state.id,
                before=None if previous is None else previous.status,
                to=now.status,
                state=now.state,
                at=state.timestamp,
                trigger=_trigger(before, state, origin),
                name=state.name,
                message=None if error and state.type in _TELL_ERRORS and not receipt else state.message,
                error=error,
                by=origin.by if before is None else (asked.by if asked else None),
                receipt=receipt,
            )
        )
        before = state
    return found


def _with_receipt(told: Transition, state: RunState) -> Transition:
    """A job's end is written before its processes are killed, and again with the proof."""
    if (receipt := find_receipt(state.message or "")) is None:
        return told
    return replace(told, receipt=receipt, message=state.message)


def _cause(before: RunState | None, state: RunState, by_state: Mapping[str, Action]) -> Action | None:
    """The action that led here: the one that wrote this state, or the wish that this state fulfils."""
    if state.id in by_state:
        return by_state[state.id]
    if before is not None and before.type == "CANCELLING" and state.type == "CANCELLED":
        return by_state.get(before.id)
    return None


def _shown_error(before: RunState | None, state: RunState) -> str | None:
    # Only a retry that the end of an attempt caused carries an error; one that somebody asked for says who asked.
    if state.type == "SCHEDULED" and (before is None or before.type != "RUNNING"):
        return None
    return error_in(state)


def _trigger(before: RunState | None, state: RunState, origin: Origin) -> Trigger:
    if before is None:
        return "api" if origin.through_api else "system" if origin.by_schedule else "user"
    match state.type, state.name:
        case "SCHEDULED", "AwaitingRetry":
            return "retry"
        case "SCHEDULED", "Resuming":
            return "user"
        case "SCHEDULED", _:  # Late, waiting for a slot: Prefect's services
            return "system"
        case "CANCELLING" | "CANCELLED", _:
            return "system" if (state.message or "").startswith(BY_PREFECT) else "user"
        case "FAILED", "TimedOut":
            return "timeout"
        case "CRASHED", _:
            return "system"
        case _:
            return "worker"
