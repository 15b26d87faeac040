"""Reading jobs (contract section 4)."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import (
    JobList,
    JobResponse,
    JobStats,
    JobType,
    JobTypes,
    Pagination,
    StatusCount,
    TypeCount,
)
from prefect_jobs.job_states import STATUSES
from prefect_jobs.store.index import SORTS, Filter

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

BUILT_IN = {
    "export": "Export events to CSV, JSON, or ZIP format",
    "cleanup": "Clean up old data and temporary files",
    "backup": "Create a backup of system data",
    "import": "Import events from external files",
    "batch_audit": "Batch AI pipeline audit processing for multiple events",
    "re_evaluation": "Score chosen events again and report what changed",
}

Limit = Annotated[int, Query(ge=1, le=1000, description="Items on a page.")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="Matches to skip.")]


@router.get("")
async def list_jobs(
    adapter: TheAdapter,
    job_type: Annotated[str | None, Query(description="Exactly this type.")] = None,
    status: Annotated[
        Filter | None, Query(description="`cancelled` selects the cancelled and aborted among the failed.")
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    sort: Annotated[
        str, Query(description=f"One of {', '.join(SORTS)}; anything else is `created_at`.")
    ] = "created_at",
    order: Annotated[str, Query(description="`desc` (in any case); anything else is ascending.")] = "desc",
) -> JobList:
    """List jobs, newest first."""
    found, total = await adapter.index.page(
        job_type=job_type,
        status=status,
        sort=SORTS.get(sort, "created_at"),
        descending=order.lower() == "desc",
        limit=limit,
        offset=offset,
    )
    return JobList(
        items=[JobResponse.of(job) for job in found],
        pagination=Pagination(total=total, limit=limit, offset=offset, has_more=offset + len(found) < total),
    )


@router.get("/types")
async def list_types(adapter: TheAdapter) -> JobTypes:
    """List the types of jobs: the built-in ones first, then every other flow on the server by name."""
    foreign = [name for name in await adapter.gateway.flow_names() if name not in BUILT_IN]
    return JobTypes(
        job_types=[
            *(JobType(name=name, description=description) for name, description in BUILT_IN.items()),
            *(JobType(name=name, description=f"Runs of the Prefect flow {name}") for name in foreign),
        ]
    )


@router.get("/stats")
async def job_stats(adapter: TheAdapter) -> JobStats:
    """Count jobs by status and type."""
    stats = await adapter.index.stats()
    age = None if stats.oldest_pending is None else (datetime.now(UTC) - stats.oldest_pending).total_seconds()
    return JobStats(
        total_jobs=sum(stats.by_status.values()),
        by_status=[
            StatusCount(status=status, count=stats.by_status[status])
            for status in STATUSES
            if status in stats.by_status
        ],
        by_type=[TypeCount(job_type=job_type, count=count) for job_type, count in stats.by_type.items()],
        average_duration_seconds=stats.average_duration_seconds,
        oldest_pending_job_age_seconds=None if age is None else max(0.0, age),
    )


@router.get("/{job_id}", responses={404: {"model": Problem}})
async def get_job(adapter: TheAdapter, job_id: str) -> JobResponse:
    """Look one job up."""
    return JobResponse.of(await adapter.job(job_id))
