"""Prefect's states as the contract names them (section 16.1, the closed table)."""

from datetime import datetime
from typing import Literal, NamedTuple

from prefect_jobs.report_names import WITHDRAWN

Status = Literal["pending", "running", "completed", "failed"]

STATUSES: tuple[Status, ...] = ("pending", "running", "completed", "failed")
CANCELLED_STATES = ("cancelled", "aborted")
ENDED: tuple[Status, ...] = ("completed", "failed")


PENDING_STOPPING = "pending stopping"
"""The key of the state ``stopping`` of a job that has not begun."""


class JobState(NamedTuple):
    """The contract's coarse word for where a job is, and its finer one."""

    status: Status
    state: str

    @property
    def key(self) -> str:
        """A word of its own for each: a job that is ``stopping`` can be at work, or still be on its way to it."""
        return PENDING_STOPPING if self == ("pending", "stopping") else self.state


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
        WITHDRAWN: JobState("pending", "stopping"),
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
    by_status = {status: frozenset(state.key for state in found if state.status == status) for status in STATUSES}
    return by_status | {"cancelled": frozenset(CANCELLED_STATES)}


STATES_BY_STATUS: dict[str, frozenset[str]] = _states_by_status()
"""The keys of the states that each word of the filter ``status`` selects; `cancelled` is one (contract 4.1)."""


def keys_of(states: frozenset[str]) -> frozenset[str]:
    """The keys of all job states that go by these words."""
    return states | {PENDING_STOPPING} if "stopping" in states else states - {PENDING_STOPPING}


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
