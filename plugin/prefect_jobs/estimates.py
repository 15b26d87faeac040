"""How long a job still takes, and whether it takes longer than its kind: from the latest completed jobs of its type,
and from its own progress, if it tells any.

A running job that has outlived half of them is not compared with those any more: what is left is estimated from the
jobs that ran at least as long as this one has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

ENOUGH = 5
"""Completed jobs of a type from which on one can be called slow."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds until the end: half of the comparable jobs needed at most ``p50``, nine of ten at most ``p90``."""

    p50: float
    p90: float
    sample: int


def with_own_progress(history: Estimate, own: float, percent: int) -> Estimate:
    """One estimate from two: the further a job is, the more its own pace counts."""
    p50, p90 = (known + (own - known) * percent / 100 for known in (history.p50, history.p90))
    return Estimate(p50, max(p50, p90), history.sample)


def remaining(durations: Sequence[float], elapsed: float) -> Estimate | None:
    """The time left to a job that has run so many seconds; None when no comparable job is known."""
    left = sorted(duration - elapsed for duration in durations if duration >= elapsed)
    if not left:
        return None
    return Estimate(percentile(left, 0.5), percentile(left, 0.9), len(left))


def slower_than_usual(durations: Sequence[float], elapsed: float) -> bool | None:
    """Whether nine of ten jobs of the type were faster; None when too few are known."""
    if len(durations) < ENOUGH:
        return None
    return elapsed > percentile(sorted(durations), 0.9)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the ordered values lies, interpolated between neighbours."""
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
