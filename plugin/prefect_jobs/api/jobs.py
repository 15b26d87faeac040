"""Reading jobs (contract section 4)."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.search import STATES_HELP, WORDS_MOST, GivenWords, Paging, Words, both, in_states, words
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


ListedStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
_Name = Annotated[str, Field(max_length=200)]
_Names = Annotated[_Name | Annotated[list[_Name], Field(max_length=WORDS_MOST)], GivenWords]
_Statuses = Annotated[ListedStatus | Annotated[list[ListedStatus], Field(max_length=WORDS_MOST)], GivenWords]


class ListQuery(Paging):
    """What the list takes."""

    job_type: _Names | None = Field(default=None, description="Exactly this type, or these.", examples=["export"])
    type: _Names | None = Field(default=None, description="Another name of `job_type`.", examples=["export"])
    status: _Statuses | None = Field(
        default=None, description="`cancelled` selects the cancelled and aborted among the failed."
    )
    state: Words | None = Field(default=None, description=STATES_HELP, examples=["late"])


@router.get("")
async def list_jobs(adapter: TheAdapter, wanted: Annotated[ListQuery, Query()]) -> JobList:
    """List jobs, newest first."""
    conditions = in_states(words(wanted.status), words(wanted.state))
    if (types := both(wanted.job_type, wanted.type)) is not None:
        conditions.append(OneOf("job_type", frozenset([types] if isinstance(types, str) else types)))
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
