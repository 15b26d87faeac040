"""Prefect's states as the contract names them (section 16.1, the closed table)."""

from datetime import datetime
from typing import Literal, NamedTuple

Status = Literal["pending", "running", "completed", "failed"]

STATUSES: tuple[Status, ...] = ("pending", "running", "completed", "failed")
CANCELLED_STATES = ("cancelled", "aborted")
ENDED: tuple[Status, ...] = ("completed", "failed")


class JobState(NamedTuple):
    """The contract's coarse word for where a job is, and its finer one."""

    status: Status
    state: str


ABORTING = JobState("running", "aborting")

# Prefect's type → name → job state; the name None stands for any other.
TABLE: dict[str, dict[str | None, JobState]] = {
    "SCHEDULED": {
        "Late": JobState("pending", "late"),
        "AwaitingRetry": JobState("pending", "awaiting_retry"),
        "AwaitingConcurrencySlot": JobState("pending", "awaiting_slot"),
        "Resuming": JobState("pending", "resuming"),
        None: JobState("pending", "pending"),
    },
    "PENDING": {None: JobState("pending", "pending")},
    "RUNNING": {"Retrying": JobState("running", "retrying"), None: JobState("running", "running")},
    "PAUSED": {"Suspended": JobState("pending", "suspended"), None: JobState("running", "paused")},
    "CANCELLING": {
        "Stopping": JobState("running", "stopping"),
        "Aborting": ABORTING,
        None: JobState("running", "cancelling"),
    },
    "COMPLETED": {"Cached": JobState("completed", "cached"), None: JobState("completed", "completed")},
    "FAILED": {"TimedOut": JobState("failed", "timed_out"), None: JobState("failed", "failed")},
    "CRASHED": {None: JobState("failed", "crashed")},
    "CANCELLED": {"Aborted": JobState("failed", "aborted"), None: JobState("failed", "cancelled")},
}

SCHEDULED_AHEAD = JobState("pending", "scheduled")


def _states_by_status() -> dict[str, frozenset[str]]:
    found = {state for names in TABLE.values() for state in names.values()}
    by_status = {status: frozenset(state.state for state in found if state.status == status) for status in STATUSES}
    return by_status | {"cancelled": frozenset(CANCELLED_STATES)}


STATES_BY_STATUS: dict[str, frozenset[str]] = _states_by_status()
"""The states that each word of the filter ``status`` selects; `cancelled` is one (contract 4.1)."""


def job_state(state_type: str, state_name: str, *, scheduled_for: datetime | None, now: datetime) -> JobState:
    """The job state of a run in this Prefect state.

    A run of the plain state ``Scheduled`` whose time has not come is ``scheduled``: no job yet.

    Raises:
        ValueError: Prefect has no such state type.
    """
    names = TABLE.get(state_type)
    if names is None:
        raise ValueError(f"expected one of Prefect's state types {sorted(TABLE)}, got {state_type!r}")
    if state_type == "SCHEDULED" and state_name not in names and scheduled_for is not None and scheduled_for > now:
        return SCHEDULED_AHEAD
    return names.get(state_name, names[None])
