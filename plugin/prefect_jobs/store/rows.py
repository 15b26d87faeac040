"""A job as a row of the index, and back."""

from typing import Any

from sqlalchemy import Row

from prefect_jobs.gateway.runs import Progress
from prefect_jobs.job_text import parameter_text, search_text
from prefect_jobs.jobs import Job
from prefect_jobs.store.tables import jobs

TEXTS = ("search_text", "parameter_text")
"""What is drawn from the other columns, for the search."""
JOB_COLUMNS = [column for column in jobs.columns if column.name not in TEXTS]


def job_of(row: Row[Any]) -> Job:
    """The job of a row that was read with ``JOB_COLUMNS``."""
    return job_from_columns(dict(row._mapping))  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy's documented name


def job_from_columns(values: dict[str, Any]) -> Job:
    """The job of these columns."""
    values = dict(values)
    percent, message = values.pop("reported_percent"), values.pop("reported_message")
    attempt, at = values.pop("reported_attempt"), values.pop("reported_at")
    return Job(**values, reported=None if at is None else Progress(percent, message, attempt, at))


def row_of(job: Job) -> dict[str, Any]:
    """A job's row but for its slot, which the database gives."""
    values = {
        column.name: getattr(job, column.name)
        for column in JOB_COLUMNS
        if column.name != "slot" and not column.name.startswith("reported_")
    }
    reported = job.reported
    return values | {
        "parameters": dict(job.parameters),
        "reported_percent": reported.percent if reported else None,
        "reported_message": reported.message if reported else None,
        "reported_attempt": reported.attempt if reported else None,
        "reported_at": reported.at if reported else None,
        "search_text": search_text(job),
        "parameter_text": parameter_text(job),
    }
