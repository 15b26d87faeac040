"""The copied logs: every line of Prefect's own, once, with a number that never changes.

Prefect's table has no count, no order among equal times and no cursor. Here each line gets the next ``seq`` of its job
when it is stored, so that a reader can say where it stands; views are ordered by (timestamp, seq).

Where the newest lines are wanted before the older ones are copied, they are stored with numbers far ahead: the gap in
front of them is large enough for what is missing. A follower meets every line once, in the order of the numbers.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.clean_text import clean
from prefect_jobs.gateway.runs import LogLine
from prefect_jobs.store.database import Database
from prefect_jobs.store.log_gaps import LineGap, line_gaps
from prefect_jobs.store.log_pages import AttemptStarts, LineFilter, Place, StoredLine, read_behind, read_page
from prefect_jobs.store.log_tables import job_log_lines, job_logs
from prefect_jobs.store.tables import EPOCH, from_microseconds, to_microseconds

GAP = 100_000_000
"""Numbers that are left free for the lines in front of a tail that was stored first."""
MAX_SEQ = 2**31 - 1
MAX_LEVEL = 2**31 - 1
"""What a level may be in the database. Python takes any number."""
DROP_AT_ONCE = 5000
"""Lines that one transaction deletes: other writers wait for it."""
USE_NOTED_EVERY = timedelta(hours=1)

_LEVELS = ((40, "error"), (30, "warning"), (20, "info"), (0, "debug"))


@dataclass(frozen=True, slots=True)
class LogGap:
    """Older lines that are not stored yet, behind which newer ones are: by number and by time."""

    next_seq: int
    end_seq: int
    copied_to: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class LogBook:
    """How much of a job's log is stored."""

    log_id: int = 0
    lines: int = 0
    last_seq: int = 0
    newest: datetime | None = None
    gap: LogGap | None = None
    whole_at: datetime | None = None
    """When Prefect last held no line that is not stored here."""
    settled_for: datetime | None = None
    """The end time of the job for which the log is whole for good."""
    by_level: Mapping[str, int] = field(default_factory=lambda: {name: 0 for _, name in reversed(_LEVELS)})
    """Lines of each of the contract's levels, in lower case."""
    attempts: AttemptStarts = field(default_factory=AttemptStarts)

    def at_least(self, level: int) -> int:
        """How many lines are of this level or above."""
        return sum(count for least, name in _LEVELS if least >= level for count in [self.by_level[name]])


def _level_name(level: int) -> str:
    return next((name for least, name in _LEVELS if level >= least), "debug")


