"""Reading jobs (contract section 4)."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.search import STATES_HELP, WORDS_LENGTH, Paging, in_states, words
from prefect_jobs.api.wire import (
    JobList,
    JobResponse,
    JobStats,
    Pagination,
    StatusCount,
    TypeCount,
)
from prefect_jobs.conditions import OneOf

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})


class ListQuery(Paging):
    """What the list takes."""

    job_type: str | None = Field(default=None, max_length=200, description="Exactly this type.", examples=["export"])
    status: Literal["pending", "running", "completed", "failed", "cancelled"] | None = Field(
        default=None, description="`cancelled` selects the cancelled and aborted among the failed."
    )
    state: str | None = Field(default=None, max_length=WORDS_LENGTH, description=STATES_HELP, examples=["late"])


@router.get("")
async def list_jobs(adapter: TheAdapter, wanted: Annotated[ListQuery, Query()]) -> JobList:
    """List jobs, newest first."""
    conditions = in_states(frozenset([wanted.status]) if wanted.status else None, words(wanted.state))
    if wanted.job_type is not None:
        conditions.append(OneOf("job_type", frozenset([wanted.job_type])))
    found = await adapter.index.find(conditions, wanted.page)
    return JobList(items=[adapter.response(job) for job in found.jobs], pagination=Pagination.of(found, wanted.page))


@router.get("/stats")
async def job_stats(adapter: TheAdapter) -> JobStats:
    """Count jobs by status and type."""
    stats = adapter.index.stats()
    counts = stats.counts
    age = None if stats.oldest_pending is None else (datetime.now(UTC) - stats.oldest_pending).total_seconds()
    return JobStats(
        total_jobs=counts.total,
        by_status=[StatusCount(status=status, count=count) for status, count in counts.by_status.items()],
        by_type=[TypeCount(job_type=job_type, count=count) for job_type, count in counts.by_type.items()],
        average_duration_seconds=stats.average_duration_seconds,
        oldest_pending_job_age_seconds=None if age is None else max(0.0, age),
    )


@router.get("/{job_id}", responses={404: {"model": Problem}})
async def get_job(adapter: TheAdapter, job_id: str) -> JobResponse:
    """Look one job up."""
    return adapter.response(await adapter.job(job_id))
