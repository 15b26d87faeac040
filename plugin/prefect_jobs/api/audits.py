"""Batch audits (contract 12.1). A record is the job, told in the words of this API."""

import asyncio
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.detail import step_of
from prefect_jobs.api.job_records import job_of_type, whole_number
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.starting import start
from prefect_jobs.api.wire import EXAMPLE_ID, OffsetTime
from prefect_jobs.events import open_event_store
from prefect_jobs.events.audit_book import AuditTally, AuditWish, count_waiting, tally_of
from prefect_jobs.job_states import Status

JOB_TYPE = "batch_audit"
PATH = "/api/ai-audit/batch"
NOTHING_TO_DO = "No events found matching criteria"

router = APIRouter(prefix=PATH, tags=["audits"])


class AuditOrder(BaseModel):
    """Which events to audit."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many events, the newest.")
    min_risk_score: int | None = Field(default=None, ge=0, le=100)
    force_reevaluate: bool = Field(default=False, description="Also events that have been audited before.")


class AuditStarted(BaseModel):
    """An audit was started, or there was nothing to do."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Literal["pending", "completed"]
    message: str = Field(examples=[f"Batch audit job created. Use GET {PATH}/{EXAMPLE_ID} to track progress."])
    total_events: int = Field(examples=[100])


class AuditRecord(BaseModel):
    """One audit."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Status = Field(examples=["running"])
    progress: int = Field(ge=0, le=100, examples=[38])
    message: str | None = Field(examples=["Processing event 39 of 100"])
    total_events: int = Field(examples=[100])
    processed_events: int = Field(description="Those that were audited.", examples=[38])
    failed_events: int = Field(description="Those that could not be audited.", examples=[0])
    created_at: OffsetTime
    started_at: OffsetTime | None
    completed_at: OffsetTime | None
    error: str | None = Field(examples=[None])


@router.post(
    "", status_code=202, responses={409: {"model": Problem}, 422: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}}
)
async def start_audit(adapter: TheAdapter, caller: TheCaller, wanted: AuditOrder) -> AuditStarted:
    """Start an audit of the newest events that have none yet."""
    caller.require("operator")
    wish = AuditWish(wanted.limit, wanted.min_risk_score, wanted.force_reevaluate)
    waiting = await asyncio.to_thread(_count, adapter.settings.events_database, wish)
    nothing = None if waiting else {"total_events": 0, "processed_events": 0, "failed_events": 0}
    started = await start(adapter, caller, JOB_TYPE, wanted.model_dump(), result=nothing)
    return AuditStarted(
        job_id=started.job_id,
        status="pending" if waiting else "completed",
        message=f"Batch audit job created. Use GET {PATH}/{started.job_id} to track progress."
        if waiting
        else NOTHING_TO_DO,
        total_events=waiting,
    )


@router.get("/{job_id}", responses={404: {"model": Problem}})
async def get_audit(adapter: TheAdapter, job_id: str) -> AuditRecord:
    """Look an audit up."""
    job = await job_of_type(adapter, job_id, JOB_TYPE, otherwise=f"No batch audit job found with ID: {job_id}")
    done = job.result_fields
    if done:
        total, processed, failed = (
            whole_number(done.get(name)) or 0 for name in ("total_events", "processed_events", "failed_events")
        )
    else:
        tally = await asyncio.to_thread(_tally, adapter.settings.events_database, job_id)
        processed, failed = tally.processed, tally.failed
        total = step_of(job.message).total or tally.events
    return AuditRecord(
        job_id=job.job_id,
        status=job.status,
        progress=job.progress,
        message=job.message,
        total_events=total,
        processed_events=processed,
        failed_events=failed,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        error=job.error,
    )


def _count(url: str, wish: AuditWish) -> int:
    with open_event_store(url) as store, store.snapshot() as connection:
        return count_waiting(connection, wish)


def _tally(url: str, job_id: str) -> AuditTally:
    with open_event_store(url) as store, store.snapshot() as connection:
        return tally_of(connection, job_id)
