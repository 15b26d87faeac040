"""Backups and restores (contract 12.2). A record is the job, told in the words of this API."""

import asyncio
from pathlib import Path
from typing import Any, Literal, cast

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.downloads import file_answer, finished_file
from prefect_jobs.api.job_records import job_of_type, whole_number
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.starting import start
from prefect_jobs.api.uploads import FILE_BODY, received_file
from prefect_jobs.api.wire import EXAMPLE_ID, JobStarted, OffsetTime
from prefect_jobs.backups import BACKUP_FILE_NAME
from prefect_jobs.conditions import OneOf
from prefect_jobs.events.backup.stored_tables import TABLES
from prefect_jobs.job_actions import ActionRefused, JobUnknown
from prefect_jobs.job_states import Status
from prefect_jobs.jobs import Job
from prefect_jobs.store import Page

PATH = "/api/backup"
BACKUP, RESTORE = "backup", "restore"
STEPS = tuple(TABLES)
"""The tables of a backup in the order in which its job writes them."""
LISTED = 1_000
"""Backups that are listed at most, the newest."""

router = APIRouter(prefix=PATH, tags=["backups"])
STARTING: dict[int | str, dict[str, Any]] = {409: {"model": Problem}, 503: {"model": ErrorAnswer}}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


class ListedBackup(BaseModel):
    """A backup whose file is there."""

    id: str = Field(examples=[EXAMPLE_ID])
    created_at: OffsetTime
    file_size_bytes: int = Field(examples=[48213])
    status: Status = "completed"
    download_url: str = Field(examples=[f"{PATH}/{EXAMPLE_ID}/download"])


class BackupList(BaseModel):
    """The backups whose files are there, newest first."""

    backups: list[ListedBackup]
    total: int


class BackupProgress(BaseModel):
    """How far a backup is."""

    total_tables: int = Field(examples=[len(STEPS)])
    completed_tables: int = Field(examples=[1])
    progress_percent: int = Field(ge=0, le=100, examples=[16])
    current_step: str | None = Field(examples=["Exporting events"])


class BackupRecord(BaseModel):
    """One backup."""

    id: str = Field(examples=[EXAMPLE_ID])
    status: Status = Field(examples=["completed"])
    progress: BackupProgress
    created_at: OffsetTime
    started_at: OffsetTime | None
    completed_at: OffsetTime | None
    file_path: str | None = Field(examples=[f"{PATH}/{EXAMPLE_ID}/download"])
    file_size_bytes: int | None = Field(examples=[48213])
    manifest: dict[str, Any] | None
    error_message: str | None = Field(examples=[None])


class RestoreProgress(BaseModel):
    """How far a restore is."""

    progress_percent: int = Field(ge=0, le=100, examples=[100])
    current_step: str | None = Field(examples=["Validating backup..."])


class RestoreRecord(BaseModel):
    """One restore."""

    id: str = Field(examples=[EXAMPLE_ID])
    status: Status = Field(examples=["completed"])
    progress: RestoreProgress
    backup_id: str | None = Field(
        description="Of the backup that is restored, once its archive was read.", examples=[EXAMPLE_ID]
    )
    progress_percent: int = Field(ge=0, le=100, examples=[100])
    current_step: str | None = Field(examples=["Validating backup..."])
    created_at: OffsetTime
    started_at: OffsetTime | None
    completed_at: OffsetTime | None
    restored: dict[str, int] | None = Field(description="Rows of each table.", examples=[{"events": 1000}])
    items_restored: dict[str, int] | None = Field(description="The same.", examples=[{"events": 1000}])
    backup_before: str | None = Field(description="The backup of what was replaced.", examples=[None])
    error_message: str | None = Field(examples=[None])


