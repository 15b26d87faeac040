"""A log as a file, made page by page, so that a million lines take no more memory than a thousand.

Where the log is still being copied out of Prefect, the file waits for the lines that are missing and goes on: it ends
with the last line that was there when it got so far.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import takewhile
from typing import Literal

from prefect_jobs.api.wire import LogEntry, level_name, with_z
from prefect_jobs.events.export_file import csv_text
from prefect_jobs.jobs import Job
from prefect_jobs.log_tail import LogReach, LogTails
from prefect_jobs.store import LineFilter, LogBook, LogGap, LogStore, StoredLine

DownloadFormat = Literal["txt", "jsonl", "csv"]

CONTENT_TYPES: dict[DownloadFormat, str] = {
    "txt": "text/plain; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}
HEADING = "Timestamp,Level,Attempt,Message\r\n"
FIRST_PAGE = 200
PAGE = 2000
LOOK_AGAIN = 1.0
"""Seconds after which a download that waits for lines looks by itself."""

GIVE_UP_AFTER = 60.0
"""Seconds without a new line after which a download that lacks lines breaks off."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def file_name(job_type: str, job_id: str, format: DownloadFormat, *, complete: bool = True) -> str:
    """``export-5d1c0f4e-7a52.txt``: letters, digits, ``-`` and ``_`` of what the job is called, and nothing else."""
    words = [_UNSAFE.sub("-", text)[:64].strip("-") for text in (job_type, job_id)]
    words += [] if complete else ["incomplete"]
    return "-".join(word for word in words if word) + f".{format}"


def _txt(line: StoredLine) -> str:
    return f"{with_z(line.timestamp)} {level_name(line.level):<7} {line.message}\n"


def _jsonl(line: StoredLine) -> str:
    return LogEntry.of(line).model_dump_json() + "\n"


def _csv(line: StoredLine) -> str:
    # Spreadsheets execute cells that begin like a formula: guarded as in the exports.
    return f"{with_z(line.timestamp)},{level_name(line.level)},{line.attempt},{csv_text(line.message)}\r\n"


WRITERS: dict[DownloadFormat, Callable[[StoredLine], str]] = {"txt": _txt, "jsonl": _jsonl, "csv": _csv}


class LogDownload:
    """The matching lines of one job's log, as a file.

    Args:
        tails: what copies the log.
        store: where the lines are.
        job: whose log.
        wanted: which lines.
        reach: what is known of the log. Where Prefect could not be read, the file has what is stored; else it ends only
            when no line is missing.
    """

    def __init__(self, tails: LogTails, store: LogStore, job: Job, wanted: LineFilter, reach: LogReach) -> None:
        self._tails = tails
        self._reach = reach
        self._store = store
        self._job = job
        self._wanted = wanted

    async def chunks(self, format: DownloadFormat) -> AsyncIterator[bytes]:
        """The bytes of the file, page by page.

        Raises:
            TimeoutError: lines are missing, and Prefect has not given them for a long time.
        """
        write = WRITERS[format]
        if format == "csv":
            yield HEADING.encode()
        async for page in self._pages():
            yield "".join([write(line) for line in page]).encode("utf-8", "replace")

    async def _pages(self) -> AsyncIterator[list[StoredLine]]:
        began = datetime.now(UTC)
        size, behind, given_up_at = FIRST_PAGE, None, time.monotonic() + GIVE_UP_AFTER
        while True:
            news = self._tails.news_of(self._job.job_id)
            book = await self._store.book(self._job.job_id)
            gap = None if self._reach.failed else book.gap
            found = await self._store.in_order(self._job.job_id, self._wanted, behind=behind, limit=size)
            # What stands behind a gap comes when the gap is filled.
            page = found if gap is None else _in_front_of(gap, found)
            if page:
                behind, given_up_at = page[-1].place, time.monotonic() + GIVE_UP_AFTER
                yield page
            at_the_end = len(page) < size
            if (
                at_the_end
                and gap is None
                and ((news is None and self._is_proved(book)) or (behind is not None and behind[0] > began))
            ):
                return
            if at_the_end:
                if time.monotonic() > given_up_at:
                    # A file that ends as if it were whole would be a lie: the connection breaks off instead.
                    raise TimeoutError(f"the log of {self._job.job_id} could not be read to its end")
                await self._next(news)
            size = PAGE

    def _is_proved(self, book: LogBook) -> bool:
        """Whether as much is known of the log as the file promises: a copy that failed is no end."""
        return self._reach.complete or self._reach.failed or book.whole_at != self._reach.as_of

    async def _next(self, news: asyncio.Event | None) -> None:
        if news is None:
            self._tails.begin(self._job)
            await asyncio.sleep(LOOK_AGAIN)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN):
                await news.wait()


def _in_front_of(gap: LogGap, lines: list[StoredLine]) -> list[StoredLine]:
    return list(takewhile(lambda line: line.seq < gap.end_seq, lines))
