"""Finding jobs by what they logged.

Logs are too large to stand in memory and too busy for a text index. So the other conditions of a search are asked
first, and the copied logs of the jobs that are left are read, newest job first, for a limited time.
"""

import time

import numpy as np
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.store.columns import Slots
from prefect_jobs.store.log_tables import job_log_lines, job_logs
from prefect_jobs.store.tables import jobs

SECONDS = 1.5
"""How long logs are read for one search; what was not read by then makes its counts lower bounds."""
_JOBS_AT_ONCE = 200


async def jobs_that_logged(connection: AsyncConnection, slots: Slots, text: str) -> tuple[Slots, bool]:
    """Those of these jobs, given newest first, one of whose copied log lines has this text within, in any case.

    Returns:
        Their slots, and whether all of them were read in the time there is.
    """
    deadline = time.monotonic() + SECONDS
    found: list[int] = []
    chosen = slots.tolist()
    for start in range(0, len(chosen), _JOBS_AT_ONCE):
        if time.monotonic() > deadline:
            return np.array(found, dtype=np.int32), False
        has_line = (
            select(job_log_lines.c.seq)
            .where(job_log_lines.c.log_id == job_logs.c.log_id, _has(text))
            .correlate(job_logs)
            .exists()
        )
        query = (
            select(jobs.c.slot)
            .join(job_logs, job_logs.c.job_id == jobs.c.job_id)
            .where(jobs.c.slot.in_(chosen[start : start + _JOBS_AT_ONCE]), has_line)
        )
        found += (await connection.execute(query)).scalars()
    return np.array(found, dtype=np.int32), True


def _has(text: str) -> ColumnElement[bool]:
    # SQLite knows the case of ASCII letters only, so of other letters the usual spellings are looked for.
    spellings = {text} if text.isascii() else {text, text.lower(), text.upper(), text.capitalize()}
    return or_(*(job_log_lines.c.message.icontains(spelling, autoescape=True) for spelling in spellings))
