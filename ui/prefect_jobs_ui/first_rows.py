"""The first rows are painted before any script has loaded: the server's answer carries them as HTML.

The browser's drawing replaces them with the same rows a moment later, so both must look alike: `js/job_list.js` draws
what `page.html` draws, and a test compares them. Here are the words and numbers that need computing; all escaping is
the template's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prefect_jobs_ui.cards import JobCard, moment
from prefect_jobs_ui.hub import FirstPage

COLOURS = {
    "running": "text-blue-400",
    "completed": "text-green-400",
    "failed": "text-red-400",
    "cancelled": "text-yellow-400",
}


@dataclass(frozen=True, slots=True)
class FirstRow:
    """A card in words."""

    job_id: str
    type_label: str
    short_id: str
    look: str
    icon: str
    colour: str
    time: str
    message: str | None
    progress: int | None


def first_row(card: JobCard, *, now: datetime) -> FirstRow:
    """The card as text, at the time `now`."""
    return FirstRow(
        job_id=card.job_id,
        type_label=card.type_label,
        short_id=f"#{card.job_id[-6:]}",
        look=card.look,
        icon=f"status-{card.look if card.look in COLOURS else 'pending'}",
        colour=COLOURS.get(card.look, "text-gray-400"),
        time=distance(moment(card.created_at), now=now),
        message=card.message,
        progress=card.progress if card.status == "running" and card.progress > 0 else None,
    )


def phase_of(page: FirstPage | None, failure: str | None) -> str:
    """Which body the page shows (contract 1.3): loading, failed, empty or ready."""
    if page is None:
        return "loading" if failure is None else "failed"
    return "ready" if page.cards else "empty"


def count_text(total: int | None) -> str:
    """`1 job`, `1,234 jobs`, or nothing while the total is unknown."""
    if total is None:
        return ""
    return "1 job" if total == 1 else f"{total:,} jobs"


def distance(then: datetime, *, now: datetime) -> str:
    """How long ago, in date-fns' words: `about 1 hour ago`. A time ahead of `now` counts as just now."""
    seconds = max(0.0, (now - then).total_seconds())
    minutes = int(seconds / 60 + 0.5)
    days = int(seconds / 86_400 + 0.5)
    for limit, words in (
        (30, "less than a minute"),
        (90, "1 minute"),
        (44.5 * 60, f"{minutes} minutes"),
        (89.5 * 60, "about 1 hour"),
        (1439.5 * 60, f"about {int(minutes / 60 + 0.5)} hours"),
        (2519.5 * 60, "1 day"),
        (29.5 * 86_400, f"{days} days"),
        (44.5 * 86_400, "about 1 month"),
        (59.5 * 86_400, "about 2 months"),
        (365 * 86_400, f"{int(days / 30 + 0.5)} months"),
    ):
        if seconds < limit:
            return f"{words} ago"
    years = int(days / 365.25)
    return f"about {max(years, 1)} year{'' if years <= 1 else 's'} ago"
