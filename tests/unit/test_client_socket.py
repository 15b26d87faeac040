"""The log socket of the client against a real one."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from prefect_jobs.client import NotReachable, Pace
from prefect_jobs.client.connection import Connection
from prefect_jobs.client.log_socket import LARGEST_FRAME, LogSocket
from tests.stack import free_port

KEY = "sixteen-characters"


class Sockets:
    """A server of sockets that sends what it is told, and remembers who came."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.came: list[tuple[str, str | None, str | None]] = []
        self.port = 0

    def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.came.append((socket.request.path, socket.subprotocol, socket.request.headers.get("X-API-Key")))
        for frame in self.frames:
            socket.send(frame)
        try:
            for text in socket:
                socket.send(f"you said {text!r}")
                if text == "leave":
                    socket.close(1008)
        except ConnectionClosed:
            pass

    def connection(self, key: str | None = None) -> Connection:
        return Connection(f"http://127.0.0.1:{self.port}/prefix", key, pace=Pace(connect=5))


@pytest.fixture
def sockets() -> Generator[Sockets]:
    with listening(Sockets(), protocols=[f"api-key.{KEY}"]) as known:
        yield known


@contextmanager
def listening(sockets: Sockets, protocols: list[str]) -> Generator[Sockets]:
    def choose(_socket: ServerConnection, offered: object) -> Subprotocol | None:
        known = [Subprotocol(name) for name in protocols if isinstance(offered, list) and name in offered]
        return known[0] if known else None

    with serve(sockets.handle, "127.0.0.1", 0, select_subprotocol=choose) as server:
        sockets.port = server.socket.getsockname()[1]
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield sockets
        finally:
            server.shutdown()
            thread.join()


def test_the_key_travels_as_a_subprotocol_and_in_no_address(sockets: Sockets) -> None:
    with LogSocket.open(sockets.connection(KEY), "/ws/jobs/a/logs?after=7") as socket:
        socket.send("hello")
        assert socket.receive(5) == "you said 'hello'"

    assert sockets.came == [("/prefix/ws/jobs/a/logs?after=7", f"api-key.{KEY}", None)]


def test_a_key_that_no_subprotocol_can_hold_travels_in_a_header(sockets: Sockets) -> None:
    with LogSocket.open(sockets.connection("slash/and=equals"), "/ws") as socket:
        socket.send("hello")
        assert socket.receive(5) is not None

    assert sockets.came == [("/prefix/ws", None, "slash/and=equals")]


def test_silence_is_no_end(sockets: Sockets) -> None:
    with LogSocket.open(sockets.connection(), "/ws") as socket:
        assert socket.receive(0.01) is None
        socket.send("hello")
        assert socket.receive(5) == "you said 'hello'"


def test_a_line_of_a_megabyte_and_more_arrives(sockets: Sockets) -> None:
    sockets.frames = ["x" * (2 * 2**20)]
    assert len(sockets.frames[0]) < LARGEST_FRAME

    with LogSocket.open(sockets.connection(), "/ws") as socket:
        assert socket.receive(5) == sockets.frames[0]


def test_a_socket_that_the_server_closes_is_not_reachable(sockets: Sockets) -> None:
    with LogSocket.open(sockets.connection(), "/ws") as socket:
        socket.send("leave")
        assert socket.receive(5) == "you said 'leave'"
        with pytest.raises(NotReachable, match="The log socket was closed"):
            socket.receive(5)


def test_where_nobody_listens_no_socket_opens() -> None:
    connection = Connection(f"http://127.0.0.1:{free_port()}", None, pace=Pace())

    with pytest.raises(NotReachable, match="cannot be opened"):
        LogSocket.open(connection, "/ws")
