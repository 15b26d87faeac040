"""The closed table of contract 16.1."""

from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.job_states import job_state

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state_type", "state_name", "status", "state"),
    [
        ("SCHEDULED", "Scheduled", "pending", "pending"),
        ("SCHEDULED", "Late", "pending", "late"),
        ("SCHEDULED", "AwaitingRetry", "pending", "awaiting_retry"),
        ("SCHEDULED", "AwaitingConcurrencySlot", "pending", "awaiting_slot"),
        ("SCHEDULED", "Resuming", "pending", "resuming"),
        ("PENDING", "Pending", "pending", "pending"),
        ("PENDING", "Submitting", "pending", "pending"),
        ("RUNNING", "Running", "running", "running"),
        ("RUNNING", "Retrying", "running", "retrying"),
        ("PAUSED", "Paused", "running", "paused"),
        ("PAUSED", "Suspended", "pending", "suspended"),
        ("CANCELLING", "Stopping", "running", "stopping"),
        ("CANCELLING", "Aborting", "running", "aborting"),
        ("CANCELLING", "Cancelling", "running", "cancelling"),
        ("COMPLETED", "Completed", "completed", "completed"),
        ("COMPLETED", "Cached", "completed", "cached"),
        ("COMPLETED", "A name of the author's own", "completed", "completed"),
        ("FAILED", "Failed", "failed", "failed"),
        ("FAILED", "TimedOut", "failed", "timed_out"),
        ("CRASHED", "Crashed", "failed", "crashed"),
        ("CANCELLED", "Cancelled", "failed", "cancelled"),
        ("CANCELLED", "Aborted", "failed", "aborted"),
    ],
)
def test_each_state_of_prefect_reads_as_the_contract_says(
    state_type: str, state_name: str, status: str, state: str
) -> None:
    assert job_state(state_type, state_name, scheduled_for=NOW, now=NOW) == (status, state)


def test_a_run_that_is_scheduled_for_later_is_no_job_yet() -> None:
    later = NOW + timedelta(microseconds=1)
    assert job_state("SCHEDULED", "Scheduled", scheduled_for=later, now=NOW) == ("pending", "scheduled")


def test_a_retry_that_waits_for_its_time_is_a_job_all_the_same() -> None:
    later = NOW + timedelta(hours=1)
    assert job_state("SCHEDULED", "AwaitingRetry", scheduled_for=later, now=NOW) == ("pending", "awaiting_retry")


def test_a_state_type_that_prefect_does_not_have_is_refused_aloud() -> None:
    with pytest.raises(ValueError, match="got 'DREAMING'"):
        job_state("DREAMING", "Dreaming", scheduled_for=None, now=NOW)
