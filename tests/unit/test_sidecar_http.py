"""The sidecar's own HTTP: every answer is clear, refused, or unclear; nothing else ever comes out."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from prefect_jobs.sidecar.http_call import HttpApi, Refused, Unclear

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def answering(answer: bytes, asked: list[bytes] | None = None) -> Generator[HttpApi]:
    """A server that says this to everybody, once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                got = connection.recv(65536)
                if asked is not None:
                    asked.append(got)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield HttpApi(f"http://127.0.0.1:{listening.getsockname()[1]}/api/", {"Authorization": "Bearer secret"})
        thread.join()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (OK + b'Content-Length: 8\r\n\r\n{"a": 1}', {"a": 1}),
        (OK + b'\r\n{"a": 1}', {"a": 1}),
        (OK + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4;x=y\r\n: 1}\r\n0\r\n\r\n', {"a": 1}),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
    ],
)
def test_a_clear_answer_is_its_json(answer: bytes, value: Any) -> None:
    with answering(answer) as api:
        assert api.call("GET", "/flow_runs/1") == value


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b'Content-Length: 80\r\n\r\n{"a": 1}',
        OK + b'Transfer-Encoding: chunked\r\n\r\n40\r\n{"a"',
        OK + b"\r\n{",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\n\r\n",
        b"HTTP/1.1 503 Overloaded\r\n\r\n",
        b"HTTP/1.1 429 Too many\r\n\r\n",
    ],
)
def test_everything_else_is_unclear(answer: bytes) -> None:
    with answering(answer) as api, pytest.raises(Unclear):
        api.call("GET", "/flow_runs/1")


def test_nobody_there_is_unclear() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
    with pytest.raises(Unclear):
        HttpApi(f"http://127.0.0.1:{address[1]}", {}).call("GET", "/")


def test_a_client_error_is_refused_with_its_status() -> None:
    with answering(b"HTTP/1.1 404 Not Found\r\n\r\nnone") as api, pytest.raises(Refused) as refused:
        api.call("GET", "/flow_runs/1")
    assert (refused.value.status, refused.value.body) == (404, b"none")


def test_a_question_carries_its_body_and_what_opens_the_server() -> None:
    asked: list[bytes] = []
    with answering(OK + b"\r\nnull", asked) as api:
        api.call("POST", "/flow_runs/1/set_state", {"force": True}, {"Prefect-Csrf-Token": "t"})
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/flow_runs/1/set_state HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer secret\r\nPrefect-Csrf-Token: t\r\n" in head
    assert body == b'{"force": true}'


@pytest.mark.parametrize("url", ["prefect:4200/api", "ftp://prefect/api", "http:///api"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected an address"):
        HttpApi(url, {})
