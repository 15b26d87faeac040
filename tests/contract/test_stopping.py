"""Contract 5: cancel, abort, delete, bulk-cancel and retry, a row of its table each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.states import AwaitingRetry, Cancelling, Completed, Failed, Late, Paused, Running, Scheduled, Suspended

from tests import naps
from tests.contract.jobs import job
from tests.contract.runs import Runs
from tests.prefect_api import PrefectApi
from tests.stack import Stack

NO_JOB = "No job found with ID: "
MAKE: dict[str, Callable[[Runs], str]] = {
    "pending": lambda runs: runs.new(Scheduled()),
    "running": lambda runs: runs.started(),
    "completed": lambda runs: runs.completed(),
    "failed": lambda runs: runs.failed(),
    "cancelled": lambda runs: runs.cancelled(),
    "crashed": lambda runs: runs.crashed(),
    "unknown": lambda _runs: str(uuid4()),
    "opaque": lambda _runs: "job-001",
}

CANCELLED = (200, "failed", "Job cancellation requested")
CANNOT_CANCEL = (409, "Job cannot be cancelled - it has already completed or failed")
ABORTED = (200, "running", "Job abort requested - worker notified")
UNKNOWN = (404, NO_JOB)
NOT_FAILED = (409, "Job cannot be retried - only failed jobs can")

ROWS: list[tuple[str, str, str, tuple[Any, ...]]] = [
    ("POST", "/cancel", "pending", CANCELLED),
    ("POST", "/cancel", "running", CANCELLED),
    ("POST", "/cancel", "completed", CANNOT_CANCEL),
    ("POST", "/cancel", "failed", CANNOT_CANCEL),
    ("POST", "/cancel", "cancelled", CANNOT_CANCEL),
    ("POST", "/cancel", "unknown", UNKNOWN),
    ("POST", "/cancel", "opaque", UNKNOWN),
    ("POST", "/abort", "pending", (400, "Cannot abort queued job - use cancel instead")),
    ("POST", "/abort", "running", ABORTED),
    ("POST", "/abort", "completed", (400, "Cannot abort job with status: completed")),
    ("POST", "/abort", "failed", (400, "Cannot abort job with status: failed")),
    ("POST", "/abort", "unknown", UNKNOWN),
    ("POST", "/abort", "opaque", UNKNOWN),
    ("DELETE", "", "pending", (200, "failed", "Job cancelled")),
    ("DELETE", "", "running", ABORTED),
    ("DELETE", "", "completed", (400, "Cannot stop job with status: completed")),
    ("DELETE", "", "failed", (400, "Cannot stop job with status: failed")),
    ("DELETE", "", "unknown", UNKNOWN),
    ("DELETE", "", "opaque", UNKNOWN),
    ("DELETE", "?purge=true", "pending", (200, "deleted", "Job deleted")),
    ("DELETE", "?purge=true", "running", (409, "Job is running - stop it before deleting it")),
    ("DELETE", "?purge=true", "completed", (200, "deleted", "Job deleted")),
    ("DELETE", "?purge=true", "failed", (200, "deleted", "Job deleted")),
    ("DELETE", "?purge=true", "unknown", UNKNOWN),
    ("DELETE", "?purge=true", "opaque", UNKNOWN),
    ("POST", "/retry", "pending", NOT_FAILED),
    ("POST", "/retry", "running", NOT_FAILED),
    ("POST", "/retry", "completed", NOT_FAILED),
    ("POST", "/retry", "cancelled", NOT_FAILED),
    ("POST", "/retry", "failed", (409, "Job cannot be retried - its run has no deployment to run it again")),
    ("POST", "/retry", "unknown", UNKNOWN),
    ("POST", "/retry", "opaque", UNKNOWN),
]


@pytest.mark.parametrize(("method", "path", "state", "expected"), ROWS)
def test_each_action_answers_each_kind_of_job_as_the_table_says(
    api: httpx.Client, runs: Runs, method: str, path: str, state: str, expected: tuple[Any, ...]
) -> None:
    job_id = MAKE[state](runs)
    answer = api.request(method, f"/api/jobs/{job_id}{path}")
    assert answer.status_code == expected[0], answer.text
    body = answer.json()
    if answer.status_code == 200:
        assert body == {"job_id": job_id, "status": expected[1], "message": expected[2]}
        return
    detail = expected[1] + (job_id if expected[0] == 404 else "")
    title = {400: "Bad Request", 404: "Not Found", 409: "Conflict"}[expected[0]]
    instance = f"/api/jobs/{job_id}{path.partition('?')[0]}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert body == {
        "type": "about:blank",
        "title": title,
        "status": expected[0],
        "detail": detail,
        "instance": instance,
    }


def test_a_cancelled_pending_job_is_failed_in_the_same_moment(api: httpx.Client, runs: Runs) -> None:
    job_id = MAKE["pending"](runs)
    api.post(f"/api/jobs/{job_id}/cancel")
    found = api.get(f"/api/jobs/{job_id}").json()
    assert (found["status"], found["state"]) == ("failed", "cancelled")
    assert (found["error"], found["message"]) == ("Cancelled by user", "Job cancelled by user request")
    assert found["completed_at"] is not None


@pytest.mark.parametrize(
    "state",
    [Late(), AwaitingRetry(), Suspended(timeout_seconds=600), Scheduled(name="AwaitingConcurrencySlot")],
    ids=lambda state: state.name,
)
def test_a_job_that_waits_for_whatever_reason_is_cancelled_at_once(api: httpx.Client, runs: Runs, state: Any) -> None:
    job_id = runs.new(Running()) if state.name == "Suspended" else runs.new(state)
    if state.name == "Suspended":
        runs.move(job_id, state, force=True)
    job(api, job_id, status="pending")
    assert api.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    assert api.get(f"/api/jobs/{job_id}").json()["state"] == "cancelled"


def test_a_running_job_says_that_it_is_stopping_until_its_stop_is_proven(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    api.post(f"/api/jobs/{job_id}/cancel")
    found = api.get(f"/api/jobs/{job_id}").json()
    assert (found["status"], found["state"], found["completed_at"]) == ("running", "cancelling", None)
    assert found["stoppable"] == "prefect"


def test_a_paused_job_is_stopped_like_a_running_one(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    runs.move(job_id, Paused(timeout_seconds=600), force=True)
    assert job(api, job_id, state="paused")["status"] == "running"
    assert api.post(f"/api/jobs/{job_id}/abort").status_code == 200
    assert api.get(f"/api/jobs/{job_id}").json()["state"] == "cancelling"


def test_cancelling_twice_in_a_row_is_one_cancellation(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    answers = [api.post(f"/api/jobs/{job_id}/cancel").status_code for _ in range(2)]
    assert answers == [200, 200]
    assert [state.name for state in runs.states(job_id)].count("Cancelling") == 1


def test_a_cancellation_that_comes_after_the_end_leaves_the_job_completed(api: httpx.Client, runs: Runs) -> None:
    """The index may be a second behind; the answer must not be."""
    job_id = runs.started()
    job(api, job_id, status="running")
    runs.move(job_id, Completed())
    assert api.post(f"/api/jobs/{job_id}/cancel").status_code == 409
    assert api.get(f"/api/jobs/{job_id}").json()["status"] == "completed"


def test_a_purged_job_is_gone_from_prefect_and_from_the_list(api: httpx.Client, runs: Runs, stack: Stack) -> None:
    for kind in ("pending", "failed"):
        job_id = MAKE[kind](runs)
        job(api, job_id)
        assert api.delete(f"/api/jobs/{job_id}", params={"purge": "true"}).status_code == 200
        for path in ("", "/detail", "/history", "/logs"):
            assert api.get(f"/api/jobs/{job_id}{path}").status_code == 404
        with PrefectApi.of(stack) as prefect:
            assert prefect.http.get(f"/flow_runs/{job_id}").status_code == 404


def test_a_stopping_job_cannot_be_purged_yet(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    runs.move(job_id, Cancelling())
    assert api.delete(f"/api/jobs/{job_id}", params={"purge": "true"}).status_code == 409


def test_bulk_cancel_tells_each_failure_in_the_order_of_the_request(api: httpx.Client, runs: Runs) -> None:
    pending, running, ended = runs.new(Scheduled()), runs.started(), runs.completed()
    wanted = ["job-2", pending, ended, running, pending]
    answer = api.post("/api/jobs/bulk-cancel", json={"job_ids": wanted})
    assert answer.status_code == 200
    assert answer.json() == {
        "cancelled": 2,
        "failed": 3,
        "errors": [
            {"job_id": "job-2", "error": "Job not found"},
            {"job_id": ended, "error": "Job already completed or failed"},
            {"job_id": pending, "error": "Job already completed or failed"},
        ],
    }


def test_bulk_cancel_answers_200_even_if_every_job_fails(api: httpx.Client) -> None:
    answer = api.post("/api/jobs/bulk-cancel", json={"job_ids": [f"job-{number}" for number in range(100)]})
    assert (answer.status_code, answer.json()["cancelled"], answer.json()["failed"]) == (200, 0, 100)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.job_ids"),
        ({"job_ids": []}, "body.job_ids"),
        ({"job_ids": ["x"] * 101}, "body.job_ids"),
        ({"job_ids": [1]}, "body.job_ids.0"),
        ({"job_ids": ["x" * 201]}, "body.job_ids.0"),
    ],
)
def test_a_bulk_cancel_with_wrong_ids_is_refused(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    answer = api.post("/api/jobs/bulk-cancel", json=body)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["error"]["errors"]] == [field]


def test_a_job_named_bulk_cancel_is_looked_up(api: httpx.Client) -> None:
    assert api.get("/api/jobs/bulk-cancel").json()["detail"] == f"{NO_JOB}bulk-cancel"


def test_a_failed_job_of_a_deployment_is_queued_again_as_the_same_job(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.of_deployment()
    runs.move(job_id, Running())
    runs.move(job_id, Failed(message="Flow run encountered an exception: ValueError: disk full"))
    answer = api.post(f"/api/jobs/{job_id}/retry")
    assert answer.status_code == 200
    found = answer.json()
    expected = {"job_id": job_id, "status": "pending", "progress": 0, "message": "Queued for attempt 2"}
    nothing: dict[str, Any] = dict.fromkeys(("started_at", "completed_at", "error", "result"))
    assert found == found | expected | nothing
    assert api.get(f"/api/jobs/{job_id}").json() == found
    assert api.get(f"/api/jobs/{job_id}/detail").json()["retry_info"]["previous_errors"] == ["ValueError: disk full"]
    assert api.post(f"/api/jobs/{job_id}/retry").json()["detail"] == "Job cannot be retried - only failed jobs can"


def test_a_job_whose_deployment_was_deleted_cannot_be_retried(api: httpx.Client, runs: Runs, stack: Stack) -> None:
    job_id = runs.of_deployment()
    runs.move(job_id, Running())
    runs.move(job_id, Failed())
    with PrefectApi.of(stack) as prefect:
        assert prefect.http.delete(f"/deployments/{runs.deployment()}").is_success
    answer = api.post(f"/api/jobs/{job_id}/retry")
    assert answer.status_code == 409
    assert "no deployment" in answer.json()["detail"]


def test_a_running_process_is_stopped_and_its_job_reads_cancelled(api: httpx.Client, stack: Stack) -> None:
    with PrefectApi.of(stack) as prefect:
        run = prefect.start(_naps(prefect), seconds=120)
        prefect.wait_for_line(run, "asleep")
        assert api.post(f"/api/jobs/{run}/cancel").status_code == 200
        found = job(api, run, status="failed", state="cancelled")
        assert (found["error"], found["result"]) == ("Cancelled by user", None)
        told = [(entry["to"], entry["triggered_by"]) for entry in _transitions(api, run)]
        assert told[-2:] == [("running", "worker"), ("failed", "user")]
        asked = [event for event in _history(api, run)["events"] if event["kind"] == "stop_asked"]
        assert [event["message"] for event in asked] == ["Cancelled through the jobs API"]
        assert [entry["status"] for entry in _history(api, run)["attempts"]] == ["cancelled"]


def test_a_job_cancelled_while_its_process_is_on_the_way_never_runs(api: httpx.Client, stack: Stack) -> None:
    """Prefect lets a process that is on its way begin after a cancellation: the job read failed, and then running."""
    with PrefectApi.of(stack) as prefect:
        run = prefect.start(_naps(prefect), seconds=120)
        prefect.wait_for(run, "PENDING")
        assert api.post(f"/api/jobs/{run}/cancel").status_code == 200
        assert api.get(f"/api/jobs/{run}").json()["state"] in ("stopping", "cancelled")
        job(api, run, status="failed", state="cancelled")
        assert "running" not in [entry["to"] for entry in _transitions(api, run)]


def _naps(prefect: PrefectApi) -> str:
    return prefect.deploy(Path(naps.__file__), "naps", name="stopping")


def _history(api: httpx.Client, job_id: str) -> dict[str, Any]:
    return api.get(f"/api/jobs/{job_id}/history").raise_for_status().json()


def _transitions(api: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    return _history(api, job_id)["transitions"]
