"""A job's transitions and what else happened to it, drawn from the states that Prefect keeps of its run.

Prefect's history has more states than a reader can tell apart (Pending, then Pending named Submitting) and no word for
who caused them. Here each state that changes the job's ``status`` is one transition, and a table says what triggers a
state of its kind. A state that changes no status is an event, where it says something (a wish to stop, lateness); one
that says again what the state before it said is neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from prefect_jobs.gateway.cancellations import TIMED_OUT, by_automation, somebody_asked
from prefect_jobs.gateway.runs import RunState
from prefect_jobs.job_states import JobState, Status, job_state
from prefect_jobs.jobs import error_of, told_error
from prefect_jobs.report_names import WITHDRAWN
from prefect_jobs.sidecar.receipt import Receipt, find_receipt

Trigger = Literal["api", "worker", "user", "timeout", "retry", "system"]
Kind = Literal[
    "stop_asked",
    "heard",
    "late",
    "submitted",
    "handed_back",
    "waiting",
    "rescheduled",
    "paused",
    "resumed",
    "noted",
    "acknowledged",
]
"""Kinds of events; ``waiting`` is for a place under a limit, ``noted`` is another state within the same status."""

CLOCKS_APART = timedelta(seconds=1)
"""A run made for "now" may be due a moment after its own first state."""
_TELL_ERRORS = frozenset({"FAILED", "CRASHED", "SCHEDULED"})
"""States whose message is their error, in Prefect's framing words."""


@dataclass(frozen=True, slots=True)
class Action:
    """Somebody did something to a job through the jobs API. ``by`` is None where nobody has to sign in."""

    action: Literal["cancel", "abort", "retry", "purge"]
    by: str | None
    at: datetime
    state_id: str | None


