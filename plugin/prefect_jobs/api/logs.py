"""Reading a job's log over HTTP (contract 6.2, 16.5)."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.log_download import CONTENT_TYPES, DownloadFormat, LogDownload, file_name
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import LogEntry, RequestTime, ZTime, least_level, with_z
from prefect_jobs.store import LineFilter, LogBook

router = APIRouter(prefix="/api/jobs", tags=["logs"], responses={422: {"model": ErrorAnswer}})

MAX_SEQ = 2**31
DOWNLOAD_PATIENCE = 1.0
"""Seconds that a download may wait for new lines before it begins with those that are stored."""
COMPLETE_HEADER = "X-Log-Complete"
AS_OF_HEADER = "X-Log-As-Of"
TEXT_LIMIT = 1000
"""Characters of a searched text."""

Level = Annotated[str | None, Query(description="Minimum severity: DEBUG, INFO, WARNING or ERROR.", examples=["ERROR"])]
Contains = Annotated[
    str | None,
    Query(
        max_length=TEXT_LIMIT,
        description="Only lines whose message holds this text, in any case.",
        examples=["disk full"],
    ),
]


class LevelCounts(BaseModel):
    """How many lines of each level are stored."""

    DEBUG: int = Field(examples=[0])
    INFO: int = Field(examples=[12_400])
    WARNING: int = Field(examples=[30])
    ERROR: int = Field(examples=[1])


class JobLogs(BaseModel):
    """A page of a job's log, with what the whole log is."""

    job_id: str = Field(examples=["5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"])
    logs: list[LogEntry]
    total: int = Field(description="Lines in this answer.", examples=[1])
    has_more: bool = Field(description="Whether more lines match in the asked direction.", examples=[True])
    total_lines: int = Field(
        description="Lines of the whole log that are stored, whatever was asked.", examples=[12_431]
    )
    complete: bool = Field(
        description="Whether every line that Prefect held at `as_of` is stored. False while a long log is still being "
        "copied, or Prefect could not be asked.",
        examples=[True],
    )
    as_of: ZTime | None = Field(
        description="When no line was missing last; null when that was never so.",
        examples=["2026-03-04T08:15:03.000211Z"],
    )
    by_level: LevelCounts

    @classmethod
    def of(
        cls, job_id: str, page: list[LogEntry], book: LogBook, *, has_more: bool, complete: bool, as_of: datetime | None
    ) -> "JobLogs":
        """The answer that shows this page of a log."""
        return cls(
            job_id=job_id,
            logs=page,
            total=len(page),
            has_more=has_more,
            total_lines=book.lines,
            complete=complete,
            as_of=as_of,
            by_level=LevelCounts(**{name.upper(): count for name, count in book.by_level.items()}),
        )


@router.get("/{job_id}/logs", responses={404: {"model": Problem}, 503: {"model": ErrorAnswer}})
async def get_logs(
    adapter: TheAdapter,
    job_id: str,
    level: Level = None,
    since: Annotated[RequestTime | None, Query(description="Only lines at or after this time.")] = None,
    after: Annotated[
        int | None,
        Query(
            ge=0,
            le=MAX_SEQ,
            description="Only lines stored after the one with this `seq`; to page on, pass the largest seen.",
        ),
    ] = None,
    before: Annotated[
        int | None,
        Query(
            ge=0,
            le=MAX_SEQ,
            description="Only lines shown in front of the one with this `seq`; to page back from the newest, ask with "
            "`order=desc` and pass the `seq` of the last line of the page before.",
        ),
    ] = None,
    order: Annotated[
        str,
        Query(description="`desc` (in any case) gives the newest lines, the newest first; anything else the oldest."),
    ] = "asc",
    contains: Contains = None,
    attempt: Annotated[int | None, Query(ge=1, le=MAX_SEQ, description="Only lines of this attempt.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Lines in one answer.")] = 1000,
) -> JobLogs:
    """Read a job's log, oldest line first unless asked otherwise."""
    job = await adapter.job(job_id)
    newest_first = order.lower() == "desc"
    reach = await adapter.tails.catch_up(job, newest_first=newest_first)
    wanted = LineFilter(least_level(level), since, contains, attempt)
    if after is not None and before is None and not newest_first:
        found = await adapter.logs.behind(job_id, after, wanted, limit=limit + 1)
        page = sorted(found[:limit], key=lambda line: line.place)
    else:
        found = await adapter.logs.in_order(
            job_id, wanted, after=after, before=before, newest_first=newest_first, limit=limit + 1
        )
        page = found[:limit]
    return JobLogs.of(
        job_id,
        [LogEntry.of(line) for line in page],
        await adapter.logs.book(job_id),
        # An old client must not take what is copied so far for the end of a log.
        has_more=len(found) > limit or (reach.goes_on and not newest_first),
        complete=reach.complete,
        as_of=reach.as_of,
    )


_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {name: {} for name in CONTENT_TYPES.values()},
        "headers": {
            COMPLETE_HEADER: {"description": "Whether no line is missing.", "schema": {"type": "string"}},
            AS_OF_HEADER: {"description": "When no line was missing last.", "schema": {"type": "string"}},
        },
    },
    404: {"model": Problem},
    503: {"model": ErrorAnswer},
}


@router.get("/{job_id}/logs/download", response_class=StreamingResponse, responses=_FILE)
async def download_logs(
    adapter: TheAdapter,
    job_id: str,
    level: Level = None,
    contains: Contains = None,
    format: Annotated[DownloadFormat, Query(description="Text, one JSON object a line, or CSV.")] = "txt",
) -> StreamingResponse:
    """Download a job's log as a file, oldest line first.

    `X-Log-Complete` is `false` and the file is called `…-incomplete` where Prefect could not be asked whether lines are
    missing; `X-Log-As-Of` says when none was. A file that is called whole and turns out not to be breaks off.
    """
    job = await adapter.job(job_id)
    # A log of which lines are stored begins at once; what it lacks comes while it is read.
    patience = DOWNLOAD_PATIENCE if (await adapter.logs.book(job_id)).lines else None
    reach = await adapter.tails.catch_up(job, patience=patience)
    wanted = LineFilter(least_level(level), contains=contains)
    download = LogDownload(adapter.tails, adapter.logs, job, wanted, reach)
    name = file_name(job.job_type, job_id, format, complete=not reach.failed)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        # A browser must take even a hostile log as the file it says it is.
        "X-Content-Type-Options": "nosniff",
        COMPLETE_HEADER: "false" if reach.failed else "true",
    }
    if reach.as_of is not None and (reach.complete or reach.failed):
        headers[AS_OF_HEADER] = with_z(reach.as_of)
    return StreamingResponse(download.chunks(format), media_type=CONTENT_TYPES[format], headers=headers)
