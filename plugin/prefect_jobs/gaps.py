"""How long a job was silent at most: the gaps between its start, its reports of progress and its end.

What is usual for a type is learnt from this. A reading of a run holds its latest report only, so the gap grows with
each report that is seen; of a run that was first read after its end it is an upper bound, which never calls a job
stalled too early. It is the one thing that the index knows of a job and Prefect does not: an index that is built anew
begins with those bounds, and jobs of an earlier release have none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from prefect_jobs.estimates import ENOUGH, percentile
from prefect_jobs.jobs import Job

MICROSECOND = timedelta(microseconds=1)
LEAST = timedelta(seconds=60)
"""A job that was silent for less does not stand still, whatever its type."""
FACTOR = 3
"""A job stands still after that many times the longest usual gap of its type."""
USUAL = 0.9
"""Of the longest gaps of the latest jobs of a type, nine of ten are not above the usual one."""


def longest_gap(before: Job | None, now: Job) -> int | None:
    """The longest gap of this attempt in microseconds, when what was ``before`` is now known to be ``now``."""
    if now.started_at is None:
        return None
    if before is not None and (before.attempt, before.started_at) == (now.attempt, now.started_at):
        if before.completed_at is not None:
            return before.longest_gap
        known, last = before.longest_gap, before.reported.at if before.reported else now.started_at
    else:
        known, last = None, now.started_at
    if before is None and now.completed_at is None:
        return None  # what it told before, nobody knows
    signs: list[datetime] = [last]
    if now.reported is not None:
        signs.append(now.reported.at)
    if now.completed_at is not None:
        signs.append(now.completed_at)
    gaps = [(later - earlier) // MICROSECOND for earlier, later in pairwise(signs)]
    found = [gap for gap in (known, *gaps) if gap is not None]
    return max(0, *found) if found else None


def usual_gap(longest: Sequence[int], own: int | None) -> timedelta:
    """The longest usual gap of a type, from the longest gaps of its latest jobs in microseconds.

    While too few are known, the longest one of the job itself counts too.
    """
    usual = percentile(sorted(longest), USUAL) if longest else 0.0
    return (usual if len(longest) >= ENOUGH else max(usual, own or 0)) * MICROSECOND


def stands_still(silent: timedelta, usual: timedelta) -> bool:
    """Whether a job that was silent so long does not move."""
    return silent >= max(LEAST, FACTOR * usual)
