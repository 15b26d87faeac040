"""What happens to a job after a worker has taken it and before its process has begun with it: a cancel, a dead server.

Prefect lets a run begin after Cancelled: a plain flow told `failed` ran ten seconds later, and with the adapter killed
after its answer it ran to its end. And a process that finds no server ends, which was told as a crash of the job.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import begins_late
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually
from tests.workers import Worker, deployments_stay, make_pool

FLOW = Path(begins_late.__file__)
IMPORTS = 6.0
"""Seconds between the start of a job's process and its first question to Prefect, at least."""


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture(scope="module")
def deployment(stack: Stack, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A deployment whose jobs take their time to begin, with a worker of its own."""
    pool = make_pool(prefect, "late")
    with deployments_stay(stack):
        worker = Worker(stack, tmp_path_factory.mktemp("late"), pool, SLOW_IMPORT=str(IMPORTS))
        try:
            worker.wait_started()
            yield prefect.deploy(FLOW, "begins_late", name="late", work_pool=pool)
        finally:
            worker.end()


def taken(prefect: PrefectApi, deployment: str, began: Path) -> str:
    """A job that a worker has just taken."""
    run = prefect.start(deployment, began=str(began))
    prefect.wait_for(run, "PENDING")
    return run


def cancelled(prefect: PrefectApi, run: str, began: Path) -> None:
    """It ended once, as cancelled, and its code never ran."""
    prefect.wait_for(run, "CANCELLED", within=60)
    types = [state["type"] for state in prefect.states(run)]
    assert "RUNNING" not in types
    assert set(types[types.index("CANCELLED") :]) == {"CANCELLED"}
    assert not began.exists()


def test_a_job_cancelled_before_it_began_is_stopping_until_its_worker_gave_it_up(
    api: httpx.Client, prefect: PrefectApi, deployment: str, tmp_path: Path
) -> None:
    run = taken(prefect, deployment, tmp_path / "began")
    assert api.post(f"/api/jobs/{run}/cancel").json()["message"] == "Job cancellation requested"
    seen: list[tuple[str, str]] = []

    def ended() -> dict[str, Any] | None:
        job = api.get(f"/api/jobs/{run}").json()
        seen.append((job["status"], job["state"]))
        return job if job["status"] == "failed" else None

    job = eventually(ended, within=60)
    assert (job["state"], job["error"], job["started_at"]) == ("cancelled", "Cancelled by user", None)
    assert set(seen) <= {("pending", "stopping"), ("failed", "cancelled")}
    cancelled(prefect, run, tmp_path / "began")
    told = api.get(f"/api/jobs/{run}/history").json()["transitions"]
    assert [entry["to"] for entry in told].count("failed") == 1
    assert "running" not in [entry["to"] for entry in told]
    assert (told[-1]["triggered_by"], told[-1]["details"]["message"]) == ("user", "Cancelled through the jobs API")


def test_a_cancel_before_the_beginning_holds_when_the_adapter_dies_after_its_answer(
    stack: Stack, api: httpx.Client, prefect: PrefectApi, deployment: str, tmp_path: Path
) -> None:
    run = taken(prefect, deployment, tmp_path / "began")
    assert api.post(f"/api/jobs/{run}/cancel").is_success
    stack.kill("serve")
    cancelled(prefect, run, tmp_path / "began")
    stack.wait_ready()
    assert eventually(lambda: api.get(f"/api/jobs/{run}").json())["state"] == "cancelled"


def test_of_many_jobs_that_are_cancelled_as_they_are_taken_none_begins(
    api: httpx.Client, prefect: PrefectApi, deployment: str, tmp_path: Path
) -> None:
    runs = [prefect.start(deployment, began=str(tmp_path / str(number))) for number in range(12)]
    prefect.wait_for(runs[0], "PENDING")
    assert api.post("/api/jobs/bulk-cancel", json={"job_ids": runs}).json()["cancelled"] == len(runs)
    for number, run in enumerate(runs):
        cancelled(prefect, run, tmp_path / str(number))


def test_a_job_removed_before_it_began_never_begins_and_leaves_its_worker_at_work(
    api: httpx.Client, prefect: PrefectApi, deployment: str, tmp_path: Path
) -> None:
    run = taken(prefect, deployment, tmp_path / "removed")
    assert api.delete(f"/api/jobs/{run}", params={"purge": True}).json()["status"] == "deleted"
    assert api.get(f"/api/jobs/{run}").status_code == 404
    after = prefect.start(deployment, began=str(tmp_path / "after"))
    assert prefect.wait_for(after, "COMPLETED", "CRASHED", within=90) == "COMPLETED"
    assert not (tmp_path / "removed").exists()


@pytest.mark.timeout(300)
def test_jobs_that_are_being_started_when_the_server_dies_are_begun_when_it_is_back(
    stack: Stack, prefect: PrefectApi, deployment: str, tmp_path: Path
) -> None:
    """Not one line of theirs had run, and 8 of 20 had crashed."""
    runs = [prefect.start(deployment, began=str(tmp_path / str(number))) for number in range(6)]
    for run in runs:
        prefect.wait_for(run, "PENDING")
    stack.kill("prefect")
    stack.wait_ready(within=120)
    for run in runs:
        assert prefect.wait_for(run, "COMPLETED", "CRASHED", "FAILED", within=120) == "COMPLETED"
        assert prefect.get(f"/flow_runs/{run}")["run_count"] == 1
        assert "CRASHED" not in [state["type"] for state in prefect.states(run)]
    assert len(list(tmp_path.iterdir())) == len(runs)
