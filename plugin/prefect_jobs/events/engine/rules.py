"""What can be wrong with what an event says of itself, and can be seen without any model: a table of rules.

Each rule is a function from an event to what it finds, or None. `repeated_reasoning` also knows the event before.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect_jobs.events.engine.evidence import Evidence
from prefect_jobs.events.risk_levels import level_of

TOLERANCE = timedelta(seconds=1)
"""How far clocks of cameras and of the analysis may be apart."""

WORDS = {
    "person": ("person", "people", "man", "woman", "courier", "resident", "driver", "visitor", "intruder"),
    "car": ("car", "cars", "vehicle", "vehicles"),
    "truck": ("truck", "trucks", "lorry"),
    "cat": ("cat", "cats"),
    "dog": ("dog", "dogs"),
    "package": ("package", "packages", "parcel", "parcels"),
    "backpack": ("backpack", "backpacks", "rucksack"),
    "bicycle": ("bicycle", "bicycles", "bike", "bikes"),
}
"""The objects that a summary may name, by the words it names them with."""
_NAMED = {word: name for name, words in WORDS.items() for word in words}
_WORD = re.compile(r"[a-z]+")
_ALIKE = {"car": {"car", "truck"}, "truck": {"truck", "car"}}
"""Objects that one may well be called like the other: a vehicle is a car or a truck."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with an event: the rule that says so, and in which words."""

    rule: str
    text: str


def score_against_level(event: Evidence, now: datetime) -> str | None:
    """The level is that of the score, and both are there or neither is."""
    if event.risk_score is None or event.risk_level is None:
        missing = "score" if event.risk_score is None else "level"
        return None if event.risk_score is event.risk_level else f"The risk {missing} is missing"
    expected = level_of(event.risk_score)
    if event.risk_level == expected:
        return None
    return f"A score of {event.risk_score} is {expected}, and the level says {event.risk_level}"


def summary_against_objects(event: Evidence, now: datetime) -> str | None:
    """The summary names no object that was not detected."""
    named = {_NAMED[word] for word in _WORD.findall((event.summary or "").lower()) if word in _NAMED}
    seen = set(event.object_types)
    unseen = sorted(name for name in named if not _ALIKE.get(name, {name}) & seen)
    return f"The summary names what was not detected: {', '.join(unseen)}" if unseen else None


def missing_summary(event: Evidence, now: datetime) -> str | None:
    """An event that has a score has a summary."""
    return "The summary is missing" if event.risk_score is not None and not (event.summary or "").strip() else None


def missing_reasoning(event: Evidence, now: datetime) -> str | None:
    """An event that was scored the long way says why, and says more than its summary does."""
    reasoning = (event.reasoning or "").strip()
    if event.risk_score is None or event.is_fast_path:
        return None
    if not reasoning:
        return "The reasoning is missing"
    return "The reasoning only repeats the summary" if reasoning == (event.summary or "").strip() else None


def times_in_order(event: Evidence, now: datetime) -> str | None:
    """An event does not end before it starts, nor start in the future, and is seen while it lasts."""
    if event.ended_at is not None and event.ended_at < event.started_at:
        return "The event ends before it starts"
    if event.started_at > now + TOLERANCE:
        return "The event starts in the future"
    if event.first_seen is not None and event.first_seen < event.started_at - TOLERANCE:
        return "Something was detected before the event started"
    if event.ended_at is not None and event.last_seen is not None and event.last_seen > event.ended_at + TOLERANCE:
        return "Something was detected after the event ended"
    return None


RULES: dict[str, Callable[[Evidence, datetime], str | None]] = {
    "score_against_level": score_against_level,
    "summary_against_objects": summary_against_objects,
    "missing_summary": missing_summary,
    "missing_reasoning": missing_reasoning,
    "times_in_order": times_in_order,
}
REPEATED = "repeated_reasoning"


class Rules:
    """All rules, for events that come one after another."""

    def __init__(self) -> None:
        self._last: dict[str, Evidence] = {}

    def findings(self, event: Evidence, *, now: datetime) -> list[Finding]:
        """What the rules find in an event."""
        found = [Finding(name, text) for name, rule in RULES.items() if (text := rule(event, now))]
        if (text := self._repeated(event)) is not None:
            found.append(Finding(REPEATED, text))
        return found

    def _repeated(self, event: Evidence) -> str | None:
        """The reasoning is not word for word that of another event of the camera, where other things were seen."""
        before = self._last.get(event.camera_id)
        self._last[event.camera_id] = event
        if before is None or not event.reasoning or event.reasoning != before.reasoning:
            return None
        if (event.summary, event.object_types) == (before.summary, before.object_types):
            return None
        return f"The reasoning is word for word that of event {before.event_id}"
