"""Older APIs know jobs of one type only, each under its own words for one that is not there."""

from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import Adapter
from prefect_jobs.jobs import Job


async def job_of_type(adapter: Adapter, job_id: str, job_type: str, *, otherwise: str) -> Job:
    """The job of this id, if it is of this type.

    Raises:
        HTTPException: 404 with the words of `otherwise`.
    """
    try:
        job = await adapter.job(job_id)
    except HTTPException as error:
        raise HTTPException(404, otherwise) from error
    if job.job_type != job_type:
        raise HTTPException(404, otherwise)
    return job


def whole_number(value: object) -> int | None:
    """A count in a result, which may be anything."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
