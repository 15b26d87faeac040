"""The tables of the job index. (The copies of logs have theirs in ``log_tables``, the pasts of jobs in their own room.)

Both are disposable: Prefect holds the truth, and everything here can be read from it again.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970, exact (a float of seconds is not)."""
    return (moment - EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware time that ``to_microseconds`` counted."""
    return EPOCH + timedelta(microseconds=value)


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as whole microseconds since 1970: exact, sortable and the same on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Python → database."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Database → Python."""
        return None if value is None else from_microseconds(value)


# Compared byte by byte on every database, so that the beginning of an id is a range.
Id = String(64).with_variant(String(64, collation="C"), "postgresql")

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    # The job's place in the columns in memory (store/columns.py).
    Column("slot", Integer, primary_key=True, autoincrement=True),
    Column("job_id", Id, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("job_type", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("state", String(24), nullable=False),
    Column("progress", Integer, nullable=False),
    Column("message", Text),
    Column("error", Text),
    Column("result", JSON),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("completed_at", Moment),
    Column("due_at", Moment),
    Column("attempt", Integer, nullable=False),
    Column("deployment_id", String(64)),
    Column("parameters", JSON, nullable=False),
    Column("uses_kit", Boolean, nullable=False),
    Column("state_id", String(64)),
    Column("receipt", Text),
    Column("prepared_at", Moment),
    Column("state_name", Text),
    Column("longest_gap", BigInteger),
    Column("inside_of", String(64)),
    Column("reported_percent", Integer),
    Column("reported_message", Text),
    Column("reported_attempt", Integer),
    Column("reported_at", Moment),
    Column("search_text", Text, nullable=False),
    Column("parameter_text", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("jobs_by_version", "version"),
)

# A job that Prefect no longer holds, kept for the readers of the change feed.
deleted_jobs = Table(
    "deleted_jobs",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("deleted_at", Moment, nullable=False),
    # Its place in the columns in memory, for the processes that follow this one.
    Column("slot", Integer),
    Column("version", BigInteger, nullable=False, index=True),
)

# One row: where the versions are, and from which one on the change feed can be resumed.
clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("events_read_until", Moment),
)
