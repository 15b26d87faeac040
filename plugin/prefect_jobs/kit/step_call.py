"""A job's steps, for whoever looks at it: what it does now, and afterwards what took how long and what broke."""

from collections.abc import Generator
from contextlib import contextmanager

from prefect_jobs.kit.progress_call import current_reporter
from prefect_jobs.kit.stop_flag import JobStopped


@contextmanager
def step(name: str) -> Generator[None]:
    """A step of the job: `with step("Writing the archive"): …`, in sync and async code alike.

    While it lasts its name is the job's message (until `progress` gives another one), and it stays in the job's history
    with its times and how it ended. Meant for the handful of things a job does one after another: of more than 100 in
    one attempt only the newest are kept. Outside of a job it does nothing.
    """
    reporter = current_reporter.get()
    if reporter is None:
        yield
        return
    begun = reporter.begin_step(name)
    outcome = "stopped"
    try:
        yield
        outcome = "done"
    except JobStopped:
        raise
    except BaseException:
        outcome = "failed"
        raise
    finally:
        reporter.end_step(begun, outcome)
