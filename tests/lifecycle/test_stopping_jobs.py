"""Jobs of every kind are stopped in every way. They run side by side, and each test looks at what became of one."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from prefect_jobs.kit.watching import REBIRTHS
from tests.lifecycle.jobs import How, Jobs, Subject
from tests.stack import eventually

ERROR = 40
AT_ONCE = 4
"""Scenarios at the same time; a machine of two cores starts their processes no faster."""

Action = Callable[[Subject], object]


def cancel(job: Subject) -> None:
    assert job.act("cancel").status_code == 200


def abort(job: Subject) -> None:
    assert job.act("abort").status_code == 200


def cancel_then_abort(job: Subject) -> None:
    cancel(job)
    eventually(lambda: job.job["state"] == "stopping")
    abort(job)


def kill(job: Subject) -> None:
    time.sleep(2.0)  # its sidecar looks every second who belongs to it
    job.process.send_signal(signal.SIGKILL)


def kill_sidecar_then(action: Action, *, times: int = 2) -> Action:
    def act(job: Subject) -> None:
        for number in range(times):
            first = eventually(job.find_sidecar)
            assert first is not None
            first.send_signal(signal.SIGKILL)
            if number < REBIRTHS:
                eventually(lambda gone=first: job.find_sidecar() not in (None, gone))
            else:
                eventually(lambda: job.find_sidecar() is None)
        action(job)

    return act


def nothing(job: Subject) -> None:
    """Its time limit does it."""


@dataclass(frozen=True)
class Scenario:
    """What is done to which job, and what must come of it."""

    subject: str
    action: Action
    state: str
    how: str
    """The receipt's word."""
    by: How = "worker"
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    killed: int | None = None
    """Processes that the receipt names, where it is known how many."""
    error: str | None = None


CANCELLED, ABORTED = "Cancelled by user", "Aborted by user"
SCENARIOS = {
    "a job that does small steps is cancelled": Scenario("stepping", cancel, "cancelled", "stopped", error=CANCELLED),
    "a script that does small steps is cancelled": Scenario("stepping", cancel, "cancelled", "stopped", by="script"),
    "a job in a task is cancelled": Scenario("in_a_task", cancel, "cancelled", "stopped"),
    "a job in mapped tasks is cancelled": Scenario("in_mapped_tasks", cancel, "cancelled", "stopped"),
    "an async job is cancelled": Scenario("asynchronous", cancel, "cancelled", "stopped"),
    "a job that waits for another one is cancelled": Scenario("calling", cancel, "cancelled", "stopped"),
    "a step longer than the server's patience is waited for": Scenario(
        "long_step", cancel, "cancelled", "stopped", parameters={"seconds": 18.0}
    ),
    "what a cancelled job leaves behind is killed": Scenario("leaving", cancel, "cancelled", "stopped", killed=1),
    "a cancelled job whose threads keep its process is killed after all": Scenario(
        "crowd", cancel, "cancelled", "stopped", killed=1
    ),
    "a job that never looks completes although it was cancelled": Scenario("heedless", cancel, "completed", "finished"),
    "a job that breaks after it was asked to stop is cancelled": Scenario(
        "heedless", cancel, "cancelled", "stopped", parameters={"error": "disk full"}
    ),
    "a script that never looks completes although it was cancelled": Scenario(
        "heedless", cancel, "completed", "finished", by="script"
    ),
    "a sleeping job is aborted": Scenario("sleeping", abort, "aborted", "killed", killed=1, error=ABORTED),
    "a sleeping script is aborted": Scenario("sleeping", abort, "aborted", "killed", killed=1, by="script"),
    "a job stuck in C with the lock is aborted": Scenario("holding_the_lock", abort, "aborted", "killed", killed=1),
    "a job that ignores signals is aborted": Scenario("deaf", abort, "aborted", "killed", killed=1),
    "a job is aborted with its whole family": Scenario("family", abort, "aborted", "killed", killed=4),
    "a job of many threads is aborted": Scenario("crowd", abort, "aborted", "killed", killed=1),
    "a job in a task is aborted": Scenario("in_a_task", abort, "aborted", "killed", killed=1),
    "an async job is aborted": Scenario("asynchronous", abort, "aborted", "killed", killed=1),
    "a job that does not stop is aborted after all": Scenario("sleeping", cancel_then_abort, "aborted", "killed"),
    "a stuck job is ended at its time limit": Scenario(
        "holding_on", nothing, "timed_out", "killed", error="Job timed out after 10 seconds"
    ),
    "a killed job is crashed, and its family killed": Scenario(
        "family", kill, "crashed", "ended", by="script", killed=3
    ),
    "a killed job of a worker is crashed, and its family killed": Scenario(
        "family", kill, "crashed", "ended", killed=3
    ),
    "a job whose sidecar was killed is cancelled": Scenario(
        "stepping", kill_sidecar_then(cancel), "cancelled", "stopped"
    ),
    "a job is cancelled although each of its sidecars was killed": Scenario(
        "stepping", kill_sidecar_then(cancel, times=REBIRTHS + 1), "cancelled", "stopped"
    ),
    "a job whose sidecar was killed is aborted": Scenario("sleeping", kill_sidecar_then(abort), "aborted", "killed"),
}


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Outcome:
    """A job after its end, and how long the end took."""

    subject: Subject
    job: dict[str, Any]
    seconds: float
    alive: list[psutil.Process]
    """Processes that lived when its end was told."""


