"""`prefect-jobs work` with runs on its hands. The one that is stopped here is one of two: the stack's goes on."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import PrefectClient

from prefect_jobs.declarations import read_declarations
from prefect_jobs.deployments import register
from prefect_jobs.shipped import DECLARATIONS, root
from tests import naps
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

NAPS = Path(naps.__file__)
DEBUG, INFO = 10, 20
STOPS_WITHIN = 10.0


@pytest.fixture
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture
def worker(stack: Stack, tmp_path: Path) -> Generator[subprocess.Popen[bytes]]:
    """A second worker, on a pool of its own. It takes the deployments there, so they are brought back at the end."""
    environment = {**stack.environment, "PREFECT_JOBS_WORK_POOL": "second"}
    log = tmp_path / "work.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "prefect_jobs.cli", "work"]
        worker = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        eventually(lambda: b"started!" in log.read_bytes(), within=60)
        yield worker
    finally:
        worker.kill()
        worker.wait()
        asyncio.run(_bring_deployments_back(stack))


async def _bring_deployments_back(stack: Stack) -> None:
    async with PrefectClient(stack.prefect_api_url) as client:
        await register(client, read_declarations(root() / DECLARATIONS), folder=root(), work_pool="jobs")


def test_a_debug_line_of_a_job_reaches_prefect_and_its_environment_is_ours(stack: Stack, prefect: PrefectApi) -> None:
    run = prefect.start(prefect.deploy(NAPS, "naps"))

    assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"

    assert prefect.wait_for_line(run, "a debug line")["level"] == DEBUG
    assert prefect.wait_for_line(run, "data folder")["message"] == f"data folder: {stack.data_dir}"


def test_prefects_own_debug_lines_stay_out_of_the_terminal(stack: Stack, prefect: PrefectApi) -> None:
    run = prefect.start(prefect.deploy(NAPS, "naps"))
    prefect.wait_for(run, "COMPLETED")

    assert "| DEBUG" not in stack.log


def test_a_worker_that_stops_says_what_became_of_its_jobs_and_leaves_no_process(
    prefect: PrefectApi, worker: subprocess.Popen[bytes]
) -> None:
    """Prefect's worker kills its jobs when it is told to stop, and their runs stayed Running for ever."""
    run = prefect.start(prefect.deploy(NAPS, "naps", name="second", work_pool="second"), seconds=600, bystander=True)
    prefect.wait_for_line(run, "asleep")
    below = psutil.Process(worker.pid).children(recursive=True)
    assert len(below) == 2, below  # the job, and the process it let run

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(STOPS_WITHIN) == 0
    assert prefect.state(run) == "CRASHED"
    assert not [process for process in below if process.is_running()]


def test_an_idle_worker_stops_at_once(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGINT)

    assert worker.wait(STOPS_WITHIN) == 0


def test_a_worker_sends_nobody_into_a_pool_of_another_kind(stack: Stack, prefect: PrefectApi) -> None:
    prefect.post("/work_pools/", {"name": "containers", "type": "docker"})
    environment = {**stack.environment, "PREFECT_JOBS_WORK_POOL": "containers"}
    command = [sys.executable, "-m", "prefect_jobs.cli", "work"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'containers' is of type 'docker'" in done.stderr
    assert "Traceback" not in done.stderr
