"""The contract's bodies, word for word (sections 2, 4, 6 and 16)."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, PlainSerializer

from prefect_jobs.iso_time import read_time
from prefect_jobs.job_states import Status
from prefect_jobs.jobs import Job, Stoppable
from prefect_jobs.store import FoundJobs, Page, StoredLine

EXAMPLE_ID = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"


def with_offset(moment: datetime) -> str:
    """``2026-03-04T08:15:00.120345+00:00``: the form of times in a ``JobResponse`` and on the sockets."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def with_z(moment: datetime) -> str:
    """``2026-03-04T08:15:00.120345Z``: the form of times in logs and history."""
    return with_offset(moment).removesuffix("+00:00") + "Z"


def _iso_time(value: object) -> object:
    """Read ISO 8601 text; a time without an offset is UTC (contract 15.5). Pydantic alone would take numbers too."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("Input should be an ISO 8601 date-time as text")
    return read_time(value)


RequestTime = Annotated[AwareDatetime, BeforeValidator(_iso_time)]
"""An ISO 8601 time, in UTC; without an offset it is UTC."""

OffsetTime = Annotated[datetime, PlainSerializer(with_offset, return_type=str)]
ZTime = Annotated[datetime, PlainSerializer(with_z, return_type=str)]


class JobResponse(BaseModel):
    """One job. Nullable fields are always present."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    job_type: str = Field(description="The flow's name.", examples=["export"])
    status: Status = Field(examples=["running"])
    name: str = Field(description="The name of the run.", examples=["brave-otter"])
    attempt: int = Field(ge=1, description="Which attempt this is, from 1.", examples=[1])
    state_name: str | None = Field(
        description="What the author of the flow called its final state, where it is none of the usual names.",
        examples=[None],
    )
    state: str = Field(description="The finer word for `status`, such as `late` or `timed_out`.", examples=["running"])
    progress: int = Field(ge=0, le=100, examples=[38])
    message: str | None = Field(examples=["Processing event 400/1000"])
    created_at: OffsetTime = Field(examples=["2026-03-04T08:15:00.120345+00:00"])
    started_at: OffsetTime | None = Field(examples=["2026-03-04T08:15:00.431002+00:00"])
    completed_at: OffsetTime | None = Field(examples=[None])
    result: Any = Field(examples=[None])
    error: str | None = Field(examples=[None])
    version: int = Field(description="Grows with every change of any job.", examples=[1772612103000])
    stoppable: Stoppable = Field(
        description="How it is stopped: `cooperative` after its current step, `prefect` by Prefect's own cancel, "
        "`with_parent` only with the job in whose process it runs.",
        examples=["prefect"],
    )
    prefect_url: str | None = Field(description="The run in Prefect's own pages.", examples=[None])

    @classmethod
    def of(cls, job: Job, *, prefect_url: str | None = None) -> "JobResponse":
        """The wire form of a job."""
        fields = {name: getattr(job, name) for name in cls.model_fields if name != "prefect_url"}
        return cls.model_validate({**fields, "prefect_url": prefect_url})


class Pagination(BaseModel):
    """Where a page stands among all matches."""

    total: int = Field(ge=0, description="Matches before paging.", examples=[1])
    limit: int = Field(examples=[50])
    offset: int | None = Field(ge=0, examples=[0])
    cursor: None = None
    next_cursor: None = None
    has_more: bool = Field(description="Whether more matches follow this page.", examples=[False])
    total_is_exact: bool = Field(default=True, description="False: `total` is a lower bound.", examples=[True])

    @classmethod
    def of(cls, found: FoundJobs, page: Page) -> "Pagination":
        """Where this page stands."""
        return cls(
            total=found.counts.total,
            limit=page.limit,
            offset=page.offset,
            has_more=page.offset + len(found.jobs) < found.counts.total,
            total_is_exact=found.exact,
        )


class JobList(BaseModel):
    """One page of jobs, newest first."""

    items: list[JobResponse]
    pagination: Pagination


class StatusCount(BaseModel):
    """How many jobs have this status."""

    status: Status = Field(examples=["completed"])
    count: int = Field(examples=[5])


class TypeCount(BaseModel):
    """How many jobs are of this type."""

    job_type: str = Field(examples=["export"])
    count: int = Field(examples=[6])


class JobStats(BaseModel):
    """Counts and times over all jobs."""

    total_jobs: int = Field(examples=[5])
    by_status: list[StatusCount]
    by_type: list[TypeCount]
    average_duration_seconds: float | None = Field(description="Of completed jobs.", examples=[115.0])
    oldest_pending_job_age_seconds: float | None = Field(examples=[42.7])


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_LEVELS: tuple[tuple[int, LogLevel], ...] = ((40, "ERROR"), (30, "WARNING"), (20, "INFO"))


def level_name(number: int) -> LogLevel:
    """The contract's word for one of Python's level numbers (CRITICAL is an ERROR)."""
    for least, name in _LEVELS:
        if number >= least:
            return name
    return "DEBUG"


def least_level(name: str | None) -> int:
    """The lowest level number that this minimum severity lets pass; an unknown word filters nothing."""
    return next((least for least, known in _LEVELS if name and known == name.upper()), 0)


class LogEntry(BaseModel):
    """One log line. ``seq`` counts from 1 within the job and never changes."""

    timestamp: ZTime = Field(examples=["2026-03-04T08:15:03.000211Z"])
    level: LogLevel = Field(examples=["INFO"])
    message: str = Field(examples=["Processing event 400/1000"])
    context: dict[str, Any] | None = Field(examples=[None])
    attempt_number: int = Field(ge=1, examples=[1])
    seq: int = Field(ge=1, examples=[7])
    id: str = Field(examples=["0b7f3a52-1f0e-4c8e-8e57-5b6f5f7f1a11"])

    @classmethod
    def of(cls, line: StoredLine) -> "LogEntry":
        """The wire form of a stored line."""
        return cls(
            timestamp=line.timestamp,
            level=level_name(line.level),
            message=line.message,
            context=None,
            attempt_number=line.attempt,
            seq=line.seq,
            id=line.line_id,
        )


class ExportRequest(BaseModel):
    """Which events to export, and how."""

    model_config = {
        "json_schema_extra": {"examples": [{"format": "csv", "risk_level": "high"}, {"format": "zip"}]},
    }

    format: Literal["csv", "json", "zip"] = "csv"
    camera_id: str | None = Field(default=None, max_length=200)
    risk_level: Literal["low", "medium", "high", "critical"] | None = None
    start_date: RequestTime | None = Field(default=None, description="Events that started at or after this time.")
    end_date: RequestTime | None = Field(default=None, description="Events that started at or before this time.")
    reviewed: bool | None = None


class JobStarted(BaseModel):
    """A job was created."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Literal["pending"] = "pending"
    message: str = Field(
        examples=[f"Export job created. Use GET /api/jobs/{EXAMPLE_ID} to track progress."],
    )