class BackupDeleted(BaseModel):
    """A backup is gone, its file and its record."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Literal["deleted"] = "deleted"
    deleted: Literal[True] = True
    message: str = "Backup deleted"


@router.post("", status_code=202, responses=STARTING)
async def start_backup(adapter: TheAdapter, caller: TheCaller) -> JobStarted:
    """Start a backup of the event store. Any body is ignored."""
    started = await start(adapter, caller, BACKUP, {})
    return _told(started.job_id, "Backup", "")


@router.get("")
async def list_backups(adapter: TheAdapter) -> BackupList:
    """List the backups whose files are there, newest first."""
    wanted = [OneOf("job_type", frozenset([BACKUP])), OneOf("state", frozenset(["completed"]))]
    found = await adapter.index.find(wanted, Page(LISTED))
    listed: list[ListedBackup] = []
    for job in found.jobs:
        if (path := _file(adapter, job)) is not None:
            url = f"{PATH}/{job.job_id}/download"
            size = path.stat().st_size
            listed.append(
                ListedBackup(id=job.job_id, created_at=job.created_at, file_size_bytes=size, download_url=url)
            )
    return BackupList(backups=listed, total=len(listed))


@router.post(
    "/restore",
    status_code=202,
    openapi_extra=FILE_BODY,
    responses={
        **STARTING,
        400: {"model": Problem},
        408: {"model": Problem},
        413: {"model": Problem},
        422: {"model": ErrorAnswer},
    },
)
async def start_restore(
    adapter: TheAdapter, caller: TheCaller, request: Request, backup_first: bool = True
) -> JobStarted:
    """Replace the event store by the backup that is the request's body. One in the backup folder is restored by
    `POST /api/jobs`."""
    caller.require("admin")
    settings = adapter.settings
    async with received_file(
        request, settings.uploads_path, limit=settings.upload_limit, patience=settings.body_timeout
    ) as upload:
        if not await asyncio.to_thread(_is_zip, settings.uploads_path / upload):
            raise HTTPException(400, "Invalid file type")
        started = await start(adapter, caller, RESTORE, {"upload": upload, "backup_first": backup_first})
    return _told(started.job_id, "Restore", "/restore")


@router.get("/restore/{job_id}", responses=NOT_FOUND)
async def get_restore(adapter: TheAdapter, job_id: str) -> RestoreRecord:
    """Look a restore up."""
    job = await _job(adapter, job_id, RESTORE)
    done = job.result_fields
    restored = _counts(done.get("restored"))
    manifest = _fields(done.get("manifest"))
    return RestoreRecord(
        id=job.job_id,
        status=job.status,
        progress=RestoreProgress(progress_percent=job.progress, current_step=job.message),
        backup_id=_text((manifest or {}).get("backup_id")),
        progress_percent=job.progress,
        current_step=job.message,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        restored=restored,
        items_restored=restored,
        backup_before=_text(done.get("backup_before")),
        error_message=job.error,
    )


@router.get("/{job_id}", responses=NOT_FOUND)
async def get_backup(adapter: TheAdapter, job_id: str) -> BackupRecord:
    """Look a backup up."""
    job = await _job(adapter, job_id, BACKUP)
    done = job.result_fields
    path = _file(adapter, job)
    return BackupRecord(
        id=job.job_id,
        status=job.status,
        progress=BackupProgress(
            total_tables=len(STEPS),
            completed_tables=_tables_done(job),
            progress_percent=job.progress,
            current_step=job.message,
        ),
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        file_path=_text(done.get("file_path")) if path else None,
        file_size_bytes=whole_number(done.get("file_size")),
        manifest=_fields(done.get("manifest")),
        error_message=job.error,
    )


@router.get(
    "/{job_id}/download",
    response_class=FileResponse,
    responses={200: {"content": {"application/zip": {}}}, 400: {"model": Problem}, **NOT_FOUND},
)
async def download_backup(adapter: TheAdapter, job_id: str) -> FileResponse:
    """Download the archive of a finished backup."""
    job = await _job(adapter, job_id, BACKUP)
    if job.status != "completed":
        raise HTTPException(400, f"Backup job is not complete (status: {job.status})")
    path = _file(adapter, job)
    if path is None:
        raise HTTPException(404, "Backup file not found on disk")
    return file_answer(path)


@router.delete("/{job_id}", responses={**NOT_FOUND, 409: {"model": Problem}})
async def delete_backup(adapter: TheAdapter, caller: TheCaller, job_id: str) -> BackupDeleted:
    """Delete a backup that is not being made: its archive, and then its record."""
    caller.require("admin")
    job = await _job(adapter, job_id, BACKUP)
    if not job.ended:
        raise HTTPException(409, "Backup job is not over - cancel it before deleting it")
    if (path := _file(adapter, job)) is not None:
        path.unlink(missing_ok=True)
    try:
        await adapter.actions.purge(job_id, by=caller.name)
    except JobUnknown as error:
        raise HTTPException(404, _no_job(job_id, BACKUP)) from error
    except ActionRefused as error:
        raise HTTPException(409, str(error)) from error
    return BackupDeleted(job_id=job_id)


def _told(job_id: str, what: str, below: str) -> JobStarted:
    return JobStarted(job_id=job_id, message=f"{what} job created. Use GET {PATH}{below}/{job_id} to track progress.")


async def _job(adapter: Adapter, job_id: str, job_type: str) -> Job:
    return await job_of_type(adapter, job_id, job_type, otherwise=_no_job(job_id, job_type))


def _no_job(job_id: str, job_type: str) -> str:
    return f"{job_type.capitalize()} job not found: {job_id}"


def _file(adapter: Adapter, job: Job) -> Path | None:
    name = job.result_fields.get("file_name")
    return finished_file(adapter.settings.backups_path, name, BACKUP_FILE_NAME) if isinstance(name, str) else None


def _is_zip(path: Path) -> bool:
    """Whether a file begins as archives do; whether it is whole, its job finds out."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


# A flow of this name may be anybody's, and return anything.


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _fields(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _counts(value: object) -> dict[str, int] | None:
    found = _fields(value)
    return None if found is None else {name: whole_number(count) or 0 for name, count in found.items()}


def _tables_done(job: Job) -> int:
    if job.status == "completed" or job.progress >= 80:
        return len(STEPS)
    return job.progress * len(STEPS) // 80
