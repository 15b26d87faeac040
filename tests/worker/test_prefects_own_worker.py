"""What a job of the kit can do comes with the kit, and not with our worker: the same jobs on Prefect's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_jobs.shipped import ENTER_FLOWS
from tests import begins_late, naps, patient
from tests.contract.jobs import job
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually
from tests.workers import make_pool

PATIENT, NAPS, LATE = (Path(str(module.__file__)) for module in (patient, naps, begins_late))
POOL = "plain"


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture(scope="module")
def own_worker(stack: Stack, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Prefect's process worker as it comes, except that it looks for runs every second; the name of its pool."""
    make_pool(prefect, POOL)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    environment = {**stack.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with (tmp_path_factory.mktemp("own-worker") / "log").open("wb") as log:
        worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: prefect.post(f"/work_pools/{POOL}/workers/filter", {}), within=60)
        yield POOL
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # its jobs have ended
        worker.wait()


def test_jobs_of_the_kit_do_and_tell_the_same(api: httpx.Client, prefect: PrefectApi, own_worker: str) -> None:
    """An export with its file; one that is cancelled between two steps; one that must be killed. All at once."""
    of_the_kit = prefect.deploy(PATIENT, "patient_job", name=POOL, work_pool=own_worker)
    export = prefect.deploy(
        PATIENT,
        "export",
        name=POOL,
        work_pool=own_worker,
        entrypoint="flows/export.py:export",
        pull_steps=[{ENTER_FLOWS: {}}],
    )
    exported = prefect.start(export, format="json")
    cancelled, aborted = prefect.start(of_the_kit), prefect.start(of_the_kit, stubborn=True)
    for run in (cancelled, aborted):
        prefect.wait_for_line(run, "at work", within=120)

    assert api.post(f"/api/jobs/{cancelled}/cancel").is_success
    assert api.post(f"/api/jobs/{aborted}/abort").is_success

    assert job(api, cancelled, status="failed")["state"] == "cancelled"
    assert job(api, aborted, status="failed")["state"] == "aborted"
    done = job(api, exported, status="completed")
    assert api.get(done["result"]["file_path"]).is_success
    for run in (cancelled, aborted, exported):
        assert api.get(f"/api/jobs/{run}/detail").json()["metadata"]["worker_id"].startswith("ProcessWorker ")


def test_a_deployments_limit_holds_too(api: httpx.Client, prefect: PrefectApi, own_worker: str) -> None:
    deployment = prefect.deploy(NAPS, "naps", name=POOL, work_pool=own_worker, concurrency_limit=1)
    holder = prefect.start(deployment, seconds=600)
    prefect.wait_for_line(holder, "asleep", within=120)
    waiting = prefect.start(deployment)

    # It was refused its place, and asks again.
    eventually(lambda: "AwaitingConcurrencySlot" in [state["name"] for state in prefect.states(waiting)], within=30)
    reason: dict[str, Any] = api.get(f"/api/jobs/{waiting}/detail").json()["pending_reason"]
    assert (reason["code"], reason["held_by"]) == ("deployment_limit", [holder])
    assert api.post(f"/api/jobs/{holder}/cancel").is_success
    job(api, holder, status="failed")

    assert prefect.wait_for(waiting, "COMPLETED", "FAILED", "CRASHED", within=90) == "COMPLETED"


@pytest.mark.timeout(240)
def test_a_job_cancelled_before_it_began_ends_when_its_process_is_gone_and_never_runs(
    api: httpx.Client, prefect: PrefectApi, own_worker: str, tmp_path: Path
) -> None:
    """Prefect's worker knows nothing of our cancellation: its server keeps the process from beginning."""
    late = prefect.deploy(LATE, "begins_late", name=POOL, work_pool=own_worker)
    run = prefect.start(late, began=str(tmp_path / "began"))
    prefect.wait_for(run, "PENDING")
    assert api.post(f"/api/jobs/{run}/cancel").is_success
    assert api.get(f"/api/jobs/{run}").json()["state"] in ("stopping", "cancelled")
    prefect.wait_for(run, "CANCELLED", within=120)
    assert [state["type"] for state in prefect.states(run)][-2:] == ["CANCELLING", "CANCELLED"]
    assert "RUNNING" not in [state["type"] for state in prefect.states(run)]
    assert not (tmp_path / "began").exists()
    assert job(api, run, status="failed", state="cancelled")["error"] == "Cancelled by user"
