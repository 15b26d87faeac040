"""A run becomes a job in the contract's words (2.4, 16.1)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs.api.wire import JobResponse
from prefect_jobs.gateway import Progress, Run
from prefect_jobs.gateway.fake import a_run, completed, failed, pending, running
from prefect_jobs.gateway.runs import run_from_json
from prefect_jobs.job_text import search_text
from prefect_jobs.jobs import error_of, job_from_run
from prefect_jobs.report_names import RESULT_LABEL

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


def test_a_new_job_has_no_message_no_error_and_no_progress() -> None:
    job = job_from_run(pending(created_at=NOW), now=NOW)
    assert (job.status, job.progress, job.message, job.error, job.started_at) == ("pending", 0, None, None, None)


def test_a_running_job_tells_its_own_last_message() -> None:
    job = job_from_run(running(38, "Processing event 400/1000"), now=NOW)
    assert (job.progress, job.message) == (38, "Processing event 400/1000")


def test_a_completed_job_is_at_100_percent_whatever_it_said_last() -> None:
    run = replace(completed({"event_count": 3}), progress=Progress(95, "Finalizing export...", 1, NOW))
    job = job_from_run(run, now=NOW)
    assert (job.progress, job.message, job.error, job.result) == (
        100,
        "Completed successfully",
        None,
        {"event_count": 3},
    )


def test_a_failed_job_keeps_its_progress_and_names_the_error() -> None:
    run = replace(failed("OSError: disk full"), progress=Progress(25, "Deleting old events", 1, NOW))
    job = job_from_run(run, now=NOW)
    assert (job.status, job.progress, job.message, job.error) == (
        "failed",
        25,
        "Failed: OSError: disk full",
        "OSError: disk full",
    )


@pytest.mark.parametrize(
    ("state", "message", "error"),
    [
        ("failed", "Flow run encountered an exception: ValueError: disk full", "ValueError: disk full"),
        ("failed", "Flow run encountered an exception. ValueError: disk full", "ValueError: disk full"),
        ("failed", "2/3 states failed.", "2/3 states failed."),
        ("failed", None, "The job failed and left no message"),
        ("timed_out", "Flow run exceeded timeout of 4.0 second(s)", "Job timed out after 4 seconds"),
        ("timed_out", "exceeded timeout of 1.2.3", "Job timed out after 1.2 seconds"),
        ("timed_out", "exceeded timeout of ...", "Job timed out"),
        ("timed_out", None, "Job timed out"),
        ("crashed", "Execution was interrupted by an unexpected exception: OSError: gone", "OSError: gone"),
        ("crashed", "", "The job's process crashed"),
        ("cancelled", "whatever Prefect says", "Cancelled by user"),
        ("aborted", "a receipt", "Aborted by user"),
    ],
)
def test_the_error_is_what_the_flow_said_without_prefects_framing(state: str, message: str | None, error: str) -> None:
    assert error_of(state, message) == error


def test_a_cancelled_job_reads_failed_in_the_words_of_the_contract() -> None:
    job = job_from_run(a_run("CANCELLED", "Cancelled"), now=NOW)
    assert (job.status, job.state, job.message, job.error) == (
        "failed",
        "cancelled",
        "Job cancelled by user request",
        "Cancelled by user",
    )


def test_a_second_attempt_starts_over_and_shows_nothing_of_the_first() -> None:
    first = Progress(80, "Writing CSV file...", attempt=1, at=NOW)
    queued = a_run("SCHEDULED", "AwaitingRetry", run_count=1, progress=first, ended_at=None, started_at=NOW)
    again = a_run("RUNNING", "Retrying", run_count=2, progress=first)
    assert (job_from_run(queued, now=NOW).progress, job_from_run(queued, now=NOW).started_at) == (0, None)
    assert (job_from_run(again, now=NOW).progress, job_from_run(again, now=NOW).message) == (0, None)


def test_of_two_reports_the_later_one_counts_wherever_it_came_from() -> None:
    label = Progress(40, "from the label", 1, NOW)
    event = Progress(60, "from the event", 1, NOW + timedelta(seconds=1))
    run = replace(running(), progress=label)
    assert job_from_run(run, now=NOW, known=event).progress == 60
    assert job_from_run(replace(run, progress=event), now=NOW, known=label).progress == 60


def test_times_never_run_backwards_when_clocks_disagree() -> None:
    run = a_run("COMPLETED", created_at=NOW, started_at=NOW - timedelta(seconds=1), ended_at=NOW - timedelta(seconds=2))
    job = job_from_run(run, now=NOW)
    assert job.started_at == job.completed_at == NOW


@pytest.mark.parametrize("payload", [None, "text", {}, {"percent": "x"}, {"percent": 1, "attempt": 1, "at": "never"}])
def test_a_payload_that_is_no_progress_is_none(payload: object) -> None:
    assert Progress.parse(payload) is None


@pytest.mark.parametrize(("told", "shown"), [(-5, 0), (0, 0), (100, 100), (101, 100)])
def test_progress_is_clamped_to_0_and_100(told: int, shown: int) -> None:
    progress = Progress.parse({"percent": told, "message": None, "attempt": 1, "at": "2026-03-04T08:15:00+00:00"})
    assert progress is not None
    assert progress.percent == shown


def test_a_job_that_was_cancelled_before_it_began_has_no_start() -> None:
    """Prefect writes the end time as start time then, and the job counted as one that took no time at all."""
    run = a_run("CANCELLED", run_count=0, started_at=NOW, ended_at=NOW)
    assert job_from_run(run, now=NOW).started_at is None


@pytest.mark.parametrize(
    ("run", "status", "name", "message", "error"),
    [
        (a_run("COMPLETED", "PartiallyDone", state_message="3 of 5"), "completed", "PartiallyDone", "3 of 5", None),
        (a_run("COMPLETED", "Skipped"), "completed", "Skipped", "Skipped", None),
        (a_run("FAILED", "BadInput", state_message="row 7"), "failed", "BadInput", "row 7", "row 7"),
        (a_run("FAILED", "BadInput"), "failed", "BadInput", "BadInput", "BadInput"),
        (a_run("CANCELLED", "NotNeeded", state_message="no news"), "failed", "NotNeeded", "no news", None),
        (a_run("COMPLETED", "Cached", state_message="x"), "completed", None, "Completed successfully", None),
        (a_run("COMPLETED", "RolledBack"), "completed", None, "Completed successfully", None),
        (a_run("FAILED", "Failed", state_message="row 7"), "failed", None, "Failed: row 7", "row 7"),
    ],
    ids=lambda value: getattr(value, "state_name", ""),
)
def test_a_final_state_that_the_author_named_is_told_in_the_authors_words(
    run: Run, status: str, name: str | None, message: str, error: str | None
) -> None:
    """`Completed(name="PartiallyDone", message="3 of 5")` read "Completed successfully"."""
    job = job_from_run(run, now=NOW)
    assert (job.status, job.state_name, job.message) == (status, name, message)
    if run.state_type != "CANCELLED":
        assert job.error == error


def test_a_job_at_work_has_no_name_of_a_final_state() -> None:
    assert job_from_run(a_run("RUNNING", "Warming up"), now=NOW).state_name is None


def test_both_words_of_the_author_are_searched() -> None:
    text = search_text(job_from_run(a_run("COMPLETED", "PartiallyDone", state_message="3 of 5"), now=NOW))
    assert "partiallydone" in text
    assert "3 of 5" in text


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def test_a_value_that_is_nested_too_deeply_costs_nobody_the_others() -> None:
    """The reading of a page of jobs broke off at it, again and again, and no job of that page was ever right."""
    run = completed({"a": nested(900), "b": 1}, parameters={"p": nested(900), "q": 2})
    job = job_from_run(run, now=NOW)
    assert job.result_fields["b"] == 1
    assert job.parameters["q"] == 2
    for text in (json.dumps(job.result), json.dumps(dict(job.parameters)), JobResponse.of(job).model_dump_json()):
        assert "nested too deeply" in text
    assert job_from_run(completed({"a": nested(90)}), now=NOW).result == {"a": nested(90)}


def test_a_label_that_nobody_can_read_is_none() -> None:
    label = json.dumps({"attempt": 0, "result": 1}).replace("1}", "[" * 100_000 + "]" * 100_000 + "}")
    body = {"id": "x", "created": NOW.isoformat(), "labels": {RESULT_LABEL: label}, "state": {"type": "COMPLETED"}}
    assert run_from_json(body, flow_name="deep", read_order=0).has_result is False
