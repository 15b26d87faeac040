"""What a running job tells the outside, word for word: one event and a few labels of its flow run.

Events are fast but may be lost; labels are slower but stay with the run. Whoever reads both believes the newer `at`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from prefect_jobs.clean_text import text_of

MESSAGE_LIMIT = 1_000
"""Characters of a progress message that are kept."""


STEPS_LIMIT = 100
"""Steps of one attempt that are kept: the newest."""

StepOutcome = Literal["done", "failed", "stopped"]


class LabelsNotStored(Exception):
    """Prefect did not store the labels of this run; another try may succeed."""


class ServerAway(LabelsNotStored):
    """Nothing answers at the address of Prefect's API."""


class LabelsRefused(LabelsNotStored):
    """Prefect refuses the labels of this run: another try is pointless."""


class Sink(Protocol):
    """Where the reports of one run go."""

    def announce(self, payload: Mapping[str, Any]) -> None:
        """Emit a progress event; returns at once."""
        ...

    def store(self, labels: Mapping[str, str]) -> None:
        """Merge labels into the run's. Raises `LabelsNotStored`."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    percent: int
    message: str | None

    def payload(self, *, attempt: int, at: datetime) -> dict[str, Any]:
        """The event's payload; its JSON text is also the label."""
        return {
            "percent": self.percent,
            "message": None if self.message is None else text_of(self.message)[:MESSAGE_LIMIT],
            "attempt": attempt,
            "at": at.isoformat(timespec="microseconds"),
        }


@dataclass(frozen=True)
class Step:
    """Something that a job does, or did. ``ended_at`` and ``outcome`` are None while it lasts."""

    name: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: StepOutcome | None = None


def steps_payload(steps: Sequence[Step], *, attempt: int, dropped: int) -> dict[str, Any]:
    """The value of the label with an attempt's steps. ``dropped``: how many older ones are not among them."""
    told = [
        {
            "name": text_of(step.name)[:MESSAGE_LIMIT],
            "started_at": step.started_at.isoformat(timespec="microseconds"),
            "ended_at": step.ended_at and step.ended_at.isoformat(timespec="microseconds"),
            "outcome": step.outcome,
        }
        for step in steps
    ]
    return {"attempt": attempt, "dropped": dropped, "steps": told}


def label_text(value: Any) -> str:
    """A label's value: JSON text."""
    return json.dumps(value, ensure_ascii=False)
