"""Processes die in the middle of jobs, for real. Afterwards everything is right again by itself."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect.states import Completed
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.contract.runs import open_runs
from tests.stack import Stack, eventually, free_port

# Half of its lines, a pause until it is told to go on, the other half.
JOB = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from prefect.logging import get_run_logger
    from prefect_jobs import job, progress

    @job("halfway")
    def halfway(total: int, signal: str):
        for number in range(total):
            if number == total // 2:
                while not Path(signal).exists():
                    time.sleep(0.05)
            get_run_logger().info("line %05d", number)
            progress(number + 1, total, f"Processing event {number + 1}/{total}")
        return {"lines": total}

    if __name__ == "__main__":
        halfway(int(sys.argv[1]), sys.argv[2])
    """
)
LINES = 200


@contextmanager
def halfway(stack: Stack, folder: Path) -> Generator[tuple[subprocess.Popen[bytes], Path]]:
    """A real flow process that stands still in its middle until the file appears."""
    script, go_on = folder / "halfway.py", folder / "go-on"
    script.write_text(JOB)
    command = [sys.executable, str(script), str(LINES), str(go_on)]
    with subprocess.Popen(command, env=stack.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as flow:
        try:
            yield flow, go_on
        finally:
            flow.kill()


def the_job(api: httpx.Client, **expected: Any) -> dict[str, Any]:
    def right() -> dict[str, Any] | None:
        found = api.get("/api/jobs", params={"job_type": "halfway"}).json()["items"]
        return found[0] if found and all(found[0][name] == value for name, value in expected.items()) else None

    return eventually(right, within=60, what=f"the job shows {expected}")


def own_lines(api: httpx.Client, job_id: str) -> list[str]:
    lines = api.get(f"/api/jobs/{job_id}/logs", params={"limit": 10_000}).json()["logs"]
    return [line["message"] for line in lines if line["message"].startswith("line ")]


def expected_lines(count: int = LINES) -> list[str]:
    return [f"line {number:05}" for number in range(count)]


def test_an_adapter_that_dies_in_the_middle_of_a_job_loses_nothing(
    stack: Stack, api: httpx.Client, tmp_path: Path
) -> None:
    with halfway(stack, tmp_path) as (flow, go_on):
        job = the_job(api, status="running", progress=50)
        seen: list[int] = []
        socket_url = stack.api_url.replace("http", "ws", 1) + f"/ws/jobs/{job['job_id']}/logs"

        def view(until: int) -> None:
            with connect(f"{socket_url}?after={seen[-1] if seen else 0}", close_timeout=0.1) as socket:
                while not seen or seen[-1] < until:
                    frame = json.loads(socket.recv(timeout=30))
                    if frame["type"] == "log":
                        seen.append(frame["data"]["seq"])

        eventually(lambda: len(own_lines(api, job["job_id"])) == LINES // 2, what="the first half of the log")
        view(LINES // 2)
        stack.kill("serve")
        go_on.touch()
        assert flow.wait(60) == 0
        stack.wait_ready()
        done = the_job(api, status="completed")
        assert (done["job_id"], done["progress"], done["result"]) == (job["job_id"], 100, {"lines": LINES})
        assert done["version"] > job["version"]
        eventually(lambda: own_lines(api, job["job_id"]) == expected_lines(), what="the whole log, once, in order")
        last = max(
            line["seq"] for line in api.get(f"/api/jobs/{job['job_id']}/logs", params={"limit": 10_000}).json()["logs"]
        )
        view(last)
        assert seen == list(range(1, last + 1))


def test_a_prefect_server_that_dies_in_the_middle_of_a_job_is_caught_up_with(stack: Stack, api: httpx.Client) -> None:
    with open_runs(stack.prefect_api_url) as runs:
        running, finishing = runs.started(), runs.started()
        for job_id in (running, finishing):
            eventually(lambda job_id=job_id: api.get(f"/api/jobs/{job_id}").json()["status"] == "running")
        stack.kill("prefect")

        def away() -> dict[str, Any] | None:
            answer = api.get("/readyz")
            return answer.json() if answer.status_code == 503 else None

        down = eventually(away, what="the adapter says that Prefect is away")
        assert down["prefect"] == "down"
        assert "not reachable" in down["reasons"][0]
        # What is known stays readable.
        assert api.get(f"/api/jobs/{running}").json()["status"] == "running"
        eventually(lambda: httpx.get(f"{stack.prefect_api_url}/health").status_code == 200, within=60)
        runs.move(finishing, Completed())
        eventually(lambda: api.get(f"/api/jobs/{finishing}").json()["status"] == "completed", within=10)
        assert api.get(f"/api/jobs/{running}").json()["status"] == "running"
        stack.wait_ready()


def test_viewers_of_a_dying_adapter_are_told_by_a_closed_socket(stack: Stack) -> None:
    url = stack.api_url.replace("http", "ws", 1) + "/ws/jobs/any/logs"
    with connect(url, close_timeout=0.1) as socket:
        stack.kill("serve")
        try:
            while True:
                socket.recv(timeout=30)
        except ConnectionClosed:
            pass
    stack.wait_ready()


def test_a_server_that_is_stopped_ends_its_streams_and_says_nothing_of_it(stack: Stack, tmp_path: Path) -> None:
    """An open change feed held the server up until its grace was over, and left a traceback for each reader."""
    port = free_port()
    environment = stack.environment | {"PREFECT_JOBS_DATA_DIR": str(tmp_path), "PREFECT_JOBS_ACCESS_LOG": "false"}
    command = [sys.executable, "-m", "prefect_jobs.cli", "serve", f"--port={port}"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as serve:
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: httpx.get(f"{url}/readyz").status_code == 200, within=60)
            with httpx.stream("GET", f"{url}/api/jobs/changes", timeout=30) as feed:
                lines = feed.iter_lines()
                assert next(lines) == "event: status"
                serve.terminate()
                assert [line for line in lines if line.startswith("event:")] == []
            assert serve.wait(10) in (0, -signal.SIGTERM)
            assert serve.stdout is not None
            assert serve.stdout.read() == ""
        finally:
            serve.kill()
