"""Who cancelled a job: `Cancelled by user` is said only where somebody asked, and an end that was there stands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.gateway.cancellations import somebody_asked, standing
from prefect_jobs.gateway.fake import FakePrefect, a_run, completed
from prefect_jobs.gateway.runs import RunState
from prefect_jobs.jobs import job_from_run
from prefect_jobs.transitions import Origin, transitions_of

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
BY_USER = "Cancelled by user"


def states(*told: tuple[str, str, str | None]) -> list[RunState]:
    return [
        RunState(str(number), type, name, NOW + timedelta(seconds=number), message)
        for number, (type, name, message) in enumerate(told)
    ]


@pytest.mark.parametrize(
    "words",
    [
        "Runner is shutting down.",
        "The parent flow run was cancelled.",
        "Deployment concurrency limit reached.",
        "Deployment concurrency slot lost during provisioning - no slots available to continue execution",
        "Deployment 5d1c no longer exists, cancelled run.",
        "Cancelled by Automation 5d1c",
        "nothing to do today",
    ],
)
def test_a_job_that_nobody_cancelled_says_what_prefect_says(words: str) -> None:
    """SIGTERM to a process of `flow.serve` read `Cancelled by user`, `triggered_by` `user`."""
    job = job_from_run(a_run("CANCELLED", state_message=words), now=NOW)
    assert (job.state, job.error, job.message) == ("cancelled", f"Cancelled: {words}", f"Cancelled: {words}")
    past = states(("SCHEDULED", "Scheduled", None), ("RUNNING", "Running", None), ("CANCELLED", "Cancelled", words))
    end = transitions_of(past, [], Origin())[-1]
    assert (end.trigger, end.error) == ("system", f"Cancelled: {words}")


@pytest.mark.parametrize(
    "words",
    [
        None,
        "Cancelled through the jobs API by alice",
        "Flow run was cancelled successfully.",
        "Flow run was cancelled before execution started.",
        "Flow run cancelled by worker while pending.",
        "Flow run cancellation timed out; marked this flow run as Cancelled.",
        "Worker w is gone, and the job's process with it: reported by worker v",
        "enough. Receipt: asked 2026-03-04T08:15:00.120Z, delivered after 0.30 s, stopped after 1.40 s.",
    ],
)
def test_a_job_that_somebody_cancelled_says_so(words: str | None) -> None:
    job = job_from_run(a_run("CANCELLED", state_message=words), now=NOW)
    assert (job.error, job.message) == (BY_USER, "Job cancelled by user request")
    assert somebody_asked(words)


@pytest.mark.parametrize(
    ("wish", "trigger"), [("Cancelled by Automation 5d1c", "system"), ("enough", "user"), (None, "user")]
)
def test_who_wrote_the_wish_is_who_triggered_the_end(wish: str | None, trigger: str) -> None:
    past = states(
        ("RUNNING", "Running", None),
        ("CANCELLING", "Cancelling", wish),
        ("CANCELLED", "Cancelled", "Flow run was cancelled successfully."),
    )
    assert transitions_of(past, [], Origin())[-1].trigger == trigger


async def test_a_runner_that_is_shut_down_takes_nothing_from_a_job_that_had_ended() -> None:
    """Seen once: Completed, and half a second later Cancelled, written by force."""
    run = replace(completed({"rows": 3}), ended_at=NOW)
    prefect = FakePrefect([run])
    prefect.put(replace(run, state_type="CANCELLED", state_name="Cancelled", state_message="Runner is shutting down."))
    [found] = await prefect.read_runs([run.id])
    job = job_from_run(found, now=NOW)
    assert (job.status, job.error, job.result) == ("completed", None, {"rows": 3})
    past = standing(await prefect.states(run.id))
    assert [entry.to for entry in transitions_of(past, [], Origin())] == ["completed"]


def test_a_cancellation_that_somebody_asked_for_and_a_later_attempt_stand() -> None:
    asked = states(("FAILED", "Failed", None), ("CANCELLED", "Cancelled", None))
    again = states(
        ("FAILED", "Failed", None), ("SCHEDULED", "AwaitingRetry", None), ("CANCELLED", "Cancelled", "Runner is …")
    )
    assert [standing(past) for past in (asked, again)] == [asked, again]
