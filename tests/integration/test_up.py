"""`prefect-jobs up` on real parts: what a person sees who starts it, breaks it and stops it."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests import naps
from tests.prefect_api import PrefectApi
from tests.stack import Stack, clean_environment, eventually, free_port, processes_of, running_stack

NAPS = Path(naps.__file__)


def test_everything_answers_once_up_says_ready(stack: Stack, api: httpx.Client) -> None:
    assert api.get("/readyz").status_code == 200
    assert httpx.get(f"{stack.prefect_api_url}/health").status_code == 200
    for address in (stack.page_url, f"{stack.api_url}/docs", stack.prefect_api_url.removesuffix("/api")):
        assert address in stack.log
        assert httpx.get(address, follow_redirects=True).status_code == 200, address


def test_each_process_is_named_in_front_of_its_lines(stack: Stack) -> None:
    for name in ("prefect", "work"):
        assert any(line.startswith(f"{name:<7} | ") for line in stack.log.splitlines())


def test_twenty_exports_at_once_are_accepted_and_completed(stack: Stack, api: httpx.Client) -> None:
    """On its default settings Prefect's SQLite server answered 503 to such a crowd, or nothing for a minute."""

    def post(_: int) -> httpx.Response:
        return api.post("/api/events/export", json={})

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(post, range(20)))

    assert [answer.status_code for answer in answers] == [202] * 20
    with PrefectApi.of(stack) as prefect:
        for answer in answers:
            run = answer.json()["job_id"]
            assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED", within=150) == "COMPLETED"


def test_a_worker_that_dies_is_started_again_and_says_so(stack: Stack, api: httpx.Client) -> None:
    stack.kill("work")

    eventually(lambda: "work    | was ended by SIGKILL; starting it again" in stack.log)
    job = api.post("/api/events/export", json={}).json()["job_id"]
    eventually(lambda: api.get(f"/api/jobs/{job}").json()["status"] == "completed", within=90)


def test_a_server_and_a_worker_that_live_and_say_nothing_are_started_again_and_readiness_tells(
    stack: Stack, api: httpx.Client
) -> None:
    """`up` saw living processes, whatever they did: a server that was stuck stayed so."""
    for child in ("prefect", "work"):
        os.kill(stack.pid_of(child), signal.SIGSTOP)

    def told() -> bool:
        found = api.get("/readyz").json()
        silent = {one["name"] for one in found["restarts"] if "did not answer" in one["why"] and one["back"]}
        return silent == {"prefect", "work"} and found["ready"]

    eventually(told, within=150)
    assert "prefect | lives and did not answer for 30 seconds; starting it again" in stack.log
    assert "work    | lives and did not answer for 30 seconds; starting it again" in stack.log
    reasons = api.get("/readyz").json()["reasons"]
    assert "work lives and did not answer for 30 seconds; it was started again" in reasons
    job = api.post("/api/events/export", json={}).json()["job_id"]
    eventually(lambda: api.get(f"/api/jobs/{job}").json()["status"] == "completed", within=90)


def test_a_second_up_on_the_same_data_is_refused(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect_jobs.cli", "up", f"--port={free_port()}", f"--data-dir={stack.data_dir}"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "already running on the data folder" in done.stderr


def test_a_users_own_prefect_profile_is_left_alone(stack: Stack) -> None:
    assert (stack.data_dir / "prefect").is_dir()
    assert (stack.data_dir / "prefect.db").is_file()
    assert (stack.data_dir.stat().st_mode & 0o777) == 0o700


def test_beside_a_server_that_runs_already_none_is_started(stack: Stack, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        up = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "prefect_jobs.cli",
                "up",
                f"--port={free_port()}",
                f"--data-dir={tmp_path / 'data'}",
            ],
            env={name: value for name, value in stack.environment.items() if name != "PREFECT_JOBS_DATA_DIR"},
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: "Ready." in (tmp_path / "log").read_text(), within=60)
    finally:
        up.terminate()
        assert up.wait(10) == 0

    assert "prefect | " not in (tmp_path / "log").read_text()
    assert not (tmp_path / "data" / "prefect.db").exists()
    assert processes_of(tmp_path / "data") == []


def test_stopping_ends_running_jobs_within_ten_seconds_and_the_next_start_is_quick(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack, PrefectApi.of(stack) as prefect:  # proves that nothing is left
        run = prefect.start(prefect.deploy(NAPS, "naps"), seconds=600, bystander=True)
        prefect.wait_for_line(run, "asleep")

    began = time.monotonic()
    with running_stack(tmp_path) as stack, PrefectApi.of(stack) as prefect:
        print(f"a later start took {time.monotonic() - began:.1f} s")
        assert prefect.state(run) == "CRASHED"

        os.kill(stack.pid, signal.SIGINT)
        eventually(lambda: not processes_of(stack.data_dir), within=10)


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "prefect_jobs.cli", "up", f"--port={free_port()}", f"--prefect-port={free_port()}"]
    with log.open("wb") as out:
        environment = {**clean_environment(), "PREFECT_JOBS_DATA_DIR": str(tmp_path)}
        up = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        eventually(lambda: "Ready." in log.read_text(), within=120)
        # One that is stuck heeds no signal, and worked on for eleven minutes.
        server = next(one for one in processes_of(tmp_path) if "server" in one.cmdline())
        server.send_signal(signal.SIGSTOP)
    finally:
        up.kill()
        up.wait()

    try:
        eventually(lambda: not processes_of(tmp_path), within=30, what=f"their end, of {processes_of(tmp_path)}")
    finally:
        for process in processes_of(tmp_path):
            process.kill()
