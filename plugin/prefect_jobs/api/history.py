"""What happened to a job: its transitions and attempts (contract 6.1)."""

from typing import Any, cast

from fastapi import APIRouter
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import EXAMPLE_ID, ZTime
from prefect_jobs.attempts import Attempt, AttemptStatus
from prefect_jobs.job_states import Status
from prefect_jobs.transitions import Transition, Trigger

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})


class TransitionEntry(BaseModel):
    """One step in a job's life."""

    before: Status | None = Field(alias="from", description="Null for the creation.", examples=["pending"])
    to: Status = Field(examples=["running"])
    at: ZTime = Field(examples=["2026-03-04T08:15:00.431002Z"])
    triggered_by: Trigger = Field(examples=["worker"])
    details: dict[str, str] = Field(
        description="`state` (the finer word), `name` (Prefect's), and where known `message`, `error` and `by`.",
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
        }
        return cls.model_validate(
            {
                "from": transition.before,
                "to": transition.to,
                "at": transition.at,
                "triggered_by": transition.trigger,
                "details": {name: text for name, text in details.items() if text},
            }
        )


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
    attempts: list[AttemptEntry]
    complete: bool = Field(
        description="False when Prefect is away and the job has moved on since its history was read.", examples=[True]
    )


@router.get("/{job_id}/history", responses={404: {"model": Problem}, 503: {"model": ErrorAnswer}})
async def get_history(adapter: TheAdapter, job_id: str) -> JobHistory:
    """Tell a job's transitions and attempts."""
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
        attempts=[AttemptEntry.of(attempt) for attempt in past.attempts],
        complete=past.complete,
    )
