"""A job: what the contract says of a run. The one place where Prefect's facts become the contract's words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from prefect_jobs.clean_text import clean, clean_value
from prefect_jobs.gateway.cancellations import CANCELLED_BY_USER, words_of_cancellation
from prefect_jobs.gateway.runs import Progress, Run
from prefect_jobs.job_states import ABORTING, ENDED, Status, job_state
from prefect_jobs.proofs import STOPPED_STATES, ended_at, look_again_at, proof_due, receipt_of
from prefect_jobs.report_names import WITHDRAWN
from prefect_jobs.sidecar.receipt import without_receipt

Stoppable = Literal["cooperative", "prefect", "with_parent"]


def stoppable(*, uses_kit: bool, inside_of: str | None) -> Stoppable:
    """How a job is stopped: one of the kit stops at a checkpoint and can be aborted, others get Prefect's cancel.

    That ends a process, so it is for a job that has one of its own.
    """
    if uses_kit:
        return "cooperative"
    return "prefect" if inside_of is None else "with_parent"


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the index keeps it. Times are aware; ``version`` grows with every change of any job."""

    job_id: str
    name: str
    job_type: str
    status: Status
    state: str
    progress: int
    message: str | None
    error: str | None
    result: Any
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    due_at: datetime | None
    """When it goes on by the clock alone: a waiting one may start, no receipt of an ended one is awaited any more."""
    attempt: int
    deployment_id: str | None
    parameters: Mapping[str, Any]
    uses_kit: bool
    state_id: str | None
    reported: Progress | None
    """The progress this row was drawn from, kept so that an older report never overwrites a newer one."""
    prepared_at: datetime | None = None
    """When Prefect made its run, where a schedule prepared it; it counts as created when it was due."""
    state_name: str | None = None
    """What its author called its final state."""
    receipt: str | None = None
    """The receipt of its end, where there is one."""
    longest_gap: int | None = None
    """Microseconds that this attempt told no progress, at most; see ``gaps``."""
    inside_of: str | None = None
    """The job in whose process it runs; empty where that is not known, None where it has a process of its own."""
    version: int = 0
    slot: int = 0
    """The key of its row in the index."""

    @property
    def stoppable(self) -> Stoppable:
        """How it is stopped, see ``stoppable``."""
        return stoppable(uses_kit=self.uses_kit, inside_of=self.inside_of)

    @property
    def result_fields(self) -> Mapping[str, Any]:
        """The result where it is an object, else nothing."""
        result: object = self.result
        return cast("Mapping[str, Any]", result) if isinstance(result, dict) else {}

    @property
    def ended(self) -> bool:
        """Whether the job has reached a final status."""
        return self.status in ENDED

    @property
    def awaits_proof(self) -> bool:
        """Whether its end is written, and not yet proven."""
        return self.state == ABORTING.state and self.due_at is not None

    @property
    def stop_proven(self) -> bool | None:
        """Whether a receipt proves that nothing of a stopped job is left; None where none was stopped."""
        stopped = self.uses_kit and self.started_at is not None and self.state in STOPPED_STATES
        return self.receipt is not None if stopped else None


ABORTING_BY_USER = "Aborting: User requested"
ABORTING_BY_CLOCK = "Aborting: Time limit exceeded"

USUAL_NAMES = frozenset(
    {"Completed", "Cached", "RolledBack", "Failed", "TimedOut", "Crashed", "Cancelled", "Cancelling", "Aborted"}
)
"""What Prefect and the kit call final states."""
# Prefect puts these words in front of what the flow itself said.
_FRAMES = re.compile(
    r"^(?:Flow run encountered an exception(?: during execution)?[:.]\s*"
    r"|Execution was interrupted by an unexpected exception:\s*"
    r"|Task run encountered an exception:?\s*)"
)
# In the words of Prefect's engine, or of the kit.
_TIMED_OUT = re.compile(r"(?:exceeded timeout of|timed out after) (\d{1,12}(?:\.\d{1,12})?)", re.ASCII)


def error_of(state: str, message: str | None) -> str | None:
    """The contract's ``error`` of a failed job, from Prefect's state message."""
    if state == "cancelled":
        return CANCELLED_BY_USER
    if state == "aborted":
        return "Aborted by user"
    if state == "timed_out":
        limit = _TIMED_OUT.search(message or "")
        return f"Job timed out after {float(limit[1]):g} seconds" if limit else "Job timed out"
    text = _FRAMES.sub("", without_receipt(message or "")).strip()
    return text or ("The job's process crashed" if state == "crashed" else "The job failed and left no message")


