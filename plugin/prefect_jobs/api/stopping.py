"""Stopping, retrying and removing jobs, word for word as contract section 5 answers."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.problems import ErrorAnswer, Problem, job_not_found
from prefect_jobs.api.starting import role_to_start
from prefect_jobs.api.wire import EXAMPLE_ID, JobResponse
from prefect_jobs.gateway import GatewayError, PrefectUnavailable
from prefect_jobs.job_actions import ActionRefused, JobUnknown, Reason
from prefect_jobs.job_states import Status
from prefect_jobs.jobs import Job

router = APIRouter(
    prefix="/api/jobs",
    tags=["actions"],
    responses={404: {"model": Problem}, 422: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}},
)

BULK_LIMIT = 100
"""Jobs in one bulk-cancel."""
ID_LENGTH = 200
"""Characters of a job id in a request."""

AT_ONCE = 5
"""Jobs of a bulk-cancel that Prefect is asked about at the same time."""

ALREADY_ENDED = "Job already completed or failed"
CANCEL_ENDED = "Job cannot be cancelled - it has already completed or failed"
ABORT_QUEUED = "Cannot abort queued job - use cancel instead"
ABORT_REQUESTED = "Job abort requested - worker notified"
PURGE_RUNNING = "Job is running - stop it before deleting it"
RETRY_NOT_FAILED = "Job cannot be retried - only failed jobs can"
RETRY_NO_DEPLOYMENT = "Job cannot be retried - its run has no deployment to run it again"
AWAY = "Prefect's API is not reachable"


class Stopped(BaseModel):
    """A job is stopped, or is going to be."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Status | Literal["deleted"] = Field(examples=["failed"])
    message: str = Field(examples=["Job cancellation requested"])


class BulkCancelRequest(BaseModel):
    """Which jobs to cancel."""

    job_ids: list[Annotated[str, Field(max_length=ID_LENGTH)]] = Field(
        min_length=1, max_length=BULK_LIMIT, examples=[[EXAMPLE_ID, "job-2"]]
    )


class BulkError(BaseModel):
    """One job that was not cancelled."""

    job_id: str = Field(examples=["job-2"])
    error: str = Field(examples=["Job not found"])


class BulkCancelled(BaseModel):
    """How a bulk-cancel went. ``cancelled`` and ``failed`` add up to the number of ids sent."""

    cancelled: int = Field(examples=[1])
    failed: int = Field(examples=[1])
    errors: list[BulkError]


@router.post("/bulk-cancel")
async def bulk_cancel(adapter: TheAdapter, caller: TheCaller, wanted: BulkCancelRequest) -> BulkCancelled:
    """Cancel up to 100 jobs. A repeated id succeeds once and counts as already ended then."""
    caller.require("admin")
    some = asyncio.Semaphore(AT_ONCE)

    async def one(job_id: str) -> str | None:
        async with some:
            return await _bulk_error(adapter, job_id, caller.name)

    distinct = list(dict.fromkeys(wanted.job_ids))
    outcome = dict(zip(distinct, await asyncio.gather(*map(one, distinct)), strict=True))
    errors: list[BulkError] = []
    seen: set[str] = set()
    for job_id in wanted.job_ids:
        error = outcome[job_id] or (ALREADY_ENDED if job_id in seen else None)
        seen.add(job_id)
        if error is not None:
            errors.append(BulkError(job_id=job_id, error=error))
    return BulkCancelled(cancelled=len(wanted.job_ids) - len(errors), failed=len(errors), errors=errors)


async def _bulk_error(adapter: Adapter, job_id: str, by: str | None) -> str | None:
    try:
        await adapter.actions.cancel(job_id, by=by)
    except JobUnknown:
        return "Job not found"
    except ActionRefused as error:
        return ALREADY_ENDED if error.reason == "ended" else str(error)
    except PrefectUnavailable:
        return AWAY
    except GatewayError as error:
        return str(error)
    return None


