"""`prefect-jobs work` with runs on its hands: how it takes them, and what becomes of them when it stops or dies.

Several workers, each on a pool of its own, are started side by side, because starting one takes seconds.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_jobs import __version__
from tests import naps, patient, slow_import
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually
from tests.workers import Worker, alive, deployments_stay, make_pool

NAPS, PATIENT, SLOW_IMPORT = (Path(str(module.__file__)) for module in (naps, patient, slow_import))
DEBUG = 10


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture(scope="module")
def workers(
    stack: Stack, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, Worker]]:
    """One worker for each way to stop, and one to be killed."""
    folder = tmp_path_factory.mktemp("workers")
    wanted = {
        "finish": ("--limit=1",),
        "hand-back": ("--on-stop=hand-back",),
        "stop": ("--on-stop=stop",),
        "killed": ("--on-stop=hand-back",),
    }
    for pool in wanted:
        make_pool(prefect, pool)
    with deployments_stay(stack):
        started = {
            pool: Worker(
                stack, folder, pool, *options, **({"SLOW_IMPORT": "600"} if pool in ("hand-back", "killed") else {})
            )
            for pool, options in wanted.items()
        }
        try:
            for worker in started.values():
                worker.wait_started()
            yield started
        finally:
            for worker in started.values():
                worker.end()


@pytest.fixture
def successors(stack: Stack, tmp_path: Path) -> Generator[list[Worker]]:
    """Workers that a test starts in place of others."""
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.end()


def _submitted(prefect: PrefectApi, run: str) -> bool:
    return prefect.get(f"/flow_runs/{run}")["infrastructure_pid"] is not None


def test_a_debug_line_of_a_job_reaches_prefect_and_its_environment_is_ours(stack: Stack, prefect: PrefectApi) -> None:
    run = prefect.start(prefect.deploy(NAPS, "naps"))

    assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"

    assert prefect.wait_for_line(run, "a debug line")["level"] == DEBUG
    assert prefect.wait_for_line(run, "data folder")["message"] == f"data folder: {stack.data_dir}"
    # Of a plain flow too: such a line took its whole batch along, neighbours included.
    assert prefect.wait_for_line(run, "a file of another system")["message"].endswith("caf\ufffd.txt")


def test_prefects_own_debug_lines_stay_out_of_the_terminal(stack: Stack, prefect: PrefectApi) -> None:
    run = prefect.start(prefect.deploy(NAPS, "naps"))
    prefect.wait_for(run, "COMPLETED")

    assert "| DEBUG" not in stack.log


def _why(api: httpx.Client, job_id: str) -> dict[str, Any]:
    """Why a job waits, by the jobs API."""
    return api.get(f"/api/jobs/{job_id}/detail").raise_for_status().json()["pending_reason"]


def test_jobs_are_finished_and_nothing_new_is_begun(
    api: httpx.Client, prefect: PrefectApi, workers: dict[str, Worker]
) -> None:
    """A Ctrl-C in a terminal goes to every process in it, and the jobs were among them."""
    worker = workers["finish"]
    deployment = prefect.deploy(NAPS, "naps", name="finish", work_pool="finish")
    running = prefect.start(deployment, seconds=6)
    prefect.wait_for_line(running, "asleep")
    waiting = prefect.start(deployment)
    eventually(lambda: _why(api, waiting)["code"] == "worker_limit")
    assert _why(api, waiting)["held_by"] == [running]

    os.killpg(worker.process.pid, signal.SIGINT)

    told = api.get(f"/api/jobs/{running}/detail").json()["metadata"]
    about = {"host": socket.gethostname(), "pid": worker.process.pid, "version": __version__, "limit": 1}
    assert (told["worker_id"], told["worker"]) == (f"{socket.gethostname()}-{worker.process.pid}", about)
    eventually(lambda: "Finishing what runs (1)" in worker.log)
    assert worker.wait() == 0
    assert prefect.state(running) == "COMPLETED"
    assert prefect.state(waiting) == "SCHEDULED"
    assert prefect.post("/work_pools/finish/workers/filter", {}) == []
    assert _why(api, waiting)["code"] == "no_worker"  # which shows at once, and not after a missing heartbeat


def test_jobs_are_handed_back_and_the_next_worker_runs_them_again(
    stack: Stack, prefect: PrefectApi, workers: dict[str, Worker], successors: list[Worker], tmp_path: Path
) -> None:
    worker = workers["hand-back"]
    deployment = prefect.deploy(PATIENT, "patient", name="hand-back", work_pool="hand-back")
    imports = prefect.deploy(SLOW_IMPORT, "slow_import", name="hand-back", work_pool="hand-back")
    of_the_kit = prefect.deploy(PATIENT, "patient_job", name="hand-back", work_pool="hand-back")
    begun = [prefect.start(each, stubborn=stubborn) for each in (deployment, of_the_kit) for stubborn in (False, True)]
    not_begun = prefect.start(imports)
    for run in begun:
        prefect.wait_for_line(run, "at work")
    eventually(lambda: _submitted(prefect, not_begun))
    below = worker.below

    worker.tell()

    assert worker.wait() == 0
    assert alive(below) == []
    for run in begun:
        found = prefect.get(f"/flow_runs/{run}")
        assert (found["state"]["name"], found["run_count"]) == ("AwaitingRetry", 1), run
        assert found["state"]["message"].startswith("Handed back by worker ")
        names = [state["name"] for state in prefect.states(run)]
        assert "Crashed" not in names, names
    found = prefect.get(f"/flow_runs/{not_begun}")
    assert (found["state"]["name"], found["run_count"]) == ("Scheduled", 0)

    successors.append(Worker(stack, tmp_path, "hand-back"))
    for run, attempts in (*((run, 2) for run in begun), (not_begun, 1)):
        assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED", within=90) == "COMPLETED"
        assert prefect.get(f"/flow_runs/{run}")["run_count"] == attempts


def test_a_worker_that_stops_its_jobs_says_what_became_of_them_and_leaves_no_process(
    prefect: PrefectApi, workers: dict[str, Worker]
) -> None:
    """Prefect's worker kills its jobs when it is told to stop, and their runs stayed Running for ever."""
    worker = workers["stop"]
    deployment = prefect.deploy(NAPS, "naps", name="stop", work_pool="stop")
    run = prefect.start(deployment, seconds=600, bystander=True)
    of_the_kit = prefect.start(prefect.deploy(PATIENT, "patient_job", name="stop", work_pool="stop"))
    prefect.wait_for_line(run, "asleep")
    prefect.wait_for_line(of_the_kit, "at work")
    below = worker.below
    assert len(below) == 4, below  # the jobs, the process that one let run, and what watches the other

    worker.tell()

    assert worker.wait() == 0
    assert prefect.state(run) == prefect.state(of_the_kit) == "CRASHED"
    assert alive(below) == []


