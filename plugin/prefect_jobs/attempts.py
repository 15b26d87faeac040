"""The attempts of a job, drawn from the states of its run.

Prefect counts attempts (``run_count``) and keeps none: an attempt begins with the Running state that follows a wait,
and ends with a terminal state or with a retry. A pause lies within one attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from prefect_jobs.gateway.runs import TERMINAL_TYPES, RunState
from prefect_jobs.transitions import error_in, state_of

AttemptStatus = Literal["started", "succeeded", "failed", "cancelled"]
_ENDS: dict[str, AttemptStatus] = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CRASHED": "failed",
    "CANCELLED": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a job. ``number`` counts from 1."""

    number: int
    started_at: datetime
    ended_at: datetime | None = None
    status: AttemptStatus = "started"
    error: str | None = None
    worker: str | None = None
    result: Any = None

    @property
    def duration_seconds(self) -> float | None:
        """From start to end; None while it is open."""
        return None if self.ended_at is None else max(0.0, (self.ended_at - self.started_at).total_seconds())


def attempts_of(states: Sequence[RunState], workers: Mapping[str, str | None], *, result: Any = None) -> list[Attempt]:
    """The attempts in the order of their numbers.

    Args:
        states: every state of the run, oldest first.
        workers: who executed, by the id of a Running state.
        result: what the last attempt returned, where it succeeded.
    """
    found: list[Attempt] = []
    for before, state in zip([None, *states], states, strict=False):
        opened = bool(found) and found[-1].ended_at is None
        if state.type == "RUNNING" and not opened:
            found.append(Attempt(len(found) + 1, state.timestamp, worker=workers.get(state.id)))
        elif state.type in TERMINAL_TYPES:
            # A terminal state over a terminal one has the last word on the same attempt.
            if opened or (found and before is not None and before.type in TERMINAL_TYPES):
                found[-1] = _ended(found[-1], state)
        elif state.type == "SCHEDULED" and opened and state_of(state).state not in ("resuming", "scheduled"):
            found[-1] = _ended(found[-1], state)
    if found and found[-1].status == "succeeded":
        found[-1] = replace(found[-1], result=result)
    return found


def _ended(attempt: Attempt, state: RunState) -> Attempt:
    status = _ENDS.get(state.type, "failed")
    return replace(attempt, ended_at=state.timestamp, status=status, error=error_in(state))


def previous_errors(states: Sequence[RunState]) -> list[str]:
    """The errors of everything that went wrong before the present state, oldest first."""
    found: list[str] = []
    for before, state in zip([None, *states], states[:-1], strict=False):
        caused_by_end = state.type != "SCHEDULED" or (before is not None and before.type == "RUNNING")
        cancelled = state.type == "CANCELLED"
        if caused_by_end and not cancelled and (error := error_in(state)):
            found.append(error)
    return found
