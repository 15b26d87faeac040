"""How long a job still takes, and what its messages say of the work."""

import pytest

from prefect_jobs.api.detail import estimated_remaining, step_of
from prefect_jobs.estimates import ENOUGH, percentile, remaining, slower_than_usual
from prefect_jobs.gateway.fake import running
from prefect_jobs.jobs import job_from_run


def test_what_is_left_is_estimated_from_the_jobs_that_ran_at_least_as_long() -> None:
    durations = [10.0, 20.0, 30.0, 40.0, 50.0]
    estimate = remaining(durations, 25.0)
    assert estimate is not None
    assert (estimate.p50, estimate.p90, estimate.sample) == (15.0, 23.0, 3)
    assert remaining(durations, 51.0) is None
    assert remaining([], 0.0) is None


def test_a_job_is_slow_when_nine_of_ten_were_faster_and_enough_are_known() -> None:
    assert slower_than_usual([10.0] * (ENOUGH - 1), 99.0) is None
    assert slower_than_usual([10.0] * ENOUGH, 10.0) is False
    assert slower_than_usual([10.0] * ENOUGH, 10.1) is True


def test_a_percentile_lies_between_its_neighbours() -> None:
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 1.0)] == [1.0, 2.5, 4.0]


@pytest.mark.parametrize(
    ("message", "step"),
    [
        (None, (None, None, None)),
        ("Scanning for files", ("Scanning for files", None, None)),
        ("Processing event 400/1000", ("Processing event 400/1000", 400, 1000)),
        ("Processing event 4 of 10", ("Processing event 4 of 10", 4, 10)),
        ("Copying: 450/1000", ("Copying", 450, 1000)),
        ("Copying : file 4 of 9", ("Copying", 4, 9)),
        ("Failed: disk full", ("Failed: disk full", None, None)),
        ("see https://x/1", ("see https://x/1", None, None)),
        ("1" * 16 + "/2", ("1" * 16 + "/2", None, None)),
    ],
)
def test_a_message_tells_its_step_and_its_counter(message: str | None, step: tuple[object, ...]) -> None:
    assert tuple(step_of(message)) == step


def test_a_message_of_blanks_is_read_as_quickly_as_any_other() -> None:
    """A pattern that looked for the label took the square of the blanks: a megabyte of them, and it did not end."""
    assert tuple(step_of("1/2 a" + " " * 2**20)) == ("1/2 a" + " " * 2**20, 1, 2)


@pytest.mark.parametrize(
    ("percent", "duration", "left"),
    [(38, 19.0, 31.0), (100, 19.0, 0.0), (0, 19.0, None), (50, 0.0, None), (50, None, None)],
)
def test_the_rest_goes_as_fast_as_what_is_done(percent: int, duration: float | None, left: float | None) -> None:
    run = running(percent)
    assert estimated_remaining(job_from_run(run, now=run.created_at), duration) == left