def told_error(state: str, message: str | None) -> str | None:
    """The same, and of a cancellation that nobody asked for what Prefect says of it."""
    return words_of_cancellation(message) if state == "cancelled" else error_of(state, message)


def message_of(status: Status, state: str, error: str | None, reported: str | None) -> str | None:
    """The contract's ``message`` (2.4): fixed texts where the server has the word, else the job's own last one."""
    if status == "completed":
        return "Completed successfully"
    if state == "cancelled" and error != CANCELLED_BY_USER:
        return error
    if state in ("cancelled", "aborted"):
        return "Job cancelled by user request"
    if status == "failed":
        return f"Failed: {error}"
    if state == "aborting":
        return ABORTING_BY_USER
    return reported


def _said(run: Run) -> str:
    """What the state of a run says in its author's words."""
    return _FRAMES.sub("", without_receipt(clean(run.state_message or ""))).strip()


def authors_name(run: Run) -> str | None:
    """What the author of a flow called its final state; None where it has one of the usual names."""
    return None if run.state_name in USUAL_NAMES or not run.state_name else clean(run.state_name)


def became_due(run: Run) -> datetime:
    """When a job counts as created: one that a schedule prepared, days ahead maybe, when it was due.

    One that began or was cancelled before its time became a job then: nothing is told of the future.
    """
    due = run.expected_at or run.scheduled_for
    if not run.scheduled_by_prefect or due is None:
        return run.created_at
    return min(due, run.first_started_at or due)


def newest_progress(run_count: int, *reports: Progress | None) -> Progress | None:
    """The latest report of the current attempt."""
    current = [report for report in reports if report is not None and report.attempt == run_count]
    return max(current, key=lambda report: report.at, default=None)


def job_from_run(run: Run, *, now: datetime, known: Progress | None = None) -> Job:
    """What the contract says of this run; ``known`` is progress learnt by an event, maybe newer than the run's own."""
    # Whatever name a cancellation has: a run that never ran has not begun.
    name = WITHDRAWN if run.state_type == "CANCELLING" and run.run_count == 0 else run.state_name
    status, state = job_state(run.state_type, name, scheduled_for=run.scheduled_for, now=now)
    due, look_again = proof_due(run), look_again_at(run)
    if due is not None and now < due:
        status, state = ABORTING
    created_at = became_due(run)
    begun = status != "pending" or state == "suspended"
    reported = newest_progress(run.run_count, run.progress, known) if begun else None
    error = told_error(state, clean(run.state_message or "")) if status == "failed" else None
    # Prefect gives a run that was cancelled before any attempt a start time too: that of its end.
    started_at = run.started_at if begun and run.run_count > 0 else None
    if started_at is not None and started_at < created_at:
        # `python myflow.py` starts its clock before the server writes the run's record.
        started_at = created_at
    completed_at = ended_at(run) if status in ENDED else None
    waits = status == "pending" and not begun and state != "stopping"
    waits_again = state == "awaiting_retry" or (waits and run.run_count > 0)
    message = message_of(status, state, error, reported.message if reported else None)
    state_name = authors_name(run) if status in ENDED else None
    if state_name is not None:
        said = _said(run)
        message = said or state_name
        error = state_name if state in ("failed", "crashed") and not said else error
    if waits_again:
        message = f"Queued for attempt {run.run_count + 1}"
    elif state == ABORTING.state and run.state_type == "FAILED":
        message = ABORTING_BY_CLOCK
    return Job(
        job_id=run.id,
        name=clean(run.name),
        job_type=clean(run.flow_name),
        status=status,
        state=state,
        progress=100 if status == "completed" else (reported.percent if reported else 0),
        message=message,
        error=error,
        result=clean_value(run.result) if status == "completed" else None,
        created_at=created_at,
        started_at=started_at,
        completed_at=max(completed_at, started_at or created_at) if completed_at else None,
        due_at=run.scheduled_for if status == "pending" else look_again if look_again and now < look_again else None,
        attempt=max(1, run.run_count),
        deployment_id=run.deployment_id,
        parameters=clean_value(dict(run.parameters)),
        uses_kit=run.uses_kit,
        state_id=run.state_id,
        reported=reported,
        prepared_at=run.created_at if run.scheduled_by_prefect else None,
        state_name=state_name,
        receipt=receipt_of(run) if status in ENDED else None,
        inside_of=run.inside_of,
    )
