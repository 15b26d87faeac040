"""An operator must know what the page's numbers are worth. This module turns what is known about the feed into a
sentence, or into silence when the page shows the present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_jobs_ui.texts import text

# The index re-reads every active job each few seconds: less than this is the normal state.
BEHIND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """What is known about the change feed: does the API answer, does Prefect, how old the data is in seconds,
    and whether all jobs of Prefect have been read once."""

    api_answers: bool = True
    prefect_answers: bool = True
    behind_seconds: float = 0.0
    complete: bool = True


def health_of(status: dict[str, Any]) -> FeedHealth:
    """The health that a `status` event of the feed reports."""
    return FeedHealth(
        api_answers=True,
        prefect_answers=status.get("prefect") != "down",
        behind_seconds=float(status.get("behind_seconds") or 0.0),
        complete=status.get("complete") is not False,
    )


def notice(health: FeedHealth, jobs: int = 0) -> str:
    """The sentence that the page shows above the list of so many jobs; empty when the page is in step."""
    if not health.api_answers:
        return text("feed.api-away")
    if not health.prefect_answers:
        return text("feed.prefect-away", age=_age(health.behind_seconds))
    if not health.complete:
        return text("feed.reading", jobs)
    if health.behind_seconds >= BEHIND_SECONDS:
        return text("feed.late", age=_age(health.behind_seconds))
    return ""


def _age(seconds: float) -> str:
    if seconds < 1:
        return text("feed.moment")
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return text(f"ago.{unit}", int(seconds // size))
    return text("ago.second", int(seconds))
