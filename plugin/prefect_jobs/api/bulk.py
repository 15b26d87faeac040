"""One action on many jobs (contract 16.6): preview, execute, follow, stop."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.search import SearchFilter
from prefect_jobs.api.stopping import (
    ABORT_QUEUED,
    ID_LENGTH,
    PURGE_RUNNING,
    RETRY_NO_DEPLOYMENT,
    RETRY_NOT_FAILED,
)
from prefect_jobs.api.wire import EXAMPLE_ID, ZTime
from prefect_jobs.bulk import JOBS_LIMIT, UNKNOWN
from prefect_jobs.job_actions import Verb
from prefect_jobs.store.bulk import BulkItem, Operation, Outcome
from prefect_jobs.store.index import JobSummary

router = APIRouter(
    prefix="/api/jobs/bulk",
    tags=["bulk"],
    responses={422: {"model": ErrorAnswer}},
)

IDS_LIMIT = 10_000
"""Jobs named by their ids in one request; larger sets are chosen by a filter."""

_REASONS = {
    UNKNOWN: "Job not found",
    "ended": "Job already completed or failed",
    "queued": ABORT_QUEUED,
    "running": PURGE_RUNNING,
    "not_failed": RETRY_NOT_FAILED,
    "no_deployment": RETRY_NO_DEPLOYMENT,
    "refused": "Prefect refused it",
}


class BulkRequest(BaseModel):
    """What to do with which jobs: a preview names them, its token executes it."""

    action: Verb
    job_ids: list[Annotated[str, Field(max_length=ID_LENGTH)]] | None = Field(
        default=None, min_length=1, max_length=IDS_LIMIT, examples=[[EXAMPLE_ID]]
    )
    filter: SearchFilter | None = Field(default=None, description="The parameters of the search.")
    dry_run: bool = Field(default=False, description="Only say what it would be; also as a query parameter.")
    token: str | None = Field(
        default=None, max_length=ID_LENGTH, description="Of a preview not older than ten minutes: execute it."
    )


class BulkPreview(BaseModel):
    """What an operation would act on, frozen for ten minutes."""

    count: int = Field(description="Jobs in the set.", examples=[120])
    by_state: dict[str, int] = Field(examples=[{"failed": 118, "running": 2}])
    eligible: int = Field(description="Jobs that allow the action now.", examples=[118])
    reasons: dict[str, int] = Field(description="Why the others do not.", examples=[{RETRY_NOT_FAILED: 2}])
    token: str = Field(examples=[EXAMPLE_ID])


class BulkStarted(BaseModel):
    """The operation runs."""

    operation_id: str = Field(examples=[EXAMPLE_ID])


class BulkOutcome(BaseModel):
    """What became of one job."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    outcome: Literal["waiting", "done", "refused", "failed"] = Field(examples=["done"])
    error: str | None = Field(examples=[None])


class BulkProgress(BaseModel):
    """How far an operation is. A stopped one leaves the rest `waiting` for ever."""

    operation_id: str = Field(examples=[EXAMPLE_ID])
    action: Verb
    state: Literal["running", "finished", "stopped"]
    by: str | None = Field(description="The name of the API key that started it.", examples=["night shift"])
    total: int = Field(examples=[120])
    done: int = Field(examples=[60])
    refused: int = Field(examples=[2])
    failed: int = Field(examples=[0])
    waiting: int = Field(examples=[58])
    progress: int = Field(ge=0, le=100, examples=[51])
    created_at: ZTime
    started_at: ZTime | None
    ended_at: ZTime | None
    items: list[BulkOutcome] = Field(description="One page of the jobs, in the order they are taken.")


@router.post(
    "",
    responses={
        200: {"model": BulkPreview, "description": "The preview (`dry_run`)."},
        202: {"model": BulkStarted, "description": "The operation runs."},
        409: {"model": Problem},
    },
)
async def bulk(
    adapter: TheAdapter,
    caller: TheCaller,
    wanted: BulkRequest,
    dry_run: Annotated[bool, Query(description="Only say what it would be.")] = False,
) -> JSONResponse:
    """Preview an action on many jobs (`dry_run`), or execute what a preview named (`token`)."""
    caller.require("admin")
    if dry_run or wanted.dry_run:
        return JSONResponse((await _preview(adapter, wanted)).model_dump(mode="json"))
    if wanted.token is None:
        raise _invalid("token", "Executing takes the token of a preview: ask with dry_run first")
    operation = await adapter.bulk.start(wanted.token, action=wanted.action, by=caller.name)
    if operation is None:
        raise HTTPException(409, f"There is no preview of such a {wanted.action}, or it is older than ten minutes")
    return JSONResponse(BulkStarted(operation_id=operation.operation_id).model_dump(), 202)


