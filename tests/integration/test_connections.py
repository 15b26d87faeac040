"""Strangers that connect and ask nothing keep nobody from being answered."""

import socket
import time
from collections.abc import Generator
from contextlib import ExitStack

import httpx
import pytest

from tests.served_process import ServedProcess, served_process
from tests.stack import eventually

HEAD_TIMEOUT = 2.0
STRANGERS = 400
DESCRIPTORS = 256


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServedProcess]:
    with served_process(
        tmp_path_factory.mktemp("small"), nofile=DESCRIPTORS, head_timeout=str(HEAD_TIMEOUT), send_timeout="3"
    ) as served:
        yield served


def connected(served: ServedProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=30)


def answered(served: ServedProcess) -> bool:
    with httpx.Client(timeout=20, trust_env=False) as client:
        return client.get(f"{served.url}/api/jobs").status_code == 200


def everything(connection: socket.socket) -> bytes:
    parts = list[bytes]()
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    "says",
    [b"", b"GET /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow:", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
    ids=["silent", "half a head", "kept alive"],
)
def test_more_strangers_than_descriptors_keep_nobody_from_being_answered(small: ServedProcess, says: bytes) -> None:
    """400 connections and 256 descriptors: the server answered nobody for minutes, and opened no database."""
    with ExitStack() as strangers:
        for number in range(STRANGERS):
            stranger = strangers.enter_context(connected(small))
            stranger.sendall(says)
            if number % 100 == 0:
                assert answered(small)
        for _ in range(5):
            assert answered(small)

    assert "Traceback" not in small.log
    assert small.log.count("The limit of descriptors is reached") == 1


def test_a_silent_connection_is_closed(small: ServedProcess) -> None:
    with connected(small) as stranger:
        assert everything(stranger) == b""


def test_a_head_that_comes_line_by_line_is_whole_in_time_or_refused(small: ServedProcess) -> None:
    """One line in ten seconds kept a connection for 420 s. The time counts from the head's beginning."""
    began = time.monotonic()
    with connected(small) as slow:
        slow.sendall(b"GET /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        slow.settimeout(0.1)
        said = b""
        while not said and time.monotonic() < began + 60:
            try:
                slow.sendall(b"X-More: y\r\n")
                said = slow.recv(65_536)
            except TimeoutError:
                continue
        slow.settimeout(30)

    assert said.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= HEAD_TIMEOUT * 0.9


def test_a_second_head_on_the_same_connection_has_no_more_time(small: ServedProcess) -> None:
    with connected(small) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert slow.recv(65_536).startswith(b"HTTP/1.1 200 ")
        slow.sendall(b"GET /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n")

        assert b"408" in everything(slow)


def test_a_body_that_nobody_wants_is_not_taken_for_ever(small: ServedProcess) -> None:
    """The answer to a GET does not wait for its body, and what came of it afterwards kept the connection."""
    with connected(small) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n")
        assert slow.recv(65_536).startswith(b"HTTP/1.1 200 ")
        slow.settimeout(0.1)

        def ended() -> bool:
            try:
                slow.sendall(b"x")
                return slow.recv(65_536) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(ended, within=60)


def test_a_head_without_an_end_is_refused_before_it_fills_the_memory(small: ServedProcess) -> None:
    with connected(small) as talker:
        try:
            talker.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 2**20)
        except ConnectionError:
            return  # the refusal was lost with the connection, as TCP does
        said = everything(talker)

    assert said.startswith(b"HTTP/1.1 431 ") or said == b""


def test_an_answer_that_nobody_reads_ends(small: ServedProcess) -> None:
    """Answers that wait for their client keep descriptors and memory; and the server must not choke on their end."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", small.port))
        for _ in range(10):
            reader.sendall(b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

        eventually(lambda: "An answer was not taken for 3 s" in small.log, within=60)
        assert answered(small)

    assert "Traceback" not in small.log
