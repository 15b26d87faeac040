"""Starting an export and fetching its file (contract 7).

`/api/exports/<name>` is a file where the name has an extension, and the record of an export (contract 8) where not.
"""

from typing import Any

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.downloads import file_answer, finished_file
from prefect_jobs.api.export_records import ExportRecord, record_of
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.starting import start
from prefect_jobs.api.wire import ExportRequest, JobStarted
from prefect_jobs.exports import CONTENT_TYPES, EXPORTS_PATH

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
    EXPORTS_PATH + "/{name}",
    response_model=ExportRecord,
    responses={
        200: {
            "description": "The record, or the file.",
            "content": {name: {} for name in CONTENT_TYPES.values() if name != "application/json"},
        },
        404: {"model": Problem},
    },
)
async def file_or_record(adapter: TheAdapter, name: str) -> Response | ExportRecord:
    """Download a file that a job published, such as a finished export, or look an export up by its id."""
    if "." not in name:
        return await record_of(adapter, name)
    path = finished_file(adapter.settings.exports_path, name)
    if path is None:
        raise HTTPException(404, "Export file not found on disk")
    return file_answer(path)