class LogStore:
    """The stored log lines of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- writing --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _log(
        self, job_id: str, *, now: datetime | None = None
    ) -> AsyncGenerator[tuple[AsyncConnection, LogBook]]:
        """A transaction on one job's log, which is begun when there is none yet."""
        async with self._database.writing() as connection:
            # Locked where the database can: another replica may be copying the same log.
            query = select(job_logs).where(job_logs.c.job_id == job_id).with_for_update()
            row = (await connection.execute(query)).first()
            if row is None:
                counts = {"lines": 0, "debug": 0, "info": 0, "warning": 0, "error": 0, "last_seq": 0}
                await connection.execute(insert(job_logs).values(job_id=job_id, used_at=EPOCH, **counts))
                row = (await connection.execute(query)).one()
            yield connection, _book(row)

    async def add(self, job_id: str, lines: Sequence[LogLine]) -> int:
        """Store the lines that are not stored yet, numbered in the order of their times. Returns how many were new."""
        async with self._database.reading() as connection:
            # A watched log is read again and again, and mostly brings nothing: no writer must wait for that.
            if not await _unknown(connection, await self._read_book(connection, job_id), lines):
                return 0
        async with self._log(job_id) as (connection, book):
            fresh = await _unknown(connection, book, lines)
            # Lines that belong in an open gap get its numbers: a follower behind it does not ask for them.
            older = 0 if book.gap is None else sum(line.timestamp <= book.gap.until for line in fresh)
            await _write_in_gap(connection, book, fresh[:older])
            await _write(connection, book, fresh[older:], first_seq=book.last_seq + 1)
            return len(fresh)

    async def add_newest(self, job_id: str, page: Sequence[LogLine], *, is_all: bool) -> int:
        """Store the newest lines of a log, of which older ones may be missing: then a gap is left for them.

        Args:
            job_id: the job.
            page: its newest lines, as Prefect gave them.
            is_all: Prefect holds no others.

        Returns:
            How many were stored. None are where a gap is needed and another one is still open.
        """
        async with self._log(job_id) as (connection, book):
            fresh = await _unknown(connection, book, page)
            if not fresh:
                return 0
            seq = book.last_seq + 1
            if not is_all and len(fresh) == len(page):
                if book.gap is not None or book.last_seq > MAX_SEQ - 2 * GAP:
                    return 0
                seq = book.last_seq + GAP
                gap = {
                    "gap_next": book.last_seq + 1,
                    "gap_end": seq,
                    "gap_from": book.newest,
                    "gap_until": fresh[0].timestamp,
                }
                await connection.execute(update(job_logs).where(job_logs.c.log_id == book.log_id).values(gap))
            await _write(connection, book, fresh, first_seq=seq)
            return len(fresh)

    async def fill_gap(self, job_id: str, lines: Sequence[LogLine], *, copied_to: datetime | None) -> int:
        """Store lines in the open gap and note up to which time it is copied; None closes it."""
        async with self._log(job_id) as (connection, book):
            if book.gap is None:
                return 0
            fresh = await _unknown(connection, book, lines)
            await _write_in_gap(connection, book, fresh)
            closed = {"gap_next": None, "gap_end": None, "gap_from": None, "gap_until": None}
            values = closed if copied_to is None else {"gap_from": copied_to}
            await connection.execute(update(job_logs).where(job_logs.c.log_id == book.log_id).values(values))
            return len(fresh)

    async def note_whole(self, job_id: str, at: datetime, *, settled_for: datetime | None = None) -> None:
        """Note that nothing was missing at this time, and for good if the job ended at ``settled_for``."""
        async with self._log(job_id) as (connection, book):
            values: dict[str, Any] = {"whole_at": at, "settled_for": settled_for}
            if settled_for is not None:
                values["used_at"] = at
            await connection.execute(update(job_logs).where(job_logs.c.log_id == book.log_id).values(values))

    async def note_attempts(self, job_id: str, starts: Sequence[datetime]) -> None:
        """Keep when each attempt of the job began."""
        async with self._log(job_id) as (connection, book):
            values = {"attempt_starts": [to_microseconds(start) for start in starts]}
            await connection.execute(update(job_logs).where(job_logs.c.log_id == book.log_id).values(values))

    async def note_use(self, job_id: str, now: datetime) -> None:
        """Somebody looks at this log: it is kept longer. Exact to the hour."""
        mine = (job_logs.c.job_id == job_id, job_logs.c.used_at < now - USE_NOTED_EVERY)
        async with self._database.reading() as connection:
            if (await connection.execute(select(job_logs.c.log_id).where(*mine))).first() is None:
                return
        async with self._database.writing() as connection:
            await connection.execute(update(job_logs).where(*mine).values(used_at=now))

    # -- reading --------------------------------------------------------------------------------------------------

    async def book(self, job_id: str) -> LogBook:
        """How much of this job's log is stored."""
        async with self._database.reading() as connection:
            return await self._read_book(connection, job_id)

    async def gaps(self, job_ids: Sequence[str]) -> dict[str, LineGap]:
        """The longest time between two lines of each of these logs that holds one."""
        if not job_ids:
            return {}
        async with self._database.reading() as connection:
            return await line_gaps(connection, job_ids)

    @staticmethod
    async def _read_book(connection: AsyncConnection, job_id: str) -> LogBook:
        row = (await connection.execute(select(job_logs).where(job_logs.c.job_id == job_id))).first()
        return LogBook() if row is None else _book(row)

    async def in_order(
        self,
        job_id: str,
        wanted: LineFilter | None = None,
        *,
        after: int | None = None,
        before: int | None = None,
        behind: Place | None = None,
        newest_first: bool = False,
        limit: int,
    ) -> list[StoredLine]:
        """The first ``limit`` matching lines as a reader sees them, or the last; see ``read_page``."""
        wanted = wanted or LineFilter()
        async with self._database.reading() as connection:
            book = await self._read_book(connection, job_id)
            if book.at_least(wanted.min_level) == 0:
                return []
            return await read_page(
                connection, book.log_id, wanted, book.attempts,
                after=after, before=before, behind=behind, newest_first=newest_first, limit=limit,
            )  # fmt: skip

    async def behind(
        self, job_id: str, after: int, wanted: LineFilter | None = None, *, limit: int
    ) -> list[StoredLine]:
        """The next ``limit`` lines behind the number ``after`` in the order of storing: what a follower lacks."""
        wanted = wanted or LineFilter()
        async with self._database.reading() as connection:
            book = await self._read_book(connection, job_id)
            if book.at_least(wanted.min_level) == 0:
                return []
            return await read_behind(connection, book.log_id, wanted, book.attempts, after=after, limit=limit)

    async def count_until(self, job_id: str, moment: datetime) -> int:
        """How many of the stored lines are not later than this time."""
        query = (
            select(func.count())
            .select_from(job_log_lines)
            .join(job_logs, job_logs.c.log_id == job_log_lines.c.log_id)
            .where(job_logs.c.job_id == job_id, job_log_lines.c.timestamp <= moment)
        )
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar_one()

    # -- forgetting -----------------------------------------------------------------------------------------------

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Drop the logs of these jobs. Other writers get their turn in between."""
        for job_id in job_ids:
            log_id = (await self.book(job_id)).log_id
            mine = job_log_lines.c.log_id == log_id
            while True:
                oldest = select(job_log_lines.c.seq).where(mine).order_by(job_log_lines.c.seq).limit(DROP_AT_ONCE)
                async with self._database.writing() as connection:
                    last = (await connection.execute(select(func.max(oldest.subquery().c.seq)))).scalar()
                    if last is None:
                        await connection.execute(delete(job_logs).where(job_logs.c.job_id == job_id))
                        break
                    await connection.execute(delete(job_log_lines).where(mine, job_log_lines.c.seq <= last))

    async def expired(self, *, unused_since: datetime, most_lines: int) -> list[str]:
        """The settled logs to drop: unused since then, and the longest unused while more lines than this are kept."""
        settled = job_logs.c.settled_for.is_not(None)
        async with self._database.reading() as connection:
            total = (await connection.execute(select(func.coalesce(func.sum(job_logs.c.lines), 0)))).scalar_one()
            query = select(job_logs.c.job_id, job_logs.c.lines, job_logs.c.used_at).where(settled)
            found: list[str] = []
            for row in (await connection.execute(query.order_by(job_logs.c.used_at, job_logs.c.log_id))).all():
                if row.used_at >= unused_since and total <= most_lines:
                    break
                total -= row.lines
                found.append(row.job_id)
            return found


def _book(row: Any) -> LogBook:
    gap = None if row.gap_end is None else LogGap(row.gap_next, row.gap_end, row.gap_from, row.gap_until)
    return LogBook(
        log_id=row.log_id,
        lines=row.lines,
        last_seq=row.last_seq,
        newest=row.newest,
        gap=gap,
        whole_at=row.whole_at,
        settled_for=row.settled_for,
        by_level={"debug": row.debug, "info": row.info, "warning": row.warning, "error": row.error},
        attempts=AttemptStarts(tuple(from_microseconds(start) for start in row.attempt_starts or ())),
    )


async def _unknown(connection: AsyncConnection, book: LogBook, lines: Sequence[LogLine]) -> list[LogLine]:
    """Those of the lines that are not stored, each once, by time."""
    ids = [line.id for line in lines]
    known = select(job_log_lines.c.line_id).where(
        job_log_lines.c.log_id == book.log_id, job_log_lines.c.line_id.in_(ids)
    )
    stored = set((await connection.execute(known)).scalars())
    fresh = {line.id: line for line in lines if line.id not in stored}
    return sorted(fresh.values(), key=lambda line: line.timestamp)


async def _write_in_gap(connection: AsyncConnection, book: LogBook, lines: Sequence[LogLine]) -> None:
    """Store lines with the numbers that were left free for them; what the gap does not hold comes behind everything."""
    if book.gap is None or not lines:
        return
    fits = lines[: book.gap.end_seq - book.gap.next_seq]
    await _write(connection, book, fits, first_seq=book.gap.next_seq, in_gap=True)
    await _write(connection, book, lines[len(fits) :], first_seq=book.last_seq + 1)
    values = {"gap_next": book.gap.next_seq + len(fits)}
    await connection.execute(update(job_logs).where(job_logs.c.log_id == book.log_id).values(values))


async def _write(
    connection: AsyncConnection, book: LogBook, lines: Sequence[LogLine], *, first_seq: int, in_gap: bool = False
) -> None:
    if not lines:
        return
    await connection.execute(
        insert(job_log_lines),
        [
            {
                "log_id": book.log_id,
                "seq": seq,
                "line_id": line.id,
                "timestamp": line.timestamp,
                "level": max(-MAX_LEVEL, min(line.level, MAX_LEVEL)),
                "message": clean(line.message),
            }
            for seq, line in enumerate(lines, first_seq)
        ],
    )
    values: dict[str, Any] = {"lines": job_logs.c.lines + len(lines)}
    for _, name in _LEVELS:
        if count := sum(_level_name(line.level) == name for line in lines):
            values[name] = job_logs.c[name] + count
    if not in_gap:
        values["last_seq"] = first_seq + len(lines) - 1
        values["newest"] = lines[-1].timestamp if book.newest is None else max(book.newest, lines[-1].timestamp)
    await connection.execute(update(job_logs).where(job_logs.c.log_id == book.log_id).values(values))
