"""Reading one job's stored lines: the newest page, the next, those that hold a word, in a log of a million lines.

A reader sees lines by (timestamp, seq); a follower takes them by seq, the order in which they were stored. Both ways
go along an index and stop at the limit, whatever the length of the log.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.store.log_tables import NOTABLE, job_log_lines, job_logs

SCAN = 1000
"""Lines that are read at a time when the database cannot decide alone whether a line holds the searched text."""

Place = tuple[datetime, int]
"""Where a line stands for a reader: its time and its ``seq``."""


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One log line of a job. ``seq`` grows within the job from 1; ``level`` is Python's number."""

    seq: int
    line_id: str
    timestamp: datetime
    level: int
    message: str
    attempt: int

    @property
    def place(self) -> Place:
        """Where it stands for a reader."""
        return self.timestamp, self.seq


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines are wanted: at least of this level, from ``since`` on, holding this text in any case."""

    min_level: int = 0
    since: datetime | None = None
    contains: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptStarts:
    """When each attempt of a job began. A line belongs to the last attempt that had begun at its time."""

    starts: tuple[datetime, ...] = field(default=())

    def attempt_at(self, moment: datetime) -> int:
        """The number of the attempt that wrote a line at this time; what came before the first is of the first."""
        return max(1, sum(start <= moment for start in self.starts))

    def span(self, attempt: int) -> tuple[datetime | None, datetime | None]:
        """From when (inclusive) until when (exclusive) this attempt wrote; None is open."""
        begin = self.starts[attempt - 1] if 1 < attempt <= len(self.starts) else None
        end = self.starts[attempt] if attempt < len(self.starts) else None
        return begin, end

    def knows(self, attempt: int) -> bool:
        """Whether a line can be of this attempt."""
        return attempt <= max(1, len(self.starts))


_line = job_log_lines.c
_COLUMNS = (_line.seq, _line.line_id, _line.timestamp, _line.level, _line.message)
_place = tuple_(_line.timestamp, _line.seq)


def _like(text: str) -> str:
    """A LIKE pattern that every message holding this text matches; letters beyond ASCII stand for anything in it.

    SQLite knows upper and lower case in ASCII only, so other letters are compared in Python.
    """
    escaped = "".join(f"\\{sign}" if sign in "\\%_" else sign if sign.isascii() else "%" for sign in text)
    return f"%{escaped}%"


def _conditions(wanted: LineFilter, attempts: AttemptStarts) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.min_level >= NOTABLE:
        # Said in figures and not as a parameter: only so does a planner see that the partial index holds them all.
        found.append(literal_column("job_log_lines.level") >= literal_column(str(NOTABLE)))
    if wanted.min_level not in (0, NOTABLE):
        found.append(_line.level >= wanted.min_level)
    if wanted.since is not None:
        found.append(_line.timestamp >= wanted.since)
    if wanted.attempt is not None:
        begin, end = attempts.span(wanted.attempt)
        if begin is not None:
            found.append(_line.timestamp >= begin)
        if end is not None:
            found.append(_line.timestamp < end)
    if wanted.contains:
        found.append(_line.message.ilike(_like(wanted.contains), escape="\\"))
    return found


def _edge(place: Place) -> Any:
    return tuple_(literal(place[0], _line.timestamp.type), literal(place[1]))


async def _place_of(connection: AsyncConnection, log_id: int, seq: int) -> Place | None:
    query = select(_line.timestamp, _line.seq).where(_line.log_id == log_id, _line.seq >= seq)
    row = (await connection.execute(query.order_by(_line.seq).limit(1))).first()
    return None if row is None else (row.timestamp, row.seq)


async def read_page(
    connection: AsyncConnection,
    log_id: int,
    wanted: LineFilter,
    attempts: AttemptStarts,
    *,
    after: int | None = None,
    before: int | None = None,
    behind: Place | None = None,
    newest_first: bool = False,
    limit: int,
) -> list[StoredLine]:
    """The first ``limit`` matching lines in a reader's order, or from its end.

    Args:
        connection: to read by.
        log_id: of which log.
        wanted: which lines.
        attempts: when the job's attempts began.
        after: only lines that were stored behind the one with this number.
        before: only lines that stand, for a reader, in front of the one with this number.
        behind: only lines that come, in the asked order, after this place.
        newest_first: take and give them from the end.
        limit: how many at most.
    """
    query = select(*_COLUMNS).where(_line.log_id == log_id, *_conditions(wanted, attempts))
    if after is not None:
        query = query.where(_line.seq > after)
    if before is not None and (place := await _place_of(connection, log_id, before)):
        query = query.where(_place < _edge(place))
    if newest_first:
        query = query.order_by(_line.timestamp.desc(), _line.seq.desc())
    else:
        query = query.order_by(_line.timestamp, _line.seq)

    def further(last: StoredLine | None) -> Select[Any]:
        place = behind if last is None else last.place
        if place is None:
            return query
        return query.where(_place < _edge(place) if newest_first else _place > _edge(place))

    return await _collect(connection, further, wanted, attempts, limit)


async def read_behind(
    connection: AsyncConnection, log_id: int, wanted: LineFilter, attempts: AttemptStarts, *, after: int, limit: int
) -> list[StoredLine]:
    """The next ``limit`` matching lines in the order of their numbers: what a follower who stands at ``after`` lacks.

    While older lines are still being copied behind newer ones (a gap), a follower in front of the gap is not led
    across it, and one behind it does not hear of it. One statement decides, so that no gap can open in between.
    """
    log = job_logs.c
    query = (
        select(*_COLUMNS)
        .join(job_logs, log.log_id == _line.log_id)
        .where(log.log_id == log_id, *_conditions(wanted, attempts))
        .order_by(_line.seq)
    )

    def further(last: StoredLine | None) -> Select[Any]:
        at = after if last is None else last.seq
        gap = log.gap_end
        return query.where(_line.seq > at, or_(gap.is_(None), _line.seq < gap, gap <= at))

    return await _collect(connection, further, wanted, attempts, limit)


async def _collect(
    connection: AsyncConnection,
    further: Callable[[StoredLine | None], Select[Any]],
    wanted: LineFilter,
    attempts: AttemptStarts,
    limit: int,
) -> list[StoredLine]:
    """Take from the query until there are enough; what ASCII cannot decide about a text is decided here."""
    if wanted.attempt is not None and not attempts.knows(wanted.attempt):
        return []
    text = wanted.contains if wanted.contains and not wanted.contains.isascii() else None
    size = limit if text is None else SCAN
    found: list[StoredLine] = []
    last: StoredLine | None = None
    while True:
        rows = (await connection.execute(further(last).limit(size))).all()
        page = [_stored(row, attempts) for row in rows]
        found += page if text is None else [line for line in page if text.casefold() in line.message.casefold()]
        if text is None or len(found) >= limit or len(page) < size:
            return found[:limit]
        last = page[-1]


def _stored(row: Any, attempts: AttemptStarts) -> StoredLine:
    seq, line_id, timestamp, level, message = row
    return StoredLine(seq, line_id, timestamp, level, message, attempts.attempt_at(timestamp))
