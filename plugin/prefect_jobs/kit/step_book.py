"""The steps of one attempt, as they are told to Prefect: whole, because a label is replaced and never added to."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from prefect_jobs.kit.wire import STEPS_LIMIT, Step, StepOutcome, label_text, steps_payload
from prefect_jobs.report_names import STEPS_LABEL


def _utc_now() -> datetime:
    return datetime.now(UTC)


class StepBook:
    """Steps in the order in which they began. Any thread of the job may write into it."""

    def __init__(self, *, attempt: int, now: Callable[[], datetime] = _utc_now) -> None:
        self._attempt = attempt
        self._now = now
        self._steps: list[Step] = []
        self._dropped = 0
        self._news = False
        self._lock = threading.Lock()

    def begin(self, name: str) -> Step:
        """Write down that a step began; hand what it returns to `end`."""
        begun = Step(name, self._now())
        with self._lock:
            self._steps.append(begun)
            if len(self._steps) > STEPS_LIMIT:
                del self._steps[0]
                self._dropped += 1
            self._news = True
        return begun

    def end(self, begun: Step, outcome: StepOutcome) -> None:
        """Write down how a step ended."""
        ended = replace(begun, ended_at=self._now(), outcome=outcome)
        with self._lock:
            # By identity: two steps may have one name and begin in the same microsecond.
            place = next((place for place, step in enumerate(self._steps) if step is begun), None)
            if place is not None:
                self._steps[place] = ended
                self._news = True

    def news(self) -> dict[str, str]:
        """The label to store, when something was written since it was asked for last."""
        with self._lock:
            if not self._news:
                return {}
            self._news = False
            payload = steps_payload(self._steps, attempt=self._attempt, dropped=self._dropped)
        return {f"{STEPS_LABEL}.{self._attempt}": label_text(payload)}