@router.post("/{job_id}/cancel", responses={409: {"model": Problem}})
async def cancel(adapter: TheAdapter, caller: TheCaller, job_id: str) -> Stopped:
    """Stop a job. A running one says `running` with the state `cancelling` until its process is gone."""
    caller.require("operator")
    try:
        await adapter.actions.cancel(job_id, by=caller.name)
    except JobUnknown as error:
        raise job_not_found(job_id) from error
    except ActionRefused as error:
        raise HTTPException(409, CANCEL_ENDED if error.reason == "ended" else str(error)) from error
    return Stopped(job_id=job_id, status="failed", message="Job cancellation requested")


@router.post("/{job_id}/abort", responses={400: {"model": Problem}, 409: {"model": Problem}})
async def abort(adapter: TheAdapter, caller: TheCaller, job_id: str) -> Stopped:
    """End a running job at once; its data may be left inconsistent."""
    caller.require("admin")
    await _abort(adapter, job_id, caller.name)
    return Stopped(job_id=job_id, status="running", message=ABORT_REQUESTED)


async def _abort(adapter: Adapter, job_id: str, by: str | None) -> None:
    try:
        await adapter.actions.abort(job_id, by=by)
    except JobUnknown as error:
        raise job_not_found(job_id) from error
    except ActionRefused as error:
        if error.reason == "with_parent":
            raise HTTPException(409, str(error)) from error
        details: dict[Reason, str] = {
            "queued": ABORT_QUEUED,
            "ended": f"Cannot abort job with status: {error.job.status}",
        }
        raise HTTPException(400, details.get(error.reason, f"Failed to send abort signal: {error}")) from error
    except PrefectUnavailable as error:
        # The contract's row for a signal that could not be sent; Prefect's address is none of the caller's business.
        raise HTTPException(400, f"Failed to send abort signal: {AWAY}") from error


@router.post("/{job_id}/retry", responses={409: {"model": Problem}})
async def retry(adapter: TheAdapter, caller: TheCaller, job_id: str) -> JobResponse:
    """Queue a failed job again: the same job, for its next attempt."""
    caller.require("operator")
    try:
        caller.require(role_to_start((await adapter.actions.current(job_id)).job_type))
        job = await adapter.actions.retry(job_id, by=caller.name)
    except JobUnknown as error:
        raise job_not_found(job_id) from error
    except ActionRefused as error:
        detail = RETRY_NO_DEPLOYMENT if error.reason == "no_deployment" else RETRY_NOT_FAILED
        raise HTTPException(409, detail) from error
    return adapter.response(job)


@router.delete("/{job_id}", responses={400: {"model": Problem}, 409: {"model": Problem}})
async def delete(
    adapter: TheAdapter,
    caller: TheCaller,
    job_id: str,
    purge: Annotated[
        bool, Query(description="Remove the record of a job that has ended, or of a pending one after cancelling it.")
    ] = False,
) -> Stopped:
    """Stop a job that has not ended; with `purge` remove its record. A stop that comes too late erases nothing."""
    if purge:
        caller.require("admin")
        return await _purge(adapter, job_id, caller.name)
    caller.require("operator")
    try:
        job = await adapter.actions.current(job_id)
    except JobUnknown as error:
        raise job_not_found(job_id) from error
    if job.ended:
        raise _cannot_stop(job)
    if job.status == "running":
        caller.require("admin")  # it is an abort
        await _abort(adapter, job_id, caller.name)
        return Stopped(job_id=job_id, status="running", message=ABORT_REQUESTED)
    try:
        await adapter.actions.cancel(job_id, by=caller.name)
    except JobUnknown as error:
        raise job_not_found(job_id) from error
    except ActionRefused as error:
        if error.reason == "with_parent":
            raise HTTPException(409, str(error)) from error
        raise _cannot_stop(error.job) if error.job.ended else HTTPException(400, str(error)) from error
    return Stopped(job_id=job_id, status="failed", message="Job cancelled")


def _cannot_stop(job: Job) -> HTTPException:
    return HTTPException(400, f"Cannot stop job with status: {job.status}")


async def _purge(adapter: Adapter, job_id: str, by: str | None) -> Stopped:
    try:
        await adapter.actions.purge(job_id, by=by)
    except JobUnknown as error:
        raise job_not_found(job_id) from error
    except ActionRefused as error:
        raise HTTPException(409, PURGE_RUNNING if error.reason == "running" else str(error)) from error
    return Stopped(job_id=job_id, status="deleted", message="Job deleted")
