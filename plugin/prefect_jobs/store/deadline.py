"""SQLite has no limit for a statement's time, but asks between its steps whether to go on: the limit is ours."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection

STEPS_BETWEEN_LOOKS = 20_000
"""Steps of SQLite's virtual machine: a look costs nothing, and comes about every millisecond."""
_DEADLINE = "prefect_jobs_deadline"


class _Deadline:
    """When SQLite has to give a statement up. Asked by SQLite itself, in the connection's own thread."""

    def __init__(self) -> None:
        self.limit: float | None = None
        self.at = float("inf")

    def passed(self) -> bool:
        return time.monotonic() > self.at


def watch_sqlite(engine: Engine) -> None:
    """Let SQLite ask, every so many steps, whether the time of its statement is up."""

    def connected(connection: Any, record: Any) -> None:
        deadline = record.info[_DEADLINE] = _Deadline()

        def ask_often(driver: Any) -> Any:
            return driver.set_progress_handler(deadline.passed, STEPS_BETWEEN_LOOKS)

        connection.run_async(ask_often)

    def begins(connection: Any, *_: object) -> None:
        deadline: _Deadline = connection.info[_DEADLINE]
        if deadline.limit is not None:
            deadline.at = time.monotonic() + deadline.limit

    def ended(connection: Any, *_: object) -> None:
        connection.info[_DEADLINE].at = float("inf")

    event.listen(engine, "connect", connected)
    event.listen(engine, "before_cursor_execute", begins)
    event.listen(engine, "after_cursor_execute", ended)


async def deadline_of(connection: AsyncConnection) -> _Deadline:
    """What this connection's statements are timed by."""
    return (await connection.get_raw_connection()).info[_DEADLINE]


@contextmanager
def limited(deadline: _Deadline, seconds: float) -> Generator[None]:
    """Give each statement in here so many seconds."""
    deadline.limit = seconds
    try:
        yield
    finally:
        deadline.limit, deadline.at = None, float("inf")
