"""A job's stored log, page by page.

Servers that number their lines (contract 16.5) are read by number. Servers of the bare contract can only be read by
time, from the last line's on: the lines of that very moment come again, and as many as were seen are skipped.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from prefect_jobs.client.connection import Connection, Query, job_path
from prefect_jobs.client.errors import ServerFailed
from prefect_jobs.client.values import LogLine, LogState, read

PAGE = 1000
LARGEST_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted: a least severity, a time they are not older than, words they contain, an attempt."""

    level: str | None = None
    since: datetime | None = None
    contains: str | None = None
    attempt: int | None = None

    def query(self) -> dict[str, Query]:
        """As query parameters."""
        return {"level": self.level, "since": self.since, "contains": self.contains, "attempt": self.attempt}

    def passes(self, line: LogLine) -> bool:
        """Whether a line is wanted, for servers that do not ask themselves all of this."""
        return (
            severity(line.level) >= severity(self.level)
            and (self.since is None or line.timestamp >= self.since)
            and (self.contains is None or self.contains.lower() in line.message.lower())
            and self.attempt in (None, line.attempt_number)
        )


def severity(level: str | None) -> int:
    """The rank of a level; a word that is none lets everything pass, as on the server."""
    return {"INFO": 1, "WARNING": 2, "ERROR": 3}.get((level or "").upper(), 0)


class StoredLog:
    """The stored lines of one job."""

    def __init__(self, connection: Connection, job_id: str) -> None:
        self._connection = connection
        self._job_id = job_id

    def lines(self, wanted: LogFilter, *, after: int = 0) -> Iterator[LogLine]:
        """Every wanted line stored behind the one with this ``seq``, in the order in which they were stored."""
        while True:
            lines, body = self._page(wanted, {"after": after, "limit": PAGE})
            if lines and lines[0].seq is None:
                yield from self._by_time(wanted, lines, has_more=bool(body.get("has_more")))
                return
            lines.sort(key=lambda line: line.seq or 0)
            yield from (line for line in lines if (line.seq or 0) > after)
            if not body.get("has_more") or not lines:
                return
            before, after = after, max(after, *(line.seq or 0 for line in lines))
            if after == before:
                raise ServerFailed("The server gave the same page of the log twice")

    def tail(self, wanted: LogFilter, count: int) -> list[LogLine]:
        """The newest ``count`` wanted lines, oldest of them first. At most 10,000.

        Raises:
            ValueError: that many are not to be had.
        """
        if not 1 <= count <= LARGEST_PAGE:
            raise ValueError(f"The tail of a log has 1 to {LARGEST_PAGE:,} lines, not {count}")
        lines, body = self._page(wanted, {"order": "desc", "limit": count})
        if body.get("has_more") and "total_lines" not in body:  # a server that knows no order gave the oldest
            return list(deque(self.lines(wanted), count))
        return sorted(lines, key=lambda line: (line.timestamp, line.seq or 0))

    def state(self) -> LogState:
        """How many lines the server has of the log, and whether and when these were all."""
        _, body = self._page(LogFilter(), {"order": "desc", "limit": 1})
        return read(LogState, body)

    def _by_time(self, wanted: LogFilter, lines: list[LogLine], *, has_more: bool) -> Iterator[LogLine]:
        limit = PAGE
        skip = 0
        while True:
            yield from (line for line in lines[skip:] if wanted.passes(line))
            if not has_more or not lines:
                return
            last = lines[-1].timestamp
            skip = sum(line.timestamp == last for line in lines)
            if skip == len(lines):
                if limit == LARGEST_PAGE:
                    raise ServerFailed(f"More than {LARGEST_PAGE:,} log lines have the same time, and no number")
                limit = LARGEST_PAGE
            lines, body = self._page(wanted, {"since": last, "limit": limit})
            has_more = bool(body.get("has_more"))

    def _page(self, wanted: LogFilter, place: Mapping[str, Query]) -> tuple[list[LogLine], dict[str, Any]]:
        params = {**wanted.query(), **place}
        body: Any = self._connection.get(job_path(self._job_id, "logs"), params, job_id=self._job_id)
        lines: Any = cast("dict[str, Any]", body).get("logs") if isinstance(body, dict) else None
        if not isinstance(lines, list):
            raise ServerFailed("The server's answer is no log")
        return [read(LogLine, line) for line in cast("list[object]", lines)], cast("dict[str, Any]", body)