def play(jobs: Jobs, scenario: Scenario) -> Outcome:
    subject = jobs.start(scenario.subject, scenario.by, **scenario.parameters).wait_ready()
    began = time.monotonic()
    scenario.action(subject)
    job = subject.wait_end(40.0)
    seconds = time.monotonic() - began
    alive = [one for one in subject.processes if lives(one)]
    subject.wait_gone()
    return Outcome(subject, job, seconds, alive)


@pytest.fixture(scope="module")
def outcomes(jobs: Jobs) -> dict[str, "Future[Outcome]"]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {name: pool.submit(play, jobs, scenario) for name, scenario in SCENARIOS.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_that(name: str, outcomes: dict[str, "Future[Outcome]"]) -> None:
    wanted, outcome = SCENARIOS[name], outcomes[name].result()
    job, subject = outcome.job, outcome.subject
    assert (job["state"], subject.run_count) == (wanted.state, 1)
    if wanted.error is not None:
        assert job["error"] == wanted.error
    receipts = subject.receipts
    assert [receipt["how"] for receipt in receipts] == ([wanted.how] if wanted.how else [])
    if wanted.killed is not None:
        assert len(receipts[0]["processes"]) == wanted.killed
    assert not [one for one in subject.processes if lives(one)]
    if wanted.how == "killed":
        assert outcome.alive == []
    stored = [state["type"] for state in subject.states]
    assert stored[-1] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    assert [attempt["attempt_number"] for attempt in subject.history["attempts"]] == [1]


def test_a_cancelled_job_has_cleaned_up_and_tells_its_step(outcomes: dict[str, "Future[Outcome]"]) -> None:
    subject = outcomes["a job that does small steps is cancelled"].result().subject
    assert (subject.folder / "cleaned-up").exists()
    [told] = subject.history["steps"]
    assert (told["name"], told["outcome"], told["attempt_number"]) == ("Stepping", "stopped", 1)


def test_a_cancelled_job_has_no_error_in_its_log(outcomes: dict[str, "Future[Outcome]"]) -> None:
    """Prefect's engine logs a traceback for each run that returns Cancelled."""
    subject = outcomes["a job that does small steps is cancelled"].result().subject
    assert [line["message"] for line in subject.prefect.logs(subject.id) if line["level"] >= ERROR] == []


def test_a_receipt_names_the_job_and_all_that_stems_from_it(outcomes: dict[str, "Future[Outcome]"]) -> None:
    subject = outcomes["a job is aborted with its whole family"].result().subject
    [receipt] = subject.receipts
    assert {one["pid"] for one in receipt["processes"]} == {process.pid for process in subject.processes}
    assert receipt["processes"][0]["pid"] == subject.process.pid
    assert receipt["after"] >= receipt["delivered_after"] >= 0
    assert receipt["cause"] == "asked"


def test_the_server_was_told_again_and_never_lost_patience(outcomes: dict[str, "Future[Outcome]"]) -> None:
    """It writes Cancelled by itself where a run is being cancelled for too long, whatever the process does."""
    subject = outcomes["a step longer than the server's patience is waited for"].result().subject
    names = [state["name"] for state in subject.states]
    assert names.count("Stopping") >= 2
    assert not [state for state in subject.states if "timed out" in (state["message"] or "")]
    assert [event["kind"] for event in subject.history["events"]].count("stop_asked") == 1


def test_an_error_after_the_wish_to_stop_is_told(outcomes: dict[str, "Future[Outcome]"]) -> None:
    subject = outcomes["a job that breaks after it was asked to stop is cancelled"].result().subject
    assert "While it stopped: ValueError: disk full" in subject.states[-1]["message"]


def test_a_result_survives_a_cancellation_that_came_too_late(outcomes: dict[str, "Future[Outcome]"]) -> None:
    assert outcomes["a job that never looks completes although it was cancelled"].result().job["result"] == "all done"
