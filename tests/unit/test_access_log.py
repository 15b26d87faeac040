"""One line for each request, an id for each, and no key in any log."""

import json
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.api.access_log import MaskSecrets, access, masked
from prefect_jobs.gateway.fake import completed
from tests.unit.serving import ADMIN, KEYS, VIEWER, Client, opened_socket, served


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path, [completed(id="one")], api_keys=KEYS) as opened:
        yield opened


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the access log says, read when asked for."""
    caplog.set_level(logging.INFO, access.name)

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Any:
            return iter([json.loads(record.getMessage()) for record in caplog.records if record.name == access.name])

    return Lines()


def test_a_request_is_one_line_with_the_routes_template_and_the_callers_name(
    client: Client, lines: list[dict[str, Any]]
) -> None:
    client.get("/api/jobs/one?secret=1", headers={"X-API-Key": VIEWER, "X-Request-ID": "abc-1"})

    [line] = lines
    assert set(line) == {"time", "method", "route", "status", "ms", "request_id", "caller"}
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/jobs/{job_id}", 200)
    assert (line["request_id"], line["caller"]) == ("abc-1", "vera")
    assert line["ms"] >= 0


def test_a_refused_request_and_a_socket_have_their_line_too(client: Client, lines: list[dict[str, Any]]) -> None:
    client.get("/api/jobs")
    client.get("/nowhere", headers={"X-API-Key": VIEWER})
    with opened_socket(client, f"/ws/jobs/x/logs?api_key={ADMIN}") as socket:
        socket.receive_json()

    refused, lost, on_socket = lines
    assert (refused["status"], refused["route"], refused["caller"]) == (401, "other", None)
    assert (lost["status"], lost["route"]) == (404, "other")
    assert (on_socket["method"], on_socket["route"]) == ("WEBSOCKET", "/ws/jobs/{job_id}/logs")
    assert on_socket["caller"] == "ada"
    assert ADMIN not in json.dumps(list(lines))


def test_the_access_log_can_be_switched_off(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    with served(tmp_path, access_log=False) as client:
        client.get("/api/jobs")

    assert list(lines) == []


def test_the_clients_request_id_is_echoed_and_another_is_made(client: Client) -> None:
    named = client.get("/api/jobs?limit=0", headers={"X-API-Key": VIEWER, "X-Request-ID": "abc-1"})
    made = client.get("/api/jobs?limit=0", headers={"X-API-Key": VIEWER})

    assert named.headers["x-request-id"] == named.json()["error"]["request_id"] == "abc-1"
    assert len(made.headers["x-request-id"]) == 32
    assert made.json()["error"]["request_id"] == made.headers["x-request-id"]


@pytest.mark.parametrize("hostile", ["", "x" * 65, "a b", 'a"b', "a\x1b[31m", "<script>"])
def test_a_request_id_that_could_do_harm_is_replaced(client: Client, hostile: str) -> None:
    answer = client.get("/healthz", headers={b"X-Request-ID": hostile.encode()})

    assert len(answer.headers["x-request-id"]) == 32


def test_an_unexpected_failure_names_the_request_and_hides_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]
) -> None:
    with served(tmp_path) as client:

        def fail() -> None:
            raise ValueError("the password is secret")

        monkeypatch.setattr(client.app.state.adapter.feed, "status", fail)
        answer = client.get("/readyz", headers={"X-Request-ID": "abc-1"})

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "INTERNAL_ERROR"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"] == "abc-1"
    assert "password" not in answer.text
    assert [line["status"] for line in lines] == [500]


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/jobs?api_key=SECRETSECRET0000&limit=1 HTTP/1.1",
        '"WebSocket /ws/system?token=SECRETSECRET0000" [accepted]',
        "> Sec-WebSocket-Protocol: other, api-key.SECRETSECRET0000",
        "< x-api-key: SECRETSECRET0000",
        "(b'x-api-key', b'SECRETSECRET0000')",
        "> Cookie: a=b; prefect_jobs_session=SECRETSECRET0000; c=d",
    ],
)
def test_whoever_quotes_a_key_quotes_stars(text: str) -> None:
    assert "SECRET" not in masked(text)
    assert "***" in masked(text)


def test_text_without_a_key_stays_as_it_is() -> None:
    text = "job export failed: monkey=1, tokens=2, api_keys are off"

    assert masked(text) == text


def test_arguments_and_tracebacks_are_masked_too() -> None:
    try:
        raise ValueError("no host in http://x/?api_key=SECRETSECRET0000")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord(
        "uvicorn.error", logging.ERROR, "", 0, "lost %s", ("http://x/?token=SECRETSECRET0000",), info
    )

    assert MaskSecrets().filter(record)
    written = logging.Formatter().format(record)
    assert "SECRET" not in written
    assert "lost http://x/?token=***" in written
    assert "ValueError: no host" in written
