"""A line between a job and Prefect that is cut at a chosen question of the job's sidecar, and mended a moment later."""

import socket
import threading
import time
from contextlib import closing, suppress
from typing import Literal

AWAY = 2.0
"""Seconds for which the sidecar reaches nobody; longer than its own patience with one question and its repetitions."""
PART = 65536


class CutLine:
    """Passes everything on to a server, as it is, until the sidecar asks its `at`-th question after `arm`.

    That question is lost, or its answer is, and so is everything that the sidecar says for a while. A sidecar opens a
    connection for each question and closes it after the answer; Prefect's own client keeps its connections.

    With `since`, the first question that has these bytes in it is the first that counts.
    """

    def __init__(self, port: int, at: int, *, answer_only: bool, since: bytes = b"") -> None:
        self._port = port
        self._at = at
        self._since = since
        self._answer_only = answer_only
        self._lock = threading.Lock()
        self._asked: int | None = None
        self._away_until = 0.0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/api"
        """Where Prefect's API is to be reached by this line."""
        threading.Thread(target=self._serve, daemon=True).start()

    def arm(self) -> None:
        """Count the sidecar's questions from now on."""
        self._asked = 0

    @property
    def was_cut(self) -> bool:
        """Whether the sidecar asked so many questions."""
        return self._away_until > 0

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
            head = first.partition(b"\r\n\r\n")[0].lower()
            lost = self._lost(first) if b"connection: close" in head else None
            if lost == "question":
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                server.sendall(first)
                if not lost:
                    threading.Thread(target=_pipe, args=(client, server), daemon=True).start()
                _pipe(server, None if lost else client)

    def _lost(self, question: bytes) -> Literal["question", "answer"] | None:
        """What is lost of this question of the sidecar."""
        with self._lock:
            if self._asked is None or self.was_cut:
                return "question" if time.monotonic() < self._away_until else None
            if not self._asked and self._since not in question:
                return None
            self._asked += 1
            if self._asked < self._at:
                return None
            self._away_until = time.monotonic() + AWAY
            return "answer" if self._answer_only else "question"


def _pipe(source: socket.socket, target: socket.socket | None) -> None:
    with suppress(OSError):
        while part := source.recv(PART):
            if target is not None:
                target.sendall(part)
        if target is not None:
            target.shutdown(socket.SHUT_WR)
