"""Contract 6.1: transitions with who triggered them, and attempts; contract 11: the state machine they follow."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled

from tests.contract.jobs import job
from tests.contract.runs import Runs

Z_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def history(api: httpx.Client, job_id: str) -> dict[str, Any]:
    return api.get(f"/api/jobs/{job_id}/history").raise_for_status().json()


def steps(api: httpx.Client, job_id: str) -> list[tuple[str | None, str, str]]:
    return [(entry["from"], entry["to"], entry["triggered_by"]) for entry in history(api, job_id)["transitions"]]


def test_the_history_of_a_completed_job_in_the_contracts_words(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.new(Scheduled())
    for state in (Pending(), Pending(name="Submitting"), Running(), Completed(message="1000 events written")):
        runs.move(job_id, state)
    shown = job(api, job_id, status="completed")
    past = history(api, job_id)
    assert list(past) == [
        "job_id",
        "job_type",
        "status",
        "created_at",
        "started_at",
        "completed_at",
        "transitions",
        "events",
        "attempts",
        "steps",
        "complete",
    ]
    assert (past["job_id"], past["job_type"], past["status"], past["complete"]) == (
        job_id,
        "contract",
        "completed",
        True,
    )
    assert all(Z_TIME.fullmatch(past[name]) for name in ("created_at", "started_at", "completed_at"))
    # `Pending` and `Submitting` change no status, so they are no steps of the job.
    assert [event["kind"] for event in past["events"]] == ["submitted"]
    assert set(past["events"][0]) == {"at", "kind", "message", "by", "details"}
    assert steps(api, job_id) == [
        (None, "pending", "user"),
        ("pending", "running", "worker"),
        ("running", "completed", "worker"),
    ]
    assert all(Z_TIME.fullmatch(entry["at"]) for entry in past["transitions"])
    last = {"state": "completed", "name": "Completed", "message": "1000 events written"}
    assert past["transitions"][-1]["details"] == last
    [attempt] = past["attempts"]
    assert attempt == {
        "attempt_number": 1,
        "started_at": past["transitions"][1]["at"],
        "ended_at": past["transitions"][2]["at"],
        "status": "succeeded",
        "error": None,
        "worker_id": None,
        "duration_seconds": attempt["duration_seconds"],
        "result": None,
    }
    assert attempt["duration_seconds"] >= 0
    assert shown["attempt"] == 1


def test_a_failed_job_tells_its_error_without_prefects_framing(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.failed("ValueError: disk full")
    job(api, job_id, status="failed")
    past = history(api, job_id)
    assert past["transitions"][-1]["details"] == {"state": "failed", "name": "Failed", "error": "ValueError: disk full"}
    [attempt] = past["attempts"]
    assert (attempt["status"], attempt["error"]) == ("failed", "ValueError: disk full")


@pytest.mark.parametrize(
    ("state", "trigger", "status"),
    [
        (Failed(name="TimedOut", message="Flow run exceeded timeout of 4.0 second(s)"), "timeout", "failed"),
        (Crashed(message="Flow run process exited with code -9"), "system", "failed"),
        (Cancelled(), "user", "cancelled"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_who_ended_a_job_is_told(api: httpx.Client, runs: Runs, state: Any, trigger: str, status: str) -> None:
    job_id = runs.started()
    runs.move(job_id, state)
    job(api, job_id, status="failed")
    assert steps(api, job_id)[-1] == ("running", "failed", trigger)
    assert history(api, job_id)["attempts"][-1]["status"] == status


def test_a_job_cancelled_before_it_began_has_no_attempt(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.new(Scheduled())
    api.post(f"/api/jobs/{job_id}/cancel")
    past = history(api, job_id)
    assert past["attempts"] == []
    assert past["transitions"][-1]["details"]["message"] == "Cancelled through the jobs API"
    assert steps(api, job_id)[-1] == ("pending", "failed", "user")


def test_an_open_attempt_has_no_end_yet(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    job(api, job_id, status="running")
    [attempt] = history(api, job_id)["attempts"]
    assert (attempt["status"], attempt["ended_at"], attempt["duration_seconds"]) == ("started", None, None)


def test_a_flow_that_tries_again_by_itself_has_an_attempt_for_each(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    runs.move(job_id, AwaitingRetry(message="Flow run encountered an exception: OSError: away"), force=True)
    runs.move(job_id, Running(name="Retrying"))
    runs.move(job_id, Completed())
    job(api, job_id, status="completed")
    past = history(api, job_id)
    assert [(entry["status"], entry["error"]) for entry in past["attempts"]] == [
        ("failed", "OSError: away"),
        ("succeeded", None),
    ]
    assert ("running", "pending", "retry") in steps(api, job_id)


def test_a_history_follows_the_job(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.new()
    job(api, job_id, status="pending")
    assert len(history(api, job_id)["transitions"]) == 1
    runs.move(job_id, Running())
    job(api, job_id, status="running")
    assert len(history(api, job_id)["transitions"]) == 2


def test_an_exported_file_that_fails_is_retried_for_real_and_keeps_its_past(api: httpx.Client) -> None:
    started = api.post("/api/jobs", json={"job_type": "export", "parameters": {"format": "parquet"}}).json()
    job_id = started["job_id"]
    job(api, job_id, status="failed")
    assert api.post(f"/api/jobs/{job_id}/retry").json()["message"] == "Queued for attempt 2"
    shown = job(api, job_id, status="failed", attempt=2)
    past = history(api, job_id)
    error = shown["error"]
    assert "Unsupported export format: parquet" in error
    assert [(entry["attempt_number"], entry["status"]) for entry in past["attempts"]] == [(1, "failed"), (2, "failed")]
    assert all(entry["error"] == error and entry["worker_id"] for entry in past["attempts"])
    assert past["transitions"][0]["triggered_by"] == "api"
    assert ("failed", "pending", "retry") in steps(api, job_id)
    states = [entry["details"]["state"] for entry in past["transitions"]]
    assert states.count("failed") == 2
    assert states.count("running") == 2

    detail = api.get(f"/api/jobs/{job_id}/detail").json()
    assert detail["retry_info"]["attempt_number"] == 2
    assert detail["retry_info"]["max_attempts"] >= 2
    assert detail["retry_info"]["previous_errors"] == [error]
    assert detail["metadata"]["input_params"]["format"] == "parquet"
    assert detail["metadata"]["worker_id"] == past["attempts"][-1]["worker_id"]
    assert detail["queue_name"] == "default"


@pytest.mark.parametrize("job_id", [str(uuid4()), "job-001"])
def test_an_unknown_job_has_no_history(api: httpx.Client, job_id: str) -> None:
    answer = api.get(f"/api/jobs/{job_id}/history")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"No job found with ID: {job_id}")
