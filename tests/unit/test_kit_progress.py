"""Calling `progress`, and the thread behind it."""

import contextvars
import threading
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import pytest

from prefect_jobs.kit import progress
from prefect_jobs.kit.progress_call import current_reporter, whole_percent
from prefect_jobs.kit.reporter import Reporter

INFINITE = float("inf")


class FakeSink:
    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.labels: dict[str, str] = {}

    def announce(self, payload: Mapping[str, Any]) -> None:
        self.events.append(payload)

    def store(self, labels: Mapping[str, str]) -> None:
        self.labels |= labels

    @contextmanager
    def opened(self) -> Generator["FakeSink"]:
        yield self


class Recorder:
    """Stands in for a reporter."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, str | None]] = []

    def report(self, percent: int, message: str | None) -> None:
        self.reports.append((percent, message))


@pytest.fixture
def reports() -> Generator[list[tuple[int, str | None]]]:
    recorder = Recorder()
    token = current_reporter.set(cast(Reporter, recorder))
    yield recorder.reports
    current_reporter.reset(token)


def test_progress_counts_or_takes_a_percent(reports: list[tuple[int, str | None]]) -> None:
    progress(3, 8, "Processing event 3/8")
    progress(8, 8)
    progress(percent=80, message="Writing CSV file...")
    assert reports == [(37, "Processing event 3/8"), (100, None), (80, "Writing CSV file...")]


def test_nothing_to_do_is_done(reports: list[tuple[int, str | None]]) -> None:
    progress(0, 0)
    assert reports == [(100, None)]


@pytest.mark.parametrize(
    ("percent", "whole"),
    [(-5, 0), (0.9, 0), (37.5, 37), (99.99, 99), (1e9, 100), (INFINITE, 100), (-INFINITE, 0), (float("nan"), 0)],
)
def test_percents_are_whole_numbers_from_0_to_100(percent: float, whole: int) -> None:
    assert whole_percent(percent) == whole


def test_outside_of_a_job_progress_does_nothing() -> None:
    progress(1, 2, "nobody listens")


def test_calling_progress_with_half_the_arguments_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="`done` and `total`, or `percent`"):
        progress(5)  # pyright: ignore[reportCallIssue]  # the mistake under test


def test_a_thread_started_with_a_copy_of_the_context_reports_too(reports: list[tuple[int, str | None]]) -> None:
    thread = threading.Thread(target=contextvars.copy_context().run, args=(lambda: progress(percent=7),))
    thread.start()
    thread.join()
    assert reports == [(7, None)]


def test_of_a_million_values_few_leave_and_the_last_one_does() -> None:
    sink = FakeSink()
    reporter = Reporter(sink.opened, attempt=1, labels={"kit": "1"})
    for i in range(1_000_000):
        reporter.report(i // 10_000, None)
    reporter.report(100, "done")
    reporter.close({"result": "{}"})
    assert sink.events[-1]["percent"] == 100
    assert len(sink.events) < 1_000
    assert sink.labels.keys() == {"kit", "prefect-jobs.progress", "result"}


def test_reports_from_many_threads_are_never_mixed_up() -> None:
    sink = FakeSink()
    reporter = Reporter(sink.opened, attempt=1, labels={})

    def work(percent: int) -> None:
        for _ in range(20_000):
            reporter.report(percent, f"message {percent}")

    threads = [threading.Thread(target=work, args=(percent,)) for percent in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reporter.close({})
    assert sink.events
    assert all(event["message"] == f"message {event['percent']}" for event in sink.events)


def test_a_sink_that_cannot_be_opened_never_hurts_the_job(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> AbstractContextManager[FakeSink]:
        raise RuntimeError("no address")

    reporter = Reporter(broken, attempt=1, labels={})
    reporter.report(1, None)
    reporter.close({"result": "{}"})
    assert "not reported any more" in caplog.text