async def _preview(adapter: Adapter, wanted: BulkRequest) -> BulkPreview:
    unknown: list[str] = []
    if wanted.job_ids is not None and wanted.filter is None:
        chosen = list(dict.fromkeys(wanted.job_ids))
        known = {job.job_id: job for job in await adapter.index.summaries_by_id(chosen)}
        found: list[JobSummary] = [known[job_id] for job_id in chosen if job_id in known]
        unknown = [job_id for job_id in chosen if job_id not in known]
    elif wanted.filter is not None and wanted.job_ids is None:
        conditions = wanted.filter.conditions(now=datetime.now(UTC), types=adapter.type_names(), within="body.filter")
        total, found = await adapter.index.summaries(conditions, limit=JOBS_LIMIT)
        if total > JOBS_LIMIT:
            raise _invalid("filter", f"The filter selects {total} jobs; one operation takes at most {JOBS_LIMIT}")
    else:
        raise _invalid("job_ids", "A preview takes either job_ids or a filter")
    preview = await adapter.bulk.preview(wanted.action, found, unknown)
    return BulkPreview(
        count=preview.count,
        by_state=preview.by_state,
        eligible=preview.eligible,
        reasons={_reason(reason): count for reason, count in preview.reasons.items()},
        token=preview.token,
    )


@router.get("/{operation_id}", responses={404: {"model": Problem}})
async def bulk_progress(
    adapter: TheAdapter,
    operation_id: str,
    outcome: Annotated[
        Literal["done", "refused", "failed"] | None, Query(description="Only items with this outcome.")
    ] = None,
    limit: Annotated[int, Query(ge=0, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=JOBS_LIMIT)] = 0,
) -> BulkProgress:
    """Say how far a bulk operation is, and what became of each job."""
    return await _progress(adapter, await _operation(adapter, operation_id), outcome, limit, offset)


@router.delete("/{operation_id}", responses={404: {"model": Problem}, 409: {"model": Problem}})
async def stop_bulk(adapter: TheAdapter, caller: TheCaller, operation_id: str) -> BulkProgress:
    """Stop a bulk operation midway. What is done stays done."""
    caller.require("admin")
    await _operation(adapter, operation_id)
    if not await adapter.bulk.stop(operation_id):
        raise HTTPException(409, "Bulk operation cannot be stopped - it is already over")
    return await _progress(adapter, await _operation(adapter, operation_id), None, 100, 0)


async def _operation(adapter: Adapter, operation_id: str) -> Operation:
    operation = await adapter.bulk.store.get(operation_id)
    if operation is None:
        raise HTTPException(404, f"No bulk operation found with ID: {operation_id}")
    return operation


async def _progress(
    adapter: Adapter, operation: Operation, outcome: Outcome | None, limit: int, offset: int
) -> BulkProgress:
    counts = await adapter.bulk.store.outcomes(operation.operation_id)
    items = await adapter.bulk.store.items(operation.operation_id, outcome=outcome, offset=offset, limit=limit)
    over = sum(counts.values())
    return BulkProgress.model_validate(
        {
            "operation_id": operation.operation_id,
            "action": operation.action,
            "state": operation.state,
            "by": operation.by,
            "total": operation.total,
            "done": counts.get("done", 0),
            "refused": counts.get("refused", 0),
            "failed": counts.get("failed", 0),
            "waiting": operation.total - over,
            "progress": 100 * over // operation.total if operation.total else 100,
            "created_at": operation.created_at,
            "started_at": operation.started_at,
            "ended_at": operation.ended_at,
            "items": [_outcome(item) for item in items],
        }
    )


def _outcome(item: BulkItem) -> BulkOutcome:
    error = None if item.reason is None else _reason(item.reason)
    return BulkOutcome(job_id=item.job_id, outcome=item.outcome or "waiting", error=error)


def _reason(reason: str) -> str:
    return _REASONS.get(reason, reason)


def _invalid(field: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "bulk", "loc": ("body", field), "msg": message, "input": None}])
