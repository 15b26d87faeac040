"""Contract 1.1 and 16.8 on a real server: `prefect-jobs serve` with keys, beside the stack's own, as a process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.lifecycle import subjects
from tests.prefect_api import PrefectApi
from tests.stack import Stack, clean_environment, eventually, free_port

VIEWER, ADMIN = "viewers-key-000000", "administrators-key"


@dataclass(frozen=True)
class Served:
    url: str
    output: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]


def command(stack: Stack, folder: Path, **settings: str) -> dict[str, Any]:
    environment = {**clean_environment(), "PREFECT_API_URL": stack.prefect_api_url, "PYTHONUNBUFFERED": "1"}
    names = {f"PREFECT_JOBS_{name.upper()}": value for name, value in settings.items()}
    own = {"PREFECT_JOBS_DATA_DIR": os.fspath(folder / "data"), **names}
    return {"args": [sys.executable, "-m", "prefect_jobs.cli", "serve"], "env": environment | own}


@pytest.fixture(scope="module")
def closed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder, port = tmp_path_factory.mktemp("closed"), free_port()
    served = Served(f"http://127.0.0.1:{port}", folder / "output")
    keys = folder / "keys"
    keys.write_text(f"# who may\nvera:viewer:{VIEWER}\n")
    with served.output.open("wb") as output:
        process = subprocess.Popen(
            **command(stack, folder, port=str(port), api_keys=f"ada:admin:{ADMIN}", api_keys_file=os.fspath(keys)),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: httpx.get(f"{served.url}/readyz").is_success, within=60)
        yield served
    finally:
        process.terminate()
        # Uvicorn ends as the signal would have ended it, once it has stopped in order.
        assert process.wait(20) in (0, -signal.SIGTERM)


def test_keys_of_the_setting_and_of_the_file_open_and_nothing_else_does(closed: Served) -> None:
    for key, status in ((VIEWER, 200), (ADMIN, 200), ("not-a-key-of-anybody", 401)):
        assert httpx.get(f"{closed.url}/api/jobs", headers={"X-API-Key": key}).status_code == status
        assert httpx.get(f"{closed.url}/api/jobs", params={"api_key": key}).status_code == status
    assert httpx.get(f"{closed.url}/api/jobs").json() == {
        "detail": "API key required. Provide via X-API-Key header or api_key query parameter."
    }


def test_a_socket_opens_by_protocol_by_query_and_by_session(closed: Served) -> None:
    address = closed.url.replace("http", "ws", 1) + "/ws/jobs/nobody/logs"
    with httpx.Client(base_url=closed.url) as client:
        client.post("/api/session", json={"api_key": VIEWER})
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    protocol = Subprotocol(f"api-key.{VIEWER}")
    with connect(address, subprotocols=[protocol], close_timeout=0.1) as socket:
        assert socket.subprotocol == protocol
        assert json.loads(socket.recv(10))["type"] == "position"
    for options in ({"uri": f"{address}?token={VIEWER}"}, {"uri": address, "additional_headers": {"Cookie": cookie}}):
        given: dict[str, Any] = options
        with connect(**given, close_timeout=0.1) as socket:
            assert json.loads(socket.recv(10))["type"] == "position"
    with connect(address, close_timeout=0.1) as socket, pytest.raises(ConnectionClosed) as closing:
        socket.recv(10)
    assert closing.value.rcvd is not None
    assert closing.value.rcvd.code == 1008


def test_the_page_shows_the_form_and_after_signing_in_itself(closed: Served) -> None:
    with httpx.Client(base_url=closed.url) as client:
        form = client.get("/jobs")
        assert form.status_code == 401
        assert 'data-testid="sign-in"' in form.text
        client.post("/api/session", json={"api_key": VIEWER})
        page = client.get("/jobs")
        assert page.status_code == 200
        assert 'data-testid="jobs-page"' in page.text
        assert next(iter(client.cookies.values())) not in page.text


def test_the_receipt_of_a_stop_names_who_asked_by_the_key(closed: Served, stack: Stack, tmp_path: Path) -> None:
    headers = {"X-API-Key": ADMIN}
    with PrefectApi.of(stack) as prefect, httpx.Client(base_url=closed.url, headers=headers, timeout=30) as client:
        deployment = prefect.deploy(Path(subjects.__file__), "stepping", name="who", work_pool="jobs")
        job_id = prefect.start(deployment, folder=str(tmp_path))
        prefect.wait_for(job_id, "RUNNING")
        eventually(lambda: client.get(f"/api/jobs/{job_id}").json().get("stoppable") == "cooperative")
        assert client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
        prefect.wait_for(job_id, "CANCELLED")

        def told() -> dict[str, Any] | None:
            transitions = client.get(f"/api/jobs/{job_id}/history").json()["transitions"]
            return next((one for one in transitions if "receipt" in one["details"]), None)

        end = eventually(told)
        assert end is not None
        assert end["details"]["by"] == "ada"
        assert end["details"]["message"].startswith("Cancelled through the jobs API by ada. Receipt: asked ")


def test_every_request_has_its_line_and_no_line_a_key(closed: Served) -> None:
    httpx.get(
        f"{closed.url}/api/jobs/nobody/history?api_key={ADMIN}", headers={"X-Request-ID": "the-one-to-find"}, timeout=30
    )

    def mine() -> dict[str, Any] | None:
        return next((line for line in closed.lines() if line["request_id"] == "the-one-to-find"), None)

    line = eventually(mine)
    assert line["route"] == "/api/jobs/{job_id}/history"
    assert (line["status"], line["caller"]) == (404, "ada")
    written = closed.output.read_text()
    assert VIEWER not in written
    assert ADMIN not in written


@pytest.mark.parametrize(
    ("keys", "said"),
    [("vera:viewer:short", "16 to 200 characters"), (f"vera:root:{VIEWER}", "unknown role")],
    ids=["a short key", "an unknown role"],
)
def test_an_unusable_key_is_refused_at_the_start_in_one_sentence(
    stack: Stack, tmp_path: Path, keys: str, said: str
) -> None:
    done = subprocess.run(
        **command(stack, tmp_path, port=str(free_port()), api_keys=keys), capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert keys.rpartition(":")[2] not in done.stderr
