"""Waiting for a job to get into another state, in one request."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer, Problem, job_not_found
from prefect_jobs.api.wire import EXAMPLE_ID
from prefect_jobs.job_states import Status

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

LONGEST_WAIT = 30.0


class JobStateNow(BaseModel):
    """Where a job is."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Status = Field(examples=["running"])
    state: str = Field(examples=["stopping"])


@router.get("/{job_id}/wait", responses={404: {"model": Problem}, 503: {"model": ErrorAnswer}})
async def wait(
    adapter: TheAdapter,
    job_id: str,
    state: Annotated[str, Query(max_length=40, description="Answer once the job's `state` is another one.")],
    timeout: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT, description="Seconds after which the answer comes all the same.")
    ] = 20.0,
    alive: Annotated[bool, Query(description="The job itself asks, which is a sign of its life.")] = False,
) -> JobStateNow:
    """Wait until a job is not in this state any more. The sidecars of running jobs hear of a stop this way."""
    await adapter.job(job_id)
    job = await adapter.waits.until_not(state, job_id, timeout=timeout, alive=alive)
    if job is None:
        raise job_not_found(job_id)
    return JobStateNow(job_id=job.job_id, status=job.status, state=job.state)
