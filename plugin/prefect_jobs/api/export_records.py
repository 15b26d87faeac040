"""Exports with a record and a real download (contract 8). A record is the job, told in the words of this API."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, field_validator, model_validator
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.detail import duration_of, estimated_remaining, step_of
from prefect_jobs.api.downloads import content_type, file_answer, finished_file
from prefect_jobs.api.job_records import job_of_type
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.search import in_states
from prefect_jobs.api.starting import start
from prefect_jobs.api.wire import EXAMPLE_ID, JobStarted, OffsetTime, Pagination, RequestTime
from prefect_jobs.conditions import OneOf
from prefect_jobs.events.export_file import COLUMNS, require_columns
from prefect_jobs.exports import CONTENT_TYPES, EXPORTS_PATH
from prefect_jobs.job_actions import ActionRefused, JobUnknown
from prefect_jobs.job_states import Status
from prefect_jobs.jobs import Job
from prefect_jobs.store import Page

router = APIRouter(prefix=EXPORTS_PATH, tags=["exports"], responses={422: {"model": ErrorAnswer}})

JOB_TYPE = "export"
FILTERS = ("camera_id", "risk_level", "start_date", "end_date", "reviewed")
LONGEST_RETENTION = 36_500
CANCEL_ENDED = "Export job cannot be cancelled - it has already completed or failed"
NO_FILE = "Export file path not found"
FILE_GONE = "Export file not found on disk"


class ExportOrder(BaseModel):
    """What to export, how, and how long to keep the file."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"export_format": "excel", "risk_level": "high", "columns": ["started_at", "camera_name", "summary"]},
                {"export_type": "alerts", "retention_days": 365},
            ]
        }
    }

    export_type: Literal["events", "alerts", "full_backup"] = Field(
        default="events",
        description="`alerts`: events of a high or critical risk. `full_backup`: the whole event store as a backup "
        "archive, whatever the format; it takes no filters and no columns.",
    )
    export_format: Literal["csv", "json", "zip", "excel"] = "csv"
    camera_id: str | None = Field(default=None, max_length=200)
    risk_level: Literal["low", "medium", "high", "critical"] | None = None
    start_date: RequestTime | None = Field(default=None, description="Events that started at or after this time.")
    end_date: RequestTime | None = Field(default=None, description="Events that started at or before this time.")
    reviewed: bool | None = None
    columns: list[str] | None = Field(
        default=None, max_length=len(COLUMNS), description=f"Which of {', '.join(COLUMNS)}, in this order."
    )
    retention_days: int | None = Field(
        default=None, gt=0, le=LONGEST_RETENTION, description="Days after which a cleanup may remove the file."
    )
    legal_hold: bool = Field(default=False, description="Whether no cleanup may remove the file.")
    compliance_metadata: dict[str, Any] | None = Field(default=None, description="Kept with the file.")

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: list[str] | None) -> list[str] | None:
        require_columns(columns)
        return columns

    @model_validator(mode="after")
    def _whole_or_chosen(self) -> Self:
        if self.export_type == "full_backup" and any(getattr(self, name) is not None for name in (*FILTERS, "columns")):
            raise ValueError("A full backup takes no filters and no columns")
        return self

    def parameters(self) -> dict[str, Any]:
        """The same as the job type takes it."""
        given = self.model_dump(mode="json", exclude={"export_format"}, exclude_none=True)
        return {"format": self.export_format, **given}


class ExportProgress(BaseModel):
    """How far an export is."""

    total_items: int | None = Field(examples=[1000])
    processed_items: int | None = Field(examples=[400])
    progress_percent: int = Field(ge=0, le=100, examples=[38])
    current_step: str | None = Field(examples=["Processing event 400/1000"])
    estimated_completion: OffsetTime | None = Field(examples=[None])


class ExportResult(BaseModel):
    """What a finished export made."""

    output_path: str | None = Field(examples=["/api/exports/events_export_20260304_081552_5d1c0f4e.csv"])
    output_size_bytes: int | None = Field(examples=[48213])
    event_count: int | None = Field(examples=[1000])
    format: str | None = Field(examples=["csv"])


class ExportRecord(BaseModel):
    """One export."""

    id: str = Field(examples=[EXAMPLE_ID])
    status: Status = Field(examples=["completed"])
    export_type: str = Field(examples=["events"])
    export_format: str = Field(examples=["csv"])
    progress: ExportProgress
    created_at: OffsetTime
    started_at: OffsetTime | None
    completed_at: OffsetTime | None
    filter_params: str = Field(description="JSON text.", examples=['{"risk_level": "high"}'])
    result: ExportResult | None
    error_message: str | None = Field(examples=[None])


class ExportList(BaseModel):
    """One page of exports, newest first."""

    items: list[ExportRecord]
    pagination: Pagination