def test_what_a_killed_worker_ran_ends_and_what_it_had_not_begun_is_given_back(
    stack: Stack, prefect: PrefectApi, workers: dict[str, Worker], successors: list[Worker], tmp_path: Path
) -> None:
    """Its jobs worked on until their next line of log, and stayed Running; what it had just taken stayed Pending."""
    worker = workers["killed"]
    deployment = prefect.deploy(NAPS, "naps", name="killed", work_pool="killed")
    running = prefect.start(deployment, seconds=600, bystander=True)
    of_the_kit = prefect.start(prefect.deploy(PATIENT, "patient_job", name="killed", work_pool="killed"))
    not_begun = prefect.start(prefect.deploy(SLOW_IMPORT, "slow_import", name="killed", work_pool="killed"))
    prefect.wait_for_line(running, "asleep")
    prefect.wait_for_line(of_the_kit, "at work")
    eventually(lambda: _submitted(prefect, not_begun))
    below = worker.below

    worker.tell(signal.SIGKILL)

    # What watches a job of the kit tells its end at once; only what the other job let run is left.
    assert prefect.wait_for(of_the_kit, "CRASHED", "COMPLETED", within=10) == "CRASHED"
    eventually(lambda: len(alive(below)) == 1, within=5)
    assert (prefect.state(running), prefect.state(not_begun)) == ("RUNNING", "PENDING")
    successors.append(Worker(stack, tmp_path, "killed"))
    assert prefect.wait_for(not_begun, "COMPLETED", "FAILED", "CRASHED", within=90) == "COMPLETED"
    names = [state["name"] for state in prefect.states(not_begun)]
    assert names.count("Scheduled") == 2, names
    assert prefect.wait_for(running, "CRASHED") == "CRASHED"
    assert "is gone, and the job's process with it" in prefect.get(f"/flow_runs/{running}")["state"]["message"]
    eventually(lambda: not alive(below), within=5)


def test_a_worker_sends_nobody_into_a_pool_of_another_kind(stack: Stack, prefect: PrefectApi) -> None:
    prefect.post("/work_pools/", {"name": "containers", "type": "docker"})
    environment = {**stack.environment, "PREFECT_JOBS_WORK_POOL": "containers"}
    command = [sys.executable, "-m", "prefect_jobs.cli", "work"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'containers' is of type 'docker'" in done.stderr
    assert "Traceback" not in done.stderr