def words_of(action: str, by: str | None) -> str:
    """What the state that an action writes says in Prefect, for people who look there."""
    words = {"cancel": "Cancelled", "abort": "Aborted", "retry": "Queued again", "purge": "Cancelled"}
    return f"{words[action]} through the jobs API" + (f" by {by}" if by else "")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a run."""

    through_api: bool = False
    by: str | None = None
    by_schedule: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A job went from one status to another."""

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


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a job that changed no status."""

    kind: Kind
    at: datetime
    message: str | None = None
    by: str | None = None
    state_id: str | None = None
    """The state that says so; None where it follows from something else."""
    details: Mapping[str, str] = field(default_factory=dict[str, str])


def state_of(state: RunState) -> JobState:
    """The job state that this state of its run was, at that time."""
    now = state.timestamp + CLOCKS_APART
    return job_state(state.type, state.name, scheduled_for=state.scheduled_for, now=now)


def error_in(state: RunState) -> str | None:
    """The error with which this state ended an attempt: of a failure, or of a retry that one caused."""
    if state.type == "SCHEDULED":
        return error_of("failed", state.message) if state.name == "AwaitingRetry" and state.message else None
    status, word = state_of(state)
    return told_error(word, state.message) if status == "failed" else None


def transitions_of(states: Sequence[RunState], actions: Sequence[Action], origin: Origin) -> list[Transition]:
    """Each change of a job's status once, oldest first.

    Args:
        states: every state of the run, oldest first.
        actions: what was done to the job through the API.
        origin: who made the run.
    """
    found: list[Transition] = []
    for before, state, asked in _told(states, actions):
        status, word = state_of(state)
        receipt = find_receipt(state.message or "")
        if found and status == found[-1].to:
            if receipt is not None:  # an end is written before the kill, and again with the proof
                found[-1] = replace(found[-1], receipt=receipt, message=state.message)
            elif (
                asked is not None and state.type == "CANCELLED" and word == found[-1].state
            ):  # Prefect said it first, without our words
                found[-1] = replace(found[-1], by=asked.by, message=state.message)
            continue
        error = _shown_error(before, state)
        found.append(
            Transition(
                state_id=state.id,
                before=found[-1].to if found else None,
                to=status,
                state=word,
                at=state.timestamp,
                trigger=_trigger(before, state, origin),
                name=state.name,
                message=_shown_message(state, asked, error=error, receipt=receipt),
                error=error,
                by=origin.by if before is None else (asked.by if asked else None),
                receipt=receipt,
            )
        )
    return found


def events_of(states: Sequence[RunState], actions: Sequence[Action], origin: Origin) -> list[Event]:
    """What else happened to a job, oldest first; takes what ``transitions_of`` takes."""
    found: list[Event] = []
    for before, state, asked in _told(states, actions):
        if before is not None and (kind := _kind(before, state)) is not None:
            details = {"state": state_of(state).state, "name": state.name}
            details["triggered_by"] = _trigger(before, state, origin)
            by = asked.by if asked else None
            found.append(Event(kind, state.timestamp, state.message, by, state.id, details))
    for end in transitions_of(states, actions, origin):
        if end.receipt is not None and end.receipt.cause == "asked":
            took = end.receipt.delivered - end.receipt.asked
            heard = f"The job heard of it after {took:.2f} s"
            found.append(Event("heard", datetime.fromtimestamp(end.receipt.delivered, UTC), heard))
    return sorted(found, key=lambda event: event.at)


def _told(
    states: Sequence[RunState], actions: Sequence[Action]
) -> Iterator[tuple[RunState | None, RunState, Action | None]]:
    """Each state with the one before it that said something else, and with the action that led to it."""
    by_state = {action.state_id: action for action in actions if action.state_id}
    before: RunState | None = None
    ran = False
    for state in states:
        ran = ran or state.type == "RUNNING"
        if state.type == "CANCELLING" and not ran:  # whatever name the cancellation has
            state = replace(state, name=WITHDRAWN)
        yield before, state, _cause(before, state, by_state)
        if before is None or (state.type, state.name) != (before.type, before.name):
            before = state


def _kind(before: RunState, state: RunState) -> Kind | None:
    """What happened when a run came from one state to another; None where the change of status says it all."""
    said_again = (state.type, state.name) == (before.type, before.name)
    match before.type, state.type, state.name:
        case "SCHEDULED", "SCHEDULED", _ if said_again and state.scheduled_for != before.scheduled_for:
            return "rescheduled"
        case _ if said_again:
            return None
        case _, "CANCELLING", _:
            return "stop_asked"
        case _, "PAUSED", _:
            return "paused"
        case (_, "SCHEDULED", "Resuming") | ("PAUSED", "RUNNING", _):
            return "resumed"
        case _ if state_of(before).status != state_of(state).status:
            return None
        case _, "SCHEDULED", "Late":
            return "late"
        case _, "SCHEDULED", "AwaitingConcurrencySlot":
            return "waiting"
        case "PENDING", "SCHEDULED", _:
            return "handed_back"
        case _, "PENDING", _:
            return None if before.type == "PENDING" else "submitted"
        case _:
            return "noted"


def _cause(before: RunState | None, state: RunState, by_state: Mapping[str, Action]) -> Action | None:
    """The action that led here: the one that wrote this state, or the wish that this state fulfils."""
    if state.id in by_state:
        return by_state[state.id]
    if before is not None and before.type == "CANCELLING" and state.type == "CANCELLED":
        return by_state.get(before.id)
    return None


def _shown_message(state: RunState, asked: Action | None, *, error: str | None, receipt: Receipt | None) -> str | None:
    if error and state.type in _TELL_ERRORS and not receipt:
        return None
    # The Cancelled that Prefect writes itself for a run that nobody had taken says nothing.
    return state.message or (words_of(asked.action, asked.by) if asked else None)


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
        case "CANCELLING", _:
            return "system" if by_automation(state.message) else "user"
        case "CANCELLED", _:
            return _who_cancelled(before, state)
        case "FAILED", "TimedOut":
            return "timeout"
        case "CRASHED", _:
            return "system"
        case _:
            return "worker"


def _who_cancelled(before: RunState, state: RunState) -> Trigger:
    if (state.message or "").startswith(TIMED_OUT):
        return "system"
    if before.type == "CANCELLING":
        return "system" if by_automation(before.message) else "user"
    return "user" if somebody_asked(state.message) else "system"
