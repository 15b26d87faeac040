"""The first rows are painted before any script has loaded: the server's answer carries them as HTML.

The browser's drawing replaces them with the same rows a moment later, so both must look alike: `js/job_list.js` draws
what `page.html` draws, and a test compares them. Here are the words and numbers that need computing; all escaping is
the template's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from prefect_jobs_ui.cards import JobCard, moment
from prefect_jobs_ui.hub import EVERYTHING, FirstPage
from prefect_jobs_ui.list_filter import ListFilter
from prefect_jobs_ui.texts import text

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
    job_type: str
    type_label: str
    short_id: str
    look: str
    icon: str
    colour: str
    created_at: str
    time: str
    message: str | None
    progress: int | None
    query: str
    """The address that selects it, without changing what the list shows."""


@dataclass(frozen=True, slots=True)
class FirstTab:
    """A status above the list, with how many jobs have it."""

    label: str
    count: str
    colour: str
    icon: str | None
    chosen: bool
    query: str


def first_row(card: JobCard, *, now: datetime, shown: ListFilter = EVERYTHING, embedded: bool = False) -> FirstRow:
    """The card as text, at the time `now`."""
    return FirstRow(
        job_id=card.job_id,
        job_type=card.job_type,
        type_label=card.type_label,
        short_id=f"#{card.job_id[-6:]}",
        look=card.look,
        icon=f"status-{card.look if card.look in COLOURS else 'pending'}",
        colour=COLOURS.get(card.look, "text-gray-400"),
        created_at=card.created_at,
        time=distance(moment(card.created_at), now=now),
        message=card.message,
        progress=card.progress if card.status == "running" and card.progress > 0 else None,
        query=query_of(shown, job=card.job_id, embedded=embedded),
    )


def first_tabs(page: FirstPage | None, shown: ListFilter, *, embedded: bool = False) -> list[FirstTab]:
    """All jobs, then those of each status, in the order of an operator's day."""
    looks = ("", "running", "pending", "completed", "failed", "cancelled")
    counts = None if page is None else {"": page.total, **page.counts.by_look}
    return [
        FirstTab(
            label=text("filter.all" if not look else f"status.{'processing' if look == 'running' else look}"),
            count="" if counts is None else f"{counts.get(look, 0):,}",
            colour=COLOURS.get(look, "text-gray-400"),
            icon=f"status-{look}" if look else None,
            chosen=shown.status == look,
            query=query_of(replace(shown, status=look), embedded=embedded),
        )
        for look in looks
    ]


def query_of(shown: ListFilter, *, job: str = "", embedded: bool = False) -> str:
    """The query of the page's address for this view."""
    said = {"q": shown.q, "status": shown.status, "type": shown.job_type, "job": job, "embed": "1" if embedded else ""}
    return urlencode({name: value for name, value in said.items() if value})


def phase_of(
    page: FirstPage | None, failure: str | None, shown: ListFilter = EVERYTHING, *, complete: bool = True
) -> str:
    """Which body the page shows (contract 1.3): loading, failed, empty or ready. With a filter it stays split; no list
    is empty before all jobs have been read from Prefect."""
    if page is None:
        return "loading" if failure is None else "failed"
    if page.cards or shown.is_active:
        return "ready"
    return "empty" if complete else "loading"


def count_text(total: int | None, *, exact: bool = True) -> str:
    """`1 job`, `1,234 jobs`, `5,000+ jobs` for a lower bound, or nothing while the total is unknown."""
    if total is None:
        return ""
    if not exact:
        return text("count.least", n=f"{total:,}")
    return text("count.job", total)


def distance(then: datetime, *, now: datetime) -> str:
    """How long ago, in date-fns' words: `about 1 hour ago`. A time ahead of `now` counts as just now."""
    seconds = max(0.0, (now - then).total_seconds())
    minutes = int(seconds / 60 + 0.5)
    days = int(seconds / 86_400 + 0.5)
    for limit, name, count in (
        (30, "distance.moment", None),
        (44.5 * 60, "ago.minute", minutes),
        (1439.5 * 60, "distance.hour", int(minutes / 60 + 0.5)),
        (2519.5 * 60, "ago.day", 1),
        (43_199.5 * 60, "ago.day", days),
        (64_799.5 * 60, "distance.month", 1),
        (86_399.5 * 60, "distance.month", 2),
        (365 * 86_400, "ago.month", int(days / 30 + 0.5)),
    ):
        if seconds < limit:
            return text(name, count)
    years, months = divmod(max(12, int(days / 30.4375)), 12)
    word = ("about", "over", "over", "almost")[months // 3]
    return text(f"distance.{word}-year", years + (word == "almost"))
