"""Importing a file of events that is sent along. One in a folder of the server is imported by `POST /api/jobs`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import TheCaller
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.starting import start
from prefect_jobs.api.uploads import FILE_BODY, received_file
from prefect_jobs.api.wire import JobStarted

router = APIRouter(tags=["imports"])


@router.post(
    "/api/events/import",
    status_code=202,
    openapi_extra=FILE_BODY,
    responses={
        **{status: {"model": Problem} for status in (408, 409, 413)},
        **{status: {"model": ErrorAnswer} for status in (422, 503)},
    },
)
async def start_import(
    adapter: TheAdapter,
    caller: TheCaller,
    request: Request,
    on_duplicate: Annotated[
        Literal["skip", "update"], Query(description="What happens to an event that is known already.")
    ] = "skip",
    dry_run: Annotated[
        bool, Query(description="Only say what would happen; the job's result names the upload, for another job.")
    ] = False,
) -> JobStarted:
    """Import the events in the file that is the request's body: CSV, a JSON array, JSON Lines, or a ZIP of these."""
    caller.require("operator")
    settings = adapter.settings
    async with received_file(
        request, settings.uploads_path, limit=settings.upload_limit, patience=settings.body_timeout
    ) as upload:
        parameters = {"upload": upload, "on_duplicate": on_duplicate, "dry_run": dry_run}
        return await start(adapter, caller, "import", parameters)
