"""A loop may report progress a million times a second; Prefect's server bears a few reports a second, and may be away.

So reporting only remembers the newest value, and a thread of the run sends it: an event at most every 0.1 s, labels at
most every 2 s, the last value always. Nothing here raises into the job, and its end is delayed for a bounded time only.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect_jobs.kit.wire import (
    PROGRESS_LABEL,
    LabelsNotStored,
    LabelsRefused,
    Progress,
    ServerAway,
    Sink,
    label_text,
)

EVENT_INTERVAL = 0.1
LABEL_INTERVAL = 2.0
PATIENCE_AWAY = 2.0
"""Seconds that the end of a job waits for a server that does not answer the phone."""
PATIENCE_SLOW = 10.0
"""Seconds that the end of a job waits for a server that is there, but slow or overloaded."""
_RETRY_PAUSE = 0.25

logger = logging.getLogger(__name__)


@dataclass
class Pace:
    """Says when the next thing may be sent: at once after a silence, then one per interval (seconds)."""

    interval: float
    last: float = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until something may be sent; 0 or less: now."""
        return self.last + self.interval - now

    def sent(self, now: float) -> None:
        """Something was sent."""
        self.last = now


class Outbox:
    """What is to be sent for one run, and when; the caller brings the clock and does the waiting."""

    def __init__(
        self,
        sink: Sink,
        *,
        attempt: int,
        labels: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.latest: Progress | None = None
        self._sink = sink
        self._attempt = attempt
        self._now = now
        self._announced: Progress | None = None
        self._stored: Progress | None = None
        self._labels = dict(labels)
        self._events_pace = Pace(EVENT_INTERVAL)
        self._labels_pace = Pace(LABEL_INTERVAL)

    def send_due(self, now: float) -> float | None:
        """Send what is due; the seconds until more is, or None when everything is sent."""
        waits: list[float] = []
        if self.latest != self._announced:
            if (wait := self._events_pace.wait(now)) <= 0:
                self._announce(now)
            else:
                waits.append(wait)
        if self.latest != self._stored or self._labels:
            if (wait := self._labels_pace.wait(now)) <= 0:
                self._labels_pace.sent(now)
                try:
                    self.store()
                except LabelsRefused:
                    self._labels.clear()
                    self._stored = self.latest
                except LabelsNotStored:
                    waits.append(LABEL_INTERVAL)
            else:
                waits.append(wait)
        return min(waits, default=None)

    def add(self, labels: Mapping[str, str]) -> None:
        """More labels to store, with the next ones."""
        self._labels.update(labels)

    def announce_last(self) -> None:
        """Emit the newest value now, unless it was."""
        if self.latest != self._announced:
            self._announce(0.0)

    def store(self) -> None:
        """Store every label that is not stored yet. Raises `LabelsNotStored`."""
        latest, labels = self.latest, dict(self._labels)
        if latest is not None and latest != self._stored:
            labels[PROGRESS_LABEL] = label_text(latest.payload(attempt=self._attempt, at=self._now()))
        if labels:
            self._sink.store(labels)
        self._stored = latest
        for name, text in labels.items():
            if self._labels.get(name) == text:
                del self._labels[name]

    def _announce(self, now: float) -> None:
        latest = self.latest
        if latest is not None:
            self._sink.announce(latest.payload(attempt=self._attempt, at=self._now()))
        self._announced = latest
        self._events_pace.sent(now)


class Reporter:
    """Reports of one run on their way out."""

    def __init__(
        self, open_sink: Callable[[], AbstractContextManager[Sink]], *, attempt: int, labels: Mapping[str, str]
    ):
        self._open_sink = open_sink
        self._attempt = attempt
        self._first_labels = labels
        self._latest: Progress | None = None
        self._news = threading.Event()
        self._closing = threading.Event()
        self._last_labels: Mapping[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="prefect-jobs-reporter", daemon=True)
        self._thread.start()

    def report(self, percent: int, message: str | None) -> None:
        """Remember how far the job is; costs about a microsecond."""
        self._latest = Progress(percent, message)
        if not self._news.is_set():
            self._news.set()

    def close(self, labels: Mapping[str, str]) -> None:
        """Send what is left and these labels; waits `PATIENCE_SLOW` seconds at most."""
        self._last_labels = labels
        self._closing.set()
        self._news.set()
        self._thread.join(PATIENCE_SLOW)
        if self._thread.is_alive():
            logger.warning("The last progress and the result of this run may be missing: Prefect's API is too slow.")

    def _run(self) -> None:
        try:
            with self._open_sink() as sink:
                outbox = Outbox(sink, attempt=self._attempt, labels=self._first_labels)
                self._send_until_closing(outbox)
                self._send_rest(outbox)
        except LabelsNotStored as error:
            logger.warning("The last progress and the result of this run may be missing: %s", error)
        except Exception:  # reports are never worth the job
            logger.warning("Progress of this run is no longer reported.", exc_info=True)

    def _send_until_closing(self, outbox: Outbox) -> None:
        wait: float | None = 0.0
        while not self._closing.is_set():
            self._news.wait(wait)
            self._news.clear()
            outbox.latest = self._latest
            wait = outbox.send_due(time.monotonic())
            self._closing.wait(EVENT_INTERVAL)  # nothing is sent more often, so nothing is missed meanwhile

    def _send_rest(self, outbox: Outbox) -> None:
        outbox.latest = self._latest
        outbox.add(self._last_labels)
        outbox.announce_last()
        started = time.monotonic()
        while True:
            try:
                return outbox.store()
            except LabelsRefused:
                raise
            except LabelsNotStored as error:
                patience = PATIENCE_AWAY if isinstance(error, ServerAway) else PATIENCE_SLOW
                if time.monotonic() - started + _RETRY_PAUSE > patience:
                    raise
                time.sleep(_RETRY_PAUSE)
