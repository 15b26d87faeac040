"""The log table: every line of Prefect's own, once, with a number that never changes.

Prefect's table has no count, no order among equal times and no cursor. Here each line gets the next ``seq`` of its job
when it is stored, so that a reader can say where it stands; views are ordered by (timestamp, seq).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.gateway.runs import LogLine
from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import log_lines, log_settled


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One log line of a job. ``seq`` counts from 1 within the job; ``level`` is Python's number."""

    seq: int
    line_id: str
    timestamp: datetime
    level: int
    message: str
    attempt: int


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How much of a job's log is stored."""

    last_seq: int
    newest: datetime | None


_COLUMNS = [log_lines.c[name] for name in ("seq", "line_id", "timestamp", "level", "message", "attempt")]


class LogStore:
    """The stored log lines of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, job_id: str, lines: Sequence[LogLine], *, attempt: int) -> int:
        """Store the lines that are not stored yet, numbered in the order of their times. Returns how many were new."""
        async with self._database.writing() as connection:
            ids = [line.id for line in lines]
            known = set(
                (
                    await connection.execute(
                        select(log_lines.c.line_id).where(log_lines.c.job_id == job_id, log_lines.c.line_id.in_(ids))
                    )
                ).scalars()
            )
            fresh = {line.id: line for line in lines if line.id not in known}
            if not fresh:
                return 0
            last = (await self._position(connection, job_id)).last_seq
            await connection.execute(
                insert(log_lines),
                [
                    {
                        "job_id": job_id,
                        "seq": seq,
                        "line_id": line.id,
                        "timestamp": line.timestamp,
                        "level": line.level,
                        "message": line.message,
                        "attempt": attempt,
                    }
                    for seq, line in enumerate(sorted(fresh.values(), key=lambda line: line.timestamp), last + 1)
                ],
            )
            return len(fresh)

    async def in_order(
        self, job_id: str, *, min_level: int = 0, since: datetime | None = None, limit: int
    ) -> list[StoredLine]:
        """The first ``limit`` matching lines as a reader sees them: by time, then by ``seq``."""
        query = select(*_COLUMNS).where(log_lines.c.job_id == job_id, log_lines.c.level >= min_level)
        if since is not None:
            query = query.where(log_lines.c.timestamp >= since)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(log_lines.c.timestamp, log_lines.c.seq).limit(limit))
            return [StoredLine(*row) for row in rows.all()]

    async def behind(
        self, job_id: str, after: int, *, min_level: int = 0, since: datetime | None = None, limit: int
    ) -> list[StoredLine]:
        """The next ``limit`` lines behind the number ``after`` in the order of storing: what a follower lacks."""
        query = select(*_COLUMNS).where(
            log_lines.c.job_id == job_id, log_lines.c.seq > after, log_lines.c.level >= min_level
        )
        if since is not None:
            query = query.where(log_lines.c.timestamp >= since)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(log_lines.c.seq).limit(limit))
            return [StoredLine(*row) for row in rows.all()]

    async def position(self, job_id: str) -> LogPosition:
        """How much of this job's log is stored."""
        async with self._database.reading() as connection:
            return await self._position(connection, job_id)

    @staticmethod
    async def _position(connection: AsyncConnection, job_id: str) -> LogPosition:
        last = select(func.max(log_lines.c.seq), func.max(log_lines.c.timestamp)).where(log_lines.c.job_id == job_id)
        seq, newest = (await connection.execute(last)).one()
        return LogPosition(seq or 0, newest)

    async def settled(self, job_id: str) -> datetime | None:
        """The end time of the job for which its log is known to be whole."""
        async with self._database.reading() as connection:
            query = select(log_settled.c.completed_at).where(log_settled.c.job_id == job_id)
            return (await connection.execute(query)).scalar()

    async def settle(self, job_id: str, completed_at: datetime) -> None:
        """Note that the log is whole for a job that ended at this time."""
        async with self._database.writing() as connection:
            await connection.execute(delete(log_settled).where(log_settled.c.job_id == job_id))
            await connection.execute(insert(log_settled).values(job_id=job_id, completed_at=completed_at))

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Drop the logs of jobs that are gone."""
        async with self._database.writing() as connection:
            await connection.execute(delete(log_lines).where(log_lines.c.job_id.in_(job_ids)))
            await connection.execute(delete(log_settled).where(log_settled.c.job_id.in_(job_ids)))
