"""Starting an export and fetching its file (contract 7)."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.starting import start
from prefect_jobs.api.wire import ExportRequest, JobStarted
from prefect_jobs.exports import CONTENT_TYPES, EXPORTS_PATH, PUBLISHED_FILE_NAME

router = APIRouter(tags=["exports"])


@router.post(
    "/api/events/export",
    status_code=202,
    responses={409: {"model": Problem}, 422: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}},
)
async def start_export(adapter: TheAdapter, caller: TheCaller, wanted: ExportRequest) -> JobStarted:
    """Start an export of events."""
    parameters: dict[str, Any] = wanted.model_dump(mode="json")
    return await start(adapter, caller, "export", parameters)


@router.get(
    EXPORTS_PATH + "/{file_name}",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {name: {} for name in CONTENT_TYPES.values()}},
        404: {"model": Problem},
    },
)
async def download(adapter: TheAdapter, file_name: str) -> FileResponse:
    """Download a file that a job published, such as a finished export."""
    path = export_file(adapter.settings.exports_path, file_name)
    if path is None:
        raise HTTPException(404, "Export file not found on disk")
    return FileResponse(
        path,
        filename=path.name,
        media_type=CONTENT_TYPES.get(path.suffix.removeprefix("."), "application/octet-stream"),
        # A browser must take even a hostile export as the file it says it is.
        headers={"X-Content-Type-Options": "nosniff"},
    )


def export_file(folder: Path, file_name: str) -> Path | None:
    """The published file of this name, or None. Nothing outside of the folder is ever found, nor through a link."""
    if not PUBLISHED_FILE_NAME.fullmatch(file_name):
        return None
    path = folder / file_name
    return path if path.is_file() and not path.is_symlink() else None
