"""One job, structured (contract 4.6, 16.2, 16.7)."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.pending import WaitsFor, what_it_waits_for
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import EXAMPLE_ID, ZTime
from prefect_jobs.estimates import remaining, slower_than_usual, with_own_progress
from prefect_jobs.gateway import PrefectUnavailable
from prefect_jobs.history import History
from prefect_jobs.job_states import Status
from prefect_jobs.jobs import Job, Stoppable
from prefect_jobs.signs import Signs
from prefect_jobs.store.history import Circumstances
from prefect_jobs.worker_process import WorkerProcess

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

SAMPLE = 1000
"""Latest completed jobs of a type that an estimate is made from."""
LOWEST_PRIORITY = 10
MOVING = ("running", "retrying")
"""States in which a job comes nearer to its end; one that is paused or being stopped does not."""

# Up to 15 digits: more is no count of anything, and no number that every client can read.
_COUNTER = re.compile(r"(?<!\d)(\d{1,15})\s*(?:/|\bof\b)\s*(\d{1,15})(?!\d)", re.ASCII)


class Step(NamedTuple):
    """What a message says of the work: the step, and its items."""

    name: str | None
    done: int | None
    total: int | None


def step_of(message: str | None) -> Step:
    """Read a message: `Copying: 450/1000` is the step `Copying` with 450 of 1000 items."""
    counter = _COUNTER.search(message or "")
    if message is None or counter is None:
        return Step(message, None, None)
    label, _, rest = message.partition(":")
    named = bool(label.strip()) and rest[:1].isspace()
    return Step(label.strip() if named else message, int(counter[1]), int(counter[2]))


class JobProgress(BaseModel):
    """How far a job is."""

    percent: int = Field(ge=0, le=100, examples=[38])
    current_step: str | None = Field(examples=["Processing event 400/1000"])
    items_processed: int | None = Field(ge=0, examples=[400])
    items_total: int | None = Field(ge=0, examples=[1000])


class Eta(BaseModel):
    """Seconds until the end, from the latest completed jobs of the type that ran at least as long as this one has."""

    p50: float = Field(ge=0, examples=[31.0])
    p90: float = Field(ge=0, examples=[58.5])
    sample: int = Field(ge=1, description="Jobs that were compared.", examples=[412])


class JobTiming(BaseModel):
    """When a job ran, and how long it may still take. Durations are in seconds."""

    created_at: ZTime = Field(examples=["2026-03-04T08:15:00.120345Z"])
    prepared_at: ZTime | None = Field(
        description="When Prefect made the run of a schedule, which counts as created when it was due.", examples=[None]
    )
    started_at: ZTime | None = Field(examples=["2026-03-04T08:15:00.431002Z"])
    completed_at: ZTime | None = Field(examples=[None])
    duration_seconds: float | None = Field(ge=0, examples=[19.0])
    estimated_remaining_seconds: float | None = Field(
        ge=0,
        description="From the job's own progress, and that of `eta` where there is one; null while it stands still.",
        examples=[31.0],
    )
    eta: Eta | None = Field(
        description="From other jobs of the type and the job's own progress; null unless it is running and moves."
    )
    last_sign_at: ZTime | None = Field(
        description="Its last progress, log line or heartbeat.", examples=["2026-03-04T08:15:18.700004Z"]
    )
    stalled: bool | None = Field(
        description="Whether it runs and has told neither progress nor a log line for three times the longest usual "
        "gap of its type, at least 60 s; null while Prefect is away.",
        examples=[False],
    )
    slower_than_usual: bool | None = Field(
        description="Whether nine of ten jobs of the type were faster; null when too few are known.", examples=[False]
    )


class Silence(BaseModel):
    """That a job stands still."""

    seconds: float = Field(ge=0, description="Since its last progress or log line.", examples=[480.0])
    usual_seconds: float = Field(ge=0, description="The longest usual gap of its type.", examples=[2.1])

    @classmethod
    def of(cls, signs: Signs) -> "Silence | None":
        """The wire form, of a job that stands still."""
        if not signs.stalled or signs.silent is None or signs.usual is None:
            return None
        return cls(seconds=signs.silent.total_seconds(), usual_seconds=signs.usual.total_seconds())


class RetryInfo(BaseModel):
    """Which attempt this is, and what the ones before died of."""

    attempt_number: int = Field(ge=1, examples=[1])
    max_attempts: int = Field(ge=1, description="Those that start by themselves.", examples=[1])
    next_retry_at: ZTime | None = Field(examples=[None])
    previous_errors: list[str] = Field(examples=[[]])


class WorkerAbout(BaseModel):
    """The process that executes, or executed, the last attempt."""

    host: str = Field(examples=["vm-1"])
    pid: int = Field(examples=[4711])
    version: str = Field(description="Of prefect-jobs.", examples=["0.1.0"])
    limit: int = Field(description="How many jobs it runs at once.", examples=[10])


class JobMetadata(BaseModel):
    """What a job was started with, and who executes it."""

    input_params: dict[str, Any] | None = Field(examples=[{"format": "csv"}])
    worker_id: str | None = Field(examples=["worker-1"])
    worker: WorkerAbout | None = Field(description="What is known of the worker, where it is `prefect-jobs work`.")


class JobDetail(BaseModel):
    """One job with everything that is known of it. Its identifier is called ``id`` here."""

    id: str = Field(examples=[EXAMPLE_ID])
    job_type: str = Field(examples=["export"])
    status: Status = Field(examples=["running"])
    state: str = Field(examples=["running"])
    state_name: str | None = Field(description="What its author called its final state.", examples=[None])
    name: str = Field(description="The run's name.", examples=["brave-otter"])
    queue_name: str | None = Field(description="The work queue.", examples=["default"])
    priority: int = Field(ge=0, le=LOWEST_PRIORITY, description="That of the work queue; 0 is the highest.")
    progress: JobProgress
    timing: JobTiming
    silence: Silence | None = Field(description="While it is stalled.", examples=[None])
    retry_info: RetryInfo
    result: Any = Field(examples=[None])
    error: str | None = Field(examples=[None])
    error_traceback: str | None = Field(description="Where the log holds one.", examples=[None])
    metadata: JobMetadata
    version: int = Field(examples=[1772612103000])
    stoppable: Stoppable = Field(examples=["prefect"])
    stop_proven: bool | None = Field(
        description="Whether a receipt proves that nothing of a stopped job is left; null where none was stopped.",
        examples=[None],
    )
    pending_reason: WaitsFor | None = Field(description="Why it waits, while it does.", examples=[None])
    prefect_url: str | None = Field(description="The run in Prefect's own pages.", examples=[None])


@router.get("/{job_id}/detail", responses={404: {"model": Problem}})
async def get_detail(adapter: TheAdapter, job_id: str) -> JobDetail:
    """Look one job up with its progress, timing, attempts and circumstances."""
    job = await adapter.job(job_id)
    past: History | None = None
    with suppress(PrefectUnavailable):  # a job is shown with what is known of it
        past = await adapter.histories.of(job)
    about = past.circumstances if past else Circumstances()
    step = step_of(job.message)
    signs = await adapter.signs.of(job)
    return JobDetail(
        id=job.job_id,
        job_type=job.job_type,
        status=job.status,
        state=job.state,
        state_name=job.state_name,
        name=job.name,
        queue_name=about.queue_name,
        # Prefect counts from 1, the highest.
        priority=min(max((about.queue_priority or 1) - 1, 0), LOWEST_PRIORITY),
        progress=JobProgress(
            percent=job.progress, current_step=step.name, items_processed=step.done, items_total=step.total
        ),
        timing=_timing(adapter, job, signs, now=datetime.now(UTC)),
        silence=Silence.of(signs),
        retry_info=RetryInfo(
            attempt_number=job.attempt,
            max_attempts=max(1 + about.retries, job.attempt),
            next_retry_at=job.due_at if job.state == "awaiting_retry" else None,
            previous_errors=past.previous_errors if past else [],
        ),
        result=job.result,
        error=job.error,
        error_traceback=await adapter.histories.traceback(job),
        metadata=JobMetadata(
            input_params=await asyncio.to_thread(adapter.secrets.masked, job.job_type, job.parameters),
            worker_id=about.worker,
            worker=_about(about.worker_process),
        ),
        version=job.version,
        stoppable=job.stoppable,
        stop_proven=_stop_proven(job, past),
        pending_reason=await what_it_waits_for(adapter, job),
        prefect_url=adapter.gateway.run_page(job.job_id),
    )


def _stop_proven(job: Job, past: History | None) -> bool | None:
    """As the job says; but one that was cancelled between two attempts had nothing at work that could be stopped."""
    if job.stop_proven is False and past is not None and past.transitions and past.transitions[-1].before == "pending":
        return None
    return job.stop_proven


def duration_of(job: Job, *, now: datetime) -> float | None:
    """Seconds that a job ran, until now while it does; None before its start."""
    if job.started_at is None:
        return None
    return max(0.0, ((job.completed_at or now) - job.started_at).total_seconds())


def estimated_remaining(job: Job, duration: float | None) -> float | None:
    """Seconds left if the rest goes as fast as what is done; None where that cannot be said."""
    if job.state not in MOVING or not duration or job.progress == 0:
        return None
    return duration * (100 - job.progress) / job.progress


def _about(worker: WorkerProcess | None) -> WorkerAbout | None:
    if worker is None:
        return None
    return WorkerAbout(host=worker.host, pid=worker.pid, version=worker.version, limit=worker.limit)


def _timing(adapter: Adapter, job: Job, signs: Signs, *, now: datetime) -> JobTiming:
    duration = duration_of(job, now=now)
    own = None if signs.stalled else estimated_remaining(job, duration)
    eta, slow = None, None
    if duration is not None:
        durations = adapter.index.durations(job.job_type, limit=SAMPLE)
        slow = slower_than_usual(durations, duration)
        left = remaining(durations, duration) if job.state in MOVING and not signs.stalled else None
        if left is not None:
            left = left if own is None else with_own_progress(left, own, job.progress)
            own = None if own is None else left.p50
            eta = Eta(p50=left.p50, p90=left.p90, sample=left.sample)
    return JobTiming(
        created_at=job.created_at,
        prepared_at=job.prepared_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        duration_seconds=duration,
        estimated_remaining_seconds=own,
        eta=eta,
        slower_than_usual=slow,
        last_sign_at=signs.last_at,
        stalled=signs.stalled,
    )
