"""A loop may report progress a million times a second; Prefect's server bears a few reports a second, and may be away.

So reporting only remembers the newest value, and a thread of the run sends what its outbox says is due. Nothing here
raises into the job, and its end is delayed for a bounded time only.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from prefect_jobs.kit.outbox import EVENT_INTERVAL, PATIENCE_SLOW, Outbox
from prefect_jobs.kit.step_book import StepBook
from prefect_jobs.kit.wire import LabelsNotStored, Progress, Sink, Step, StepOutcome

logger = logging.getLogger(__name__)


class Reporter:
    """Reports of one run on their way out, from its making to `close`."""

    def __init__(
        self, open_sink: Callable[[], AbstractContextManager[Sink]], *, attempt: int, labels: Mapping[str, str]
    ) -> None:
        self._open_sink = open_sink
        self._attempt = attempt
        self._first_labels = labels
        self._last_labels: Mapping[str, str] = {}
        self._latest: Progress | None = None
        self._steps = StepBook(attempt=attempt)
        self._news = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefect-jobs-reporter", daemon=True)
        self._thread.start()

    def report(self, percent: int, message: str | None) -> None:
        """Remember how far the job is; costs less than a microsecond."""
        self._latest = Progress(percent, message)
        if not self._news.is_set():
            self._news.set()

    def begin_step(self, name: str) -> Step:
        """Remember that a step began, and that it is what the job does now."""
        begun = self._steps.begin(name)
        self.report(0 if self._latest is None else self._latest.percent, name)
        return begun

    def end_step(self, step: Step, outcome: StepOutcome) -> None:
        """Remember how a step ended."""
        self._steps.end(step, outcome)
        self._news.set()

    def close(self, labels: Mapping[str, str]) -> None:
        """Send what is left and these labels; waits for `PATIENCE_SLOW` seconds at most, never raises."""
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
                self._hand_over(outbox)
                outbox.send_rest(self._last_labels, clock=time.monotonic, sleep=time.sleep)
        except LabelsNotStored as error:
            logger.warning("The last progress and the result of this run may be missing: %s", error)
        except Exception:  # whatever it is, a report is never worth the job
            logger.warning("The progress of this run is not reported any more.", exc_info=True)

    def _send_until_closing(self, outbox: Outbox) -> None:
        wait: float | None = 0.0
        while not self._closing.is_set():
            self._news.wait(wait)
            self._news.clear()
            self._hand_over(outbox)
            wait = outbox.send_due(time.monotonic())
            self._closing.wait(EVENT_INTERVAL)  # nothing is sent more often, so nothing is missed meanwhile

    def _hand_over(self, outbox: Outbox) -> None:
        outbox.latest = self._latest
        outbox.labels |= self._steps.news()
