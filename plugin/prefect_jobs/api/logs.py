"""Reading a job's log over HTTP (contract 6.2, 16.5)."""

from typing import Annotated

from fastapi import APIRouter, Query

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import JobLogs, LogEntry, RequestTime, least_level

router = APIRouter(prefix="/api/jobs", tags=["logs"], responses={422: {"model": ErrorAnswer}})


@router.get("/{job_id}/logs", responses={404: {"model": Problem}, 503: {"model": ErrorAnswer}})
async def get_logs(
    adapter: TheAdapter,
    job_id: str,
    level: Annotated[str | None, Query(description="Minimum severity: DEBUG, INFO, WARNING or ERROR.")] = None,
    since: Annotated[RequestTime | None, Query(description="Only lines at or after this time.")] = None,
    after: Annotated[
        int | None,
        Query(
            ge=0,
            le=2**31,
            description="Only lines stored after the one with this `seq`; to page on, pass the largest seen.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Lines in one answer.")] = 1000,
) -> JobLogs:
    """Read a job's log, oldest line first."""
    job = await adapter.job(job_id)
    await adapter.tails.catch_up(job)
    least = least_level(level)
    if after is None:
        found = await adapter.logs.in_order(job_id, min_level=least, since=since, limit=limit + 1)
    else:
        found = await adapter.logs.behind(job_id, after, min_level=least, since=since, limit=limit + 1)
    page = sorted(found[:limit], key=lambda line: (line.timestamp, line.seq))
    return JobLogs(
        job_id=job_id, logs=[LogEntry.of(line) for line in page], total=len(page), has_more=len(found) > limit
    )
