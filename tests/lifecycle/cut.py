"""A line between a job and Prefect that is cut at a chosen question of the job's sidecar, and mended a moment later."""

import threading
import time

from tests.line import Line, Lost

AWAY = 2.0
"""Seconds for which the sidecar reaches nobody; longer than its own patience with one question and its repetitions."""


class CutLine(Line):
    """Passes everything on until the sidecar asks its `at`-th question after `arm`.

    That question is lost, or its answer is, and so is everything that the sidecar says for a while. A sidecar opens a
    connection for each question and closes it after the answer; Prefect's own client keeps its connections.

    With `since`, the first question that has these bytes in it is the first that counts.
    """

    def __init__(self, port: int, at: int, *, answer_only: bool, since: bytes = b"") -> None:
        self._at = at
        self._since = since
        self._answer_only = answer_only
        self._lock = threading.Lock()
        self._asked: int | None = None
        self._away_until = 0.0
        super().__init__(port)

    def arm(self) -> None:
        """Count the sidecar's questions from now on."""
        self._asked = 0

    @property
    def was_cut(self) -> bool:
        """Whether the sidecar asked so many questions."""
        return self._away_until > 0

    def lost(self, first: bytes) -> Lost | None:
        if b"connection: close" not in first.partition(b"\r\n\r\n")[0].lower():
            return None
        with self._lock:
            if self._asked is None or self.was_cut:
                return "question" if time.monotonic() < self._away_until else None
            if not self._asked and self._since not in first:
                return None
            self._asked += 1
            if self._asked < self._at:
                return None
            self._away_until = time.monotonic() + AWAY
            return "answer" if self._answer_only else "question"
