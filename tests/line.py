"""A line between a client and Prefect that is cut, or falls silent, where a test wants it to."""

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from typing import Literal

PART = 65536

Lost = Literal["question", "answer"]


class Line(ABC):
    """Passes everything on to a server, as it is, but for what `lost` says of a connection by its first words."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/api"
        """Where Prefect's API is to be reached by this line."""
        self.sockets = 0
        """WebSockets that are open."""
        self._counting = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    @abstractmethod
    def lost(self, first: bytes) -> Lost | None:
        """What is lost of a connection that begins with these words."""

    def silent(self, first: bytes) -> bool:
        """Whether nothing more is answered on a connection that began with these words, and stays open."""
        return False

    def close(self) -> None:
        """Take nobody any more."""
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._pass_on, args=(self._door.accept()[0],), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            first = client.recv(PART)
            lost = self.lost(first)
            if lost == "question":
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                server.sendall(first)
                if not lost:
                    threading.Thread(target=_ask, args=(client, server), daemon=True).start()
                self._answer(first, server, None if lost else client)

    def _answer(self, first: bytes, server: socket.socket, client: socket.socket | None) -> None:
        counted = b"upgrade: websocket" in first.lower()
        self._count(counted)
        try:
            self._hand_on(first, server, client)
        finally:
            self._count(-counted)

    def _count(self, more: int) -> None:
        with self._counting:
            self.sockets += more

    def _hand_on(self, first: bytes, server: socket.socket, client: socket.socket | None) -> None:
        while part := server.recv(PART):
            if client is not None and not self.silent(first):
                client.sendall(part)
        if client is not None:
            client.shutdown(socket.SHUT_WR)


def _ask(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while part := client.recv(PART):
            server.sendall(part)
        server.shutdown(socket.SHUT_WR)


class EventsLine(Line):
    """Passes everything on, until Prefect's events are to come no more."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.events: Literal["told", "silent", "refused"] = "told"
        """What becomes of event streams: those that are open fall silent, or new ones are refused."""

    def lost(self, first: bytes) -> Lost | None:
        return "question" if self.events == "refused" and _is_stream(first) else None

    def silent(self, first: bytes) -> bool:
        return self.events != "told" and _is_stream(first)


def _is_stream(first: bytes) -> bool:
    return b"/events/out" in first.partition(b"\r\n")[0]
