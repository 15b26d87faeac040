"""Statistics over time (contract 16.7)."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.problems import ErrorAnswer
from prefect_jobs.api.wire import RequestTime, ZTime
from prefect_jobs.store.statistics import Quantiles as StoredQuantiles
from prefect_jobs.store.tables import EPOCH, from_microseconds

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

BucketName = Literal["minute", "hour", "day"]
WIDTHS: dict[BucketName, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
BUCKETS_LIMIT = 2_000
"""Buckets in one answer: a day in minutes, twelve weeks in hours, five years in days."""
BUCKETS_AT_FIRST = 60
"""Buckets before ``to`` when ``from`` is left out."""


class TimelineQuery(BaseModel):
    """Which span of time, in which steps."""

    from_: RequestTime | None = Field(
        default=None, alias="from", description=f"Start; {BUCKETS_AT_FIRST} buckets before `to` when left out."
    )
    to: RequestTime | None = Field(default=None, description="End, not included; now when left out.")
    bucket: BucketName = Field(default="hour", description="Width of a bucket, aligned in UTC.")
    job_type: str | None = Field(default=None, max_length=200, description="Only this type.", examples=["export"])


class Quantiles(BaseModel):
    """Seconds that half, and that 95 of 100 jobs, did not exceed."""

    p50: float = Field(examples=[1.9])
    p95: float = Field(examples=[12.4])

    @classmethod
    def of(cls, stored: StoredQuantiles | None) -> "Quantiles | None":
        """The wire form."""
        return None if stored is None else cls(p50=stored.p50 / 1_000_000, p95=stored.p95 / 1_000_000)


class TimelineBucket(BaseModel):
    """What happened to the jobs of one type in one bucket."""

    start: ZTime = Field(examples=["2026-03-04T08:00:00.000000Z"])
    job_type: str = Field(examples=["export"])
    created: int = Field(examples=[12])
    completed: int = Field(examples=[10])
    failed: int = Field(description="Without the cancelled.", examples=[1])
    cancelled: int = Field(examples=[0])
    queue_wait_seconds: Quantiles | None = Field(description="From creation to start, of jobs that started here.")
    run_seconds: Quantiles | None = Field(description="From start to end, of jobs that completed here.")


class Timeline(BaseModel):
    """Statistics over time; buckets in which nothing happened to a type are left out."""

    from_: ZTime = Field(alias="from", examples=["2026-03-04T08:00:00.000000Z"])
    to: ZTime = Field(examples=["2026-03-04T10:00:00.000000Z"])
    bucket: BucketName
    buckets: list[TimelineBucket]


@router.get("/stats/timeline")
async def job_timeline(adapter: TheAdapter, wanted: Annotated[TimelineQuery, Query()]) -> Timeline:
    """Count per bucket and type what was created, completed, failed and cancelled, and how long jobs waited and ran."""
    width = WIDTHS[wanted.bucket]
    to = wanted.to or datetime.now(UTC)
    # Not counted back from a time before 1970: there may be no such time.
    start = wanted.from_ or EPOCH + max(to - EPOCH - width * (BUCKETS_AT_FIRST - 1), timedelta())
    first = EPOCH + (start - EPOCH) // width * width
    count = -(-(to - first) // width)
    if count < 1:
        raise _invalid("from", "`from` should be before `to`", start)
    if count > BUCKETS_LIMIT:
        raise _invalid("from", f"This is {count} buckets; at most {BUCKETS_LIMIT} are answered at once", start)
    buckets = adapter.index.timeline(start=first, width=width, count=count, job_type=wanted.job_type)
    return Timeline.model_validate(
        {
            "from": first,
            "to": to,
            "bucket": wanted.bucket,
            "buckets": [
                TimelineBucket(
                    start=from_microseconds(bucket.start),
                    job_type=bucket.job_type,
                    created=bucket.created,
                    completed=bucket.completed,
                    failed=bucket.failed,
                    cancelled=bucket.cancelled,
                    queue_wait_seconds=Quantiles.of(bucket.queue_wait),
                    run_seconds=Quantiles.of(bucket.run_time),
                )
                for bucket in buckets
            ],
        }
    )


def _invalid(field: str, message: str, value: datetime) -> RequestValidationError:
    return RequestValidationError(
        [{"type": "timeline", "loc": ("query", field), "msg": message, "input": value.isoformat()}]
    )
