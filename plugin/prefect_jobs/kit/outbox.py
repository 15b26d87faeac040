"""What a run has to tell and when it may: the newest progress, not every one, and every label until it is stored.

An event at most every 0.1 s, labels at most every 2 s, the last value always. No threads and no clock in here: the
caller says what time it is and does the waiting.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect_jobs.kit.wire import LabelsNotStored, LabelsRefused, Progress, ServerAway, Sink, label_text
from prefect_jobs.report_names import PROGRESS_LABEL

EVENT_INTERVAL = 0.1
LABEL_INTERVAL = 2.0
PATIENCE_AWAY = 2.0
"""Seconds that the end of a job waits for a server at whose address nothing answers."""
PATIENCE_SLOW = 10.0
"""Seconds that the end of a job waits for a server that is there, but slow or overloaded."""
RETRY_PAUSE = 0.25


@dataclass
class Pace:
    """Says when the next thing may be sent: at once after a silence, then one per interval (seconds)."""

    interval: float
    last: float = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until something may be sent; 0 or less: now."""
        return self.last + self.interval - now


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """The reports of one run; put the newest progress into `latest`, and other news into `labels`."""

    def __init__(
        self, sink: Sink, *, attempt: int, labels: Mapping[str, str], now: Callable[[], datetime] = _utc_now
    ) -> None:
        self.latest: Progress | None = None
        self._sink = sink
        self._attempt = attempt
        self._now = now
        self.labels = dict(labels)
        """Not stored yet, besides the progress."""
        self._announced: Progress | None = None
        self._stored: Progress | None = None
        self._events = Pace(EVENT_INTERVAL)
        self._stores = Pace(LABEL_INTERVAL)

    def send_due(self, now: float) -> float | None:
        """Send what is due; the seconds until more is, or None when everything is sent."""
        waits: list[float] = []
        if self.latest != self._announced:
            if (wait := self._events.wait(now)) <= 0:
                self._events.last = now
                self._announce()
            else:
                waits.append(wait)
        if self.latest != self._stored or self.labels:
            if self._stores.wait(now) <= 0:
                self._stores.last = now
                self._try_to_store()
            if self.latest != self._stored or self.labels:
                waits.append(self._stores.wait(now))
        return min(waits, default=None)

    def send_rest(
        self, labels: Mapping[str, str], *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Send everything at once, with these last labels; tries as long as patience lasts.

        Raises `LabelsNotStored` when it ran out, or at once when the labels are refused.
        """
        self.labels |= labels
        if self.latest != self._announced:
            self._announce()
        started = clock()
        while True:
            try:
                return self._store()
            except LabelsRefused:
                raise
            except LabelsNotStored as error:
                patience = PATIENCE_AWAY if isinstance(error, ServerAway) else PATIENCE_SLOW
                if clock() - started + RETRY_PAUSE > patience:
                    raise
            sleep(RETRY_PAUSE)

    def _announce(self) -> None:
        if self.latest is not None:
            self._sink.announce(self.latest.payload(attempt=self._attempt, at=self._now()))
        self._announced = self.latest

    def _try_to_store(self) -> None:
        try:
            self._store()
        except LabelsRefused:  # they would be refused again
            self._stored = self.latest
            self.labels.clear()
        except LabelsNotStored:
            pass  # the next turn tries again

    def _store(self) -> None:
        labels = dict(self.labels)
        if self.latest is not None and self.latest != self._stored:
            labels[PROGRESS_LABEL] = label_text(self.latest.payload(attempt=self._attempt, at=self._now()))
        if labels:
            self._sink.store(labels)
        self._stored = self.latest
        self.labels.clear()
