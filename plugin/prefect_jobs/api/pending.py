"""Why a job waits, as the contract tells it (16.2)."""

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import Adapter
from prefect_jobs.api.wire import EXAMPLE_ID, ZTime
from prefect_jobs.gateway import PrefectUnavailable, RunGone
from prefect_jobs.jobs import Job
from prefect_jobs.pending_reasons import Code, pending_reason


class WaitsFor(BaseModel):
    """What a pending job waits for."""

    code: Code = Field(examples=["worker_limit"])
    text: str = Field(
        description="For people.",
        examples=["Worker vm-1 runs 1 job at once, and that many are at work: export brave-otter"],
    )
    since: ZTime = Field(description="Since when it waits so, or was due.", examples=["2026-03-04T08:15:00.120345Z"])
    held_by: list[str] = Field(description="The jobs that take the room it waits for.", examples=[[EXAMPLE_ID]])


async def what_it_waits_for(adapter: Adapter, job: Job) -> WaitsFor | None:
    """Why this job waits; None when it does not, or while Prefect is away."""
    if job.status != "pending":
        return None
    try:
        outlook = await adapter.gateway.outlook(job.job_id)
    except (PrefectUnavailable, RunGone):
        return None
    reason = pending_reason(outlook, now=datetime.now(UTC))
    if reason is None:
        return None
    return WaitsFor(code=reason.code, text=reason.text, since=reason.since, held_by=list(reason.held_by))