class ExportCancelled(BaseModel):
    """An export is stopped, or is going to be."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Literal["failed"] = "failed"
    message: str = "Export job cancelled by user"
    cancelled: bool = True


class DownloadInfo(BaseModel):
    """What a download would give; everything is null until the export is done."""

    ready: bool
    filename: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    download_url: str | None = None


class ExportQuery(BaseModel):
    """What the list takes."""

    status: Literal["pending", "running", "completed", "failed", "cancelled"] | None = None
    limit: int = Field(default=50, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=2**31)


@router.post(
    "", status_code=202, responses={409: {"model": Problem}, 422: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}}
)
async def order_export(adapter: TheAdapter, caller: TheCaller, wanted: ExportOrder) -> JobStarted:
    """Start an export that is kept under its id."""
    started = await start(adapter, caller, JOB_TYPE, wanted.parameters())
    return JobStarted(
        job_id=started.job_id,
        message=f"Export job created. Use GET {EXPORTS_PATH}/{started.job_id} to track progress.",
    )


@router.get("")
async def list_exports(adapter: TheAdapter, wanted: Annotated[ExportQuery, Query()]) -> ExportList:
    """List exports, newest first, whoever started them."""
    conditions = in_states(frozenset([wanted.status]) if wanted.status else None, None)
    conditions.append(OneOf("job_type", frozenset([JOB_TYPE])))
    page = Page(wanted.limit, wanted.offset)
    found = await adapter.index.find(conditions, page)
    return ExportList(items=[_record(job) for job in found.jobs], pagination=Pagination.of(found, page))


async def record_of(adapter: Adapter, job_id: str) -> ExportRecord:
    """The record of an export; 404 when there is none."""
    return _record(await _export(adapter, job_id))


@router.delete("/{job_id}", responses={404: {"model": Problem}, 409: {"model": Problem}, 503: {"model": ErrorAnswer}})
async def cancel_export(adapter: TheAdapter, caller: TheCaller, job_id: str) -> ExportCancelled:
    """Stop an export that has not ended."""
    caller.require("operator")
    await _export(adapter, job_id)
    try:
        await adapter.actions.cancel(job_id, by=caller.name)
    except JobUnknown as error:
        raise HTTPException(404, _no_export(job_id)) from error
    except ActionRefused as error:
        raise HTTPException(409, CANCEL_ENDED if error.reason == "ended" else str(error)) from error
    return ExportCancelled(job_id=job_id)


@router.get(
    "/{job_id}/download",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {name: {} for name in CONTENT_TYPES.values()}},
        400: {"model": Problem},
        404: {"model": Problem},
    },
)
async def download(adapter: TheAdapter, job_id: str) -> FileResponse:
    """Download the file of a finished export."""
    job = await _export(adapter, job_id)
    if job.status != "completed":
        raise HTTPException(400, f"Export job is not complete (status: {job.status})")
    name = _file_name(job)
    if name is None:
        raise HTTPException(404, NO_FILE)
    path = finished_file(adapter.settings.exports_path, name)
    if path is None:
        raise HTTPException(404, FILE_GONE)
    return file_answer(path)


@router.get("/{job_id}/download/info", responses={404: {"model": Problem}})
async def download_info(adapter: TheAdapter, job_id: str) -> DownloadInfo:
    """What a download of this export gives, and whether it is ready."""
    job = await _export(adapter, job_id)
    name = _file_name(job) if job.status == "completed" else None
    path = finished_file(adapter.settings.exports_path, name) if name else None
    if path is None:
        return DownloadInfo(ready=False)
    return DownloadInfo(
        ready=True,
        filename=path.name,
        content_type=content_type(path),
        size_bytes=path.stat().st_size,
        download_url=f"{EXPORTS_PATH}/{job_id}/download",
    )


async def _export(adapter: Adapter, job_id: str) -> Job:
    return await job_of_type(adapter, job_id, JOB_TYPE, otherwise=_no_export(job_id))


def _no_export(job_id: str) -> str:
    return f"Export job not found: {job_id}"


def _file_name(job: Job) -> str | None:
    path = job.result_fields.get("file_path")
    return path.removeprefix(f"{EXPORTS_PATH}/") if isinstance(path, str) else None


def _record(job: Job) -> ExportRecord:
    step, result = step_of(job.message), job.result_fields
    now = datetime.now(UTC)
    left = estimated_remaining(job, duration_of(job, now=now))
    return ExportRecord(
        id=job.job_id,
        status=job.status,
        export_type=str(job.parameters.get("export_type") or "events"),
        export_format=str(result.get("format") or job.parameters.get("format") or "csv"),
        progress=ExportProgress(
            total_items=result.get("event_count", step.total),
            processed_items=result.get("event_count", step.done),
            progress_percent=job.progress,
            current_step=step.name,
            estimated_completion=None if left is None else now + timedelta(seconds=left),
        ),
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        filter_params=json.dumps({name: value for name in FILTERS if (value := job.parameters.get(name)) is not None}),
        result=ExportResult(
            output_path=result.get("file_path"),
            output_size_bytes=result.get("file_size"),
            event_count=result.get("event_count"),
            format=result.get("format"),
        )
        if job.status == "completed"
        else None,
        error_message=job.error,
    )
