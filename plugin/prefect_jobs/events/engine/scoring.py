"""A risk score without a model: what was seen, when, for how long, how often. It is the same for the same event."""

from prefect_jobs.events.engine.evidence import Evidence

NIGHT = frozenset({22, 23, 0, 1, 2, 3, 4, 5})
"""Hours of UTC in which people and cars are less expected."""
WEIGHTS = {"person": 22, "truck": 20, "backpack": 28, "car": 12, "package": 4, "bicycle": 8, "dog": 3, "cat": 1}
UNKNOWN_WEIGHT = 10
UNEXPECTED_AT_NIGHT = frozenset({"person", "truck", "car", "backpack"})
NIGHT_WEIGHT = 25
LONGEST = 180.0
"""Seconds from which on staying longer adds nothing."""
STAYING_WEIGHT = 30
MANY = 5
"""Detections from which on more add nothing."""
MANY_WEIGHT = 10


def rule_score(event: Evidence) -> tuple[int, str]:
    """The score of an event from 0 to 100, and what it is made of in words."""
    parts: list[tuple[str, float]] = []
    for name in event.object_types:
        parts.append((name, WEIGHTS.get(name, UNKNOWN_WEIGHT)))
    if UNEXPECTED_AT_NIGHT.intersection(event.object_types):
        if event.started_at.hour in NIGHT:
            parts.append(("at night", NIGHT_WEIGHT))
        if event.ended_at is not None:
            stayed = max(0.0, (event.ended_at - event.started_at).total_seconds())
            parts.append((f"for {stayed:.0f} s", STAYING_WEIGHT * min(1.0, stayed / LONGEST)))
    parts.append((f"{event.detections} detections", MANY_WEIGHT * min(1.0, event.detections / MANY)))
    counted = [(name, round(points)) for name, points in parts if round(points)]
    score = min(100, sum(points for _, points in counted))
    return score, ", ".join(f"{name} {points}" for name, points in counted) or "nothing that counts"
