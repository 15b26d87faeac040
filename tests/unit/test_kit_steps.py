"""The steps of a job: what is told of them, and that nothing goes wrong around them."""

import json
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from prefect_jobs import JobStopped, progress, step
from prefect_jobs.kit.progress_call import current_reporter
from prefect_jobs.kit.reporter import Reporter
from prefect_jobs.kit.step_book import StepBook
from prefect_jobs.kit.wire import STEPS_LIMIT
from tests.unit.test_kit_progress import FakeSink

T0 = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def reporter(sink: FakeSink) -> Generator[Reporter]:
    reporter = Reporter(sink.opened, attempt=2, labels={})
    token = current_reporter.set(reporter)
    yield reporter
    current_reporter.reset(token)


def told(sink: FakeSink) -> dict[str, Any]:
    return json.loads(sink.labels["prefect-jobs.steps.2"])


def seconds() -> Iterator[datetime]:
    return (T0 + timedelta(seconds=second) for second in count())


def test_outside_of_a_job_a_step_does_nothing() -> None:
    with step("alone"):
        pass


def test_steps_are_told_with_their_times_and_how_they_ended(sink: FakeSink, reporter: Reporter) -> None:
    with step("Read"):
        pass
    with pytest.raises(ValueError, match="disk full"), step("Write"):
        raise ValueError("disk full")
    with pytest.raises(JobStopped), step("Clean"):
        raise JobStopped
    reporter.close({})
    steps = told(sink)["steps"]
    assert [(one["name"], one["outcome"]) for one in steps] == [
        ("Read", "done"),
        ("Write", "failed"),
        ("Clean", "stopped"),
    ]
    assert all(one["started_at"] <= one["ended_at"] for one in steps)
    assert (told(sink)["attempt"], told(sink)["dropped"]) == (2, 0)


def test_a_step_is_what_the_job_does_now_and_keeps_its_percent(sink: FakeSink, reporter: Reporter) -> None:
    progress(percent=40, message="half of it")
    with step("Writing the archive"):
        pass
    reporter.close({})
    assert (sink.events[-1]["percent"], sink.events[-1]["message"]) == (40, "Writing the archive")


def test_a_running_step_has_no_end_yet() -> None:
    times = seconds()
    book = StepBook(attempt=1, now=lambda: next(times))
    outer = book.begin("outer")
    book.end(book.begin("inner"), "done")
    first = json.loads(book.news()["prefect-jobs.steps.1"])["steps"]
    assert [(one["name"], one["ended_at"], one["outcome"]) for one in first] == [
        ("outer", None, None),
        ("inner", "2026-03-04T08:15:02.000000+00:00", "done"),
    ]
    assert book.news() == {}
    book.end(outer, "done")
    assert json.loads(book.news()["prefect-jobs.steps.1"])["steps"][0]["outcome"] == "done"


def test_of_very_many_steps_the_newest_are_kept() -> None:
    """A step in a loop over a million events must not become a label of a hundred megabytes."""
    book = StepBook(attempt=1)
    first = book.begin("first")
    for number in range(STEPS_LIMIT + 4):
        book.end(book.begin(f"step {number}"), "done")
    book.end(first, "done")  # it is not there any more
    payload = json.loads(book.news()["prefect-jobs.steps.1"])
    assert (len(payload["steps"]), payload["dropped"]) == (STEPS_LIMIT, 5)
    assert payload["steps"][-1]["name"] == f"step {STEPS_LIMIT + 3}"


def test_a_step_that_cannot_be_told_does_not_hurt_the_job() -> None:
    def broken() -> AbstractContextManager[FakeSink]:
        raise RuntimeError("no address")

    reporter = Reporter(broken, attempt=1, labels={})
    token = current_reporter.set(reporter)
    with step("alone"):
        pass
    current_reporter.reset(token)
    reporter.close({})
