"""What happened to a job: its transitions, attempts and other events (contract 6.1, 17.6)."""

from datetime import UTC, datetime
from typing import Any, Literal, cast

from fastapi import APIRouter
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import EXAMPLE_ID, ZTime
from prefect_jobs.attempts import Attempt, AttemptStatus
from prefect_jobs.gateway import RunStep
from prefect_jobs.job_states import Status
from prefect_jobs.sidecar.receipt import Receipt
from prefect_jobs.transitions import Event, Kind, Transition, Trigger

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})


class KilledProcess(BaseModel):
    """A process of a job."""

    pid: int = Field(examples=[4711])
    name: str = Field(examples=["ffmpeg"])


class ReceiptEntry(BaseModel):
    """The proof of a stop. Seconds count from `at`: when it was asked, when a time limit was due, or a process died."""

    cause: Literal["asked", "due", "died"] = Field(examples=["asked"])
    at: ZTime = Field(examples=["2026-03-04T08:15:00.120345Z"])
    delivered_after: float = Field(description="Seconds until the job heard of it.", examples=[0.04])
    how: Literal["stopped", "finished", "failed", "killed", "ended"] = Field(
        description="`stopped` at a checkpoint, `finished` or `failed` before it could be, `killed`, or `ended`.",
        examples=["killed"],
    )
    after: float = Field(description="Seconds until nothing of the job was left.", examples=[0.36])
    processes: list[KilledProcess] = Field(description="What was killed, the job's own process first.")
    more: int = Field(description="Further processes that were killed.", examples=[0])
    left: list[KilledProcess] = Field(description="Processes of other users, which could not be killed.")

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptEntry":
        """The wire form of a receipt."""
        return cls.model_validate(
            {
                "cause": receipt.cause,
                "at": datetime.fromtimestamp(receipt.asked, UTC),
                "delivered_after": round(receipt.delivered - receipt.asked, 3),
                "how": receipt.how,
                "after": round(receipt.ended - receipt.asked, 3),
                "processes": [{"pid": pid, "name": name} for pid, name in receipt.processes],
                "more": receipt.more,
                "left": [{"pid": pid, "name": name} for pid, name in receipt.left],
            }
        )


class TransitionEntry(BaseModel):
    """One change of a job's status, or the beginning of an attempt."""

    before: Status | None = Field(alias="from", description="Null for the creation.", examples=["pending"])
    to: Status = Field(examples=["running"])
    at: ZTime = Field(examples=["2026-03-04T08:15:00.431002Z"])
    triggered_by: Trigger = Field(examples=["worker"])
    details: dict[str, str | ReceiptEntry] = Field(
        description="`state` (the finer word), `name` (Prefect's); where known `message`, `error`, `by` and `receipt`.",
        examples=[{"state": "running", "name": "Running"}],
    )

    @classmethod
    def of(cls, transition: Transition) -> "TransitionEntry":
        """The wire form of a transition."""
        details = {
            "state": transition.state,
            "name": transition.name,
            "message": transition.message,
            "error": transition.error,
            "by": transition.by,
            "receipt": ReceiptEntry.of(transition.receipt) if transition.receipt else None,
        }
        return cls.model_validate(
            {
                "from": transition.before,
                "to": transition.to,
                "at": transition.at,
                "triggered_by": transition.trigger,
                "details": {name: value for name, value in details.items() if value},
            }
        )


class EventEntry(BaseModel):
    """Something that happened to a job and changed no status."""

    at: ZTime = Field(examples=["2026-03-04T08:15:21.004310Z"])
    kind: Kind = Field(examples=["stop_asked"])
    message: str | None = Field(examples=["Cancelled through the jobs API by alice"])
    by: str | None = Field(description="The name of the API key it was done with.", examples=["alice"])
    details: dict[str, str] = Field(
        description="Where a state of the run says so: `state`, `name` (Prefect's) and `triggered_by`.",
        examples=[{"state": "stopping", "name": "Stopping", "triggered_by": "user"}],
    )

    @classmethod
    def of(cls, event: Event) -> "EventEntry":
        """The wire form of an event."""
        return cls(at=event.at, kind=event.kind, message=event.message, by=event.by, details=dict(event.details))


class AttemptEntry(BaseModel):
    """One execution of a job."""

    attempt_number: int = Field(ge=1, examples=[1])
    started_at: ZTime = Field(examples=["2026-03-04T08:15:00.431002Z"])
    ended_at: ZTime | None = Field(examples=["2026-03-04T08:15:52.000000Z"])
    status: AttemptStatus = Field(examples=["succeeded"])
    error: str | None = Field(examples=[None])
    worker_id: str | None = Field(description="Null for a flow that no worker started.", examples=["worker-1"])
    duration_seconds: float | None = Field(ge=0, description="Null while it is open.", examples=[51.57])
    result: dict[str, Any] | None = Field(description="Of a success that is an object.", examples=[{"event_count": 1}])

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptEntry":
        """The wire form of an attempt."""
        return cls(
            attempt_number=attempt.number,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            status=attempt.status,
            error=attempt.error,
            worker_id=attempt.worker,
            duration_seconds=attempt.duration_seconds,
            result=_object(attempt.result),
        )


class StepEntry(BaseModel):
    """Something that a job did, or does."""

    attempt_number: int = Field(ge=1, examples=[1])
    name: str = Field(examples=["Writing the archive"])
    started_at: ZTime = Field(examples=["2026-03-04T08:15:01.200000Z"])
    ended_at: ZTime | None = Field(examples=["2026-03-04T08:15:07.900000Z"])
    outcome: str | None = Field(description="`done`, `failed`, `stopped`; null while it lasts.", examples=["done"])
    duration_seconds: float | None = Field(ge=0, description="Null while it lasts.", examples=[6.7])

    @classmethod
    def of(cls, step: RunStep) -> "StepEntry":
        """The wire form of a step."""
        return cls(
            attempt_number=step.attempt,
            name=step.name,
            started_at=step.started_at,
            ended_at=step.ended_at,
            outcome=step.outcome,
            duration_seconds=step.duration_seconds,
        )


def _object(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


class JobHistory(BaseModel):
    """What happened to a job, oldest first."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    job_type: str = Field(examples=["export"])
    status: Status = Field(examples=["completed"])
    created_at: ZTime = Field(examples=["2026-03-04T08:15:00.120345Z"])
    started_at: ZTime | None = Field(examples=["2026-03-04T08:15:00.431002Z"])
    completed_at: ZTime | None = Field(examples=["2026-03-04T08:15:52.000000Z"])
    transitions: list[TransitionEntry]
    events: list[EventEntry] = Field(description="What else happened, oldest first.")
    attempts: list[AttemptEntry]
    steps: list[StepEntry] = Field(description="Of all attempts, where the job tells its steps; up to 100 of each.")
    complete: bool = Field(
        description="False when Prefect is away and the job has moved on since its history was read.", examples=[True]
    )


@router.get("/{job_id}/history", responses={404: {"model": Problem}, 503: {"model": ErrorAnswer}})
async def get_history(adapter: TheAdapter, job_id: str) -> JobHistory:
    """Tell a job's transitions, attempts and what else happened to it."""
    job = await adapter.job(job_id)
    past = await adapter.histories.of(job)
    return JobHistory(
        job_id=job.job_id,
        job_type=job.job_type,
        status=job.status,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        transitions=[TransitionEntry.of(transition) for transition in past.transitions],
        events=[EventEntry.of(event) for event in past.events],
        attempts=[AttemptEntry.of(attempt) for attempt in past.attempts],
        steps=[StepEntry.of(step) for step in past.steps],
        complete=past.complete,
    )
