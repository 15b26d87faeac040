"""How a job says how far it is: `progress`, from its own code, its tasks' threads and its async code alike.

Which run is meant follows the context: Prefect hands it on to the threads of its tasks, asyncio to its tasks.
"""

from contextvars import ContextVar
from typing import overload

from prefect_jobs.kit.reporter import Reporter

current_reporter: ContextVar[Reporter | None] = ContextVar("prefect_jobs_reporter", default=None)
"""The reporter of the run whose body is being executed, if any."""


@overload
def progress(done: float, total: float, message: str | None = None) -> None: ...
@overload
def progress(*, percent: float, message: str | None = None) -> None: ...
def progress(
    done: float | None = None, total: float | None = None, message: str | None = None, *, percent: float | None = None
) -> None:
    """Say how far the job is, as `done` of `total` or in percent, and what it does (up to 1,000 characters).

    Call it as often as you like: only the newest value is sent, ten times a second at most. Percents are cut to whole
    numbers from 0 to 100; `total` 0 is 100. Outside of a job it does nothing, and a lost server never makes it raise.
    Threads that you start yourself report nothing unless you start them with `contextvars.copy_context().run`.
    """
    if percent is None:
        if done is None or total is None:
            raise TypeError("progress() takes `done` and `total`, or `percent`")
        percent = 100 * done / total if total else 100
    reporter = current_reporter.get()
    if reporter is not None:
        reporter.report(whole_percent(percent), message)


def whole_percent(percent: float) -> int:
    """The percent rounded down to an integer from 0 to 100; not-a-number is 0."""
    if percent >= 100:
        return 100
    return int(percent) if percent > 0 else 0
