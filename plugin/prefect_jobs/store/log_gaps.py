"""The longest time between two lines of a job's log, of many jobs at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.store.log_tables import job_log_lines, job_logs
from prefect_jobs.store.tables import from_microseconds

LINES_MOST = 5_000
"""Lines of each log that are looked at: its first ones."""


@dataclass(frozen=True, slots=True)
class LineGap:
    """Between the lines of a log: the longest gap in microseconds, its first line and its last one."""

    longest: int
    first: datetime
    last: datetime
    whole: bool
    """Whether these are all its lines."""


async def line_gaps(connection: AsyncConnection, job_ids: Sequence[str]) -> dict[str, LineGap]:
    """The gaps of these logs, of those that hold a line."""
    at = type_coerce(job_log_lines.c.timestamp, BigInteger)
    order = (job_log_lines.c.timestamp, job_log_lines.c.seq)
    before = func.lag(at).over(partition_by=job_log_lines.c.log_id, order_by=order)
    lines = (
        select(job_logs.c.job_id, job_logs.c.lines, at.label("at"), (at - before).label("gap"))
        .join(job_log_lines, job_log_lines.c.log_id == job_logs.c.log_id)
        .where(job_logs.c.job_id.in_(job_ids), job_log_lines.c.seq <= LINES_MOST)
        .subquery()
    )
    found = await connection.execute(
        select(
            lines.c.job_id,
            func.max(lines.c.lines),
            func.count(),
            func.min(lines.c.at),
            func.max(lines.c.at),
            func.coalesce(func.max(lines.c.gap), 0),
        ).group_by(lines.c.job_id)
    )
    return {
        job_id: LineGap(longest, from_microseconds(first), from_microseconds(last), whole=count == held)
        for job_id, held, count, first, last, longest in found.all()
    }
