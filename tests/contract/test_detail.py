"""Contract 4.6, 15.8, 15.10, 16.2 and 16.7: one job, structured."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.states import AwaitingRetry, Completed, Running

from tests import naps
from tests.contract.jobs import job
from tests.contract.runs import Runs
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

NAPS = Path(naps.__file__)
FIELDS = {
    "id",
    "job_type",
    "status",
    "state",
    "name",
    "queue_name",
    "priority",
    "progress",
    "timing",
    "retry_info",
    "result",
    "error",
    "error_traceback",
    "metadata",
    "version",
    "stoppable",
    "stop_proven",
    "pending_reason",
    "prefect_url",
    "state_name",
    "silence",
}


def detail(api: httpx.Client, job_id: str) -> dict[str, Any]:
    return api.get(f"/api/jobs/{job_id}/detail").raise_for_status().json()


def test_a_pending_job_in_every_field(api: httpx.Client, runs: Runs, stack: Stack) -> None:
    job_id = runs.new()
    job(api, job_id)
    found = detail(api, job_id)
    # A later version of the adapter may know more, a client of this one misses nothing.
    assert set(found) >= FIELDS
    assert (found["id"], found["job_type"], found["status"], found["priority"]) == (job_id, "contract", "pending", 0)
    progress = {"percent": 0, "current_step": None, "items_processed": None, "items_total": None}
    assert found["progress"] == progress
    created = found["timing"]["created_at"]
    assert created.endswith("Z")
    assert found["timing"] == dict.fromkeys(
        (
            "prepared_at",
            "started_at",
            "completed_at",
            "duration_seconds",
            "estimated_remaining_seconds",
            "eta",
            "slower_than_usual",
            "last_sign_at",
        )
    ) | {"created_at": created, "stalled": False}
    retry_info: dict[str, Any] = {"attempt_number": 1, "max_attempts": 1, "next_retry_at": None, "previous_errors": []}
    assert found["retry_info"] == retry_info
    assert found["metadata"] == {"input_params": {}, "worker_id": None, "worker": None}
    assert (found["stoppable"], found["error_traceback"]) == ("prefect", None)
    assert found["prefect_url"] == f"{stack.prefect_api_url.removesuffix('/api')}/runs/flow-run/{job_id}"


def test_a_running_job_has_a_duration_that_grows(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    job(api, job_id, status="running")
    first = detail(api, job_id)["timing"]["duration_seconds"]
    assert first >= 0
    eventually(lambda: detail(api, job_id)["timing"]["duration_seconds"] > first)
    assert detail(api, job_id)["timing"]["estimated_remaining_seconds"] is None


def test_an_ended_job_ran_from_its_start_to_its_end(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.completed()
    shown = job(api, job_id, status="completed")
    timing = detail(api, job_id)["timing"]
    ran = datetime.fromisoformat(shown["completed_at"]) - datetime.fromisoformat(shown["started_at"])
    assert timing["duration_seconds"] == pytest.approx(ran.total_seconds())
    assert (timing["estimated_remaining_seconds"], timing["eta"]) == (None, None)


def test_a_running_job_is_compared_with_the_completed_ones_of_its_type(api: httpx.Client, runs: Runs) -> None:
    for _ in range(5):
        job(api, runs.completed(), status="completed")
    job_id = runs.started()
    job(api, job_id, status="running")
    # Those before it ended in milliseconds.
    eventually(lambda: detail(api, job_id)["timing"]["slower_than_usual"] is True, within=60)


def test_a_job_that_waits_for_its_next_attempt_says_when(api: httpx.Client, runs: Runs) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    job_id = runs.started()
    runs.move(job_id, AwaitingRetry(scheduled_time=due, message="Flow run encountered an exception: OSError: away"))  # pyright: ignore[reportArgumentType]  # Prefect's own time type
    job(api, job_id, state="awaiting_retry")
    info = detail(api, job_id)["retry_info"]
    assert datetime.fromisoformat(info["next_retry_at"]) == due
    assert info["previous_errors"] == []
    runs.move(job_id, Running(), force=True)
    runs.move(job_id, Completed())
    job(api, job_id, status="completed")
    assert detail(api, job_id)["retry_info"]["previous_errors"] == ["OSError: away"]


def test_what_a_schedule_prepares_is_dated_by_when_it_is_due(api: httpx.Client, prefect: PrefectApi) -> None:
    """It was dated by when Prefect prepared it, days ago, and stood below older work."""
    schedule = {"interval": 86_400, "anchor_date": (datetime.now(UTC) - timedelta(hours=20)).isoformat()}
    deployment = prefect.deploy(NAPS, "naps", name=f"daily-{uuid4()}", schedules=[{"schedule": schedule}])
    prefect.http.post(f"/deployments/{deployment}/schedule", json={"min_runs": 1, "max_runs": 1}).raise_for_status()
    [run, *_] = prefect.post("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
    shown = job(api, run["id"], state="scheduled")
    due, made = (datetime.fromisoformat(run[name]) for name in ("expected_start_time", "created"))
    assert due > made + timedelta(hours=1)
    assert datetime.fromisoformat(shown["created_at"]) == due
    timing = detail(api, run["id"])["timing"]
    assert [datetime.fromisoformat(timing[name]) for name in ("created_at", "prepared_at")] == [due, made]
    prefect.http.delete(f"/deployments/{deployment}").raise_for_status()


def test_the_traceback_of_a_failure_comes_from_its_log(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: disk full'
    runs.log(job_id, [f"Encountered exception during execution: ValueError('disk full')\n{trace}"], level=40)
    failed = runs.failed("ValueError: nothing logged")
    runs.fail(job_id, "ValueError: disk full")
    for each in (job_id, failed):
        job(api, each, status="failed")
    assert detail(api, job_id)["error_traceback"] == trace
    assert detail(api, failed)["error_traceback"] is None


@pytest.mark.parametrize("job_id", [str(uuid4()), "job-001"])
def test_an_unknown_job_has_no_detail(api: httpx.Client, job_id: str) -> None:
    answer = api.get(f"/api/jobs/{job_id}/detail")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"No job found with ID: {job_id}")
