"""Reading very many runs, a page at a time, at a price that does not grow with the pages read before.

Prefect pages by offset, and finds the offset by reading all that lies before it: 1.9 s for the middle of a million runs
on SQLite, where a page that begins at a time costs 9 ms. So pages begin where the last one ended, at the time for which
a run was expected to start. Prefect breaks no ties in that order: a page that is full of one time is followed by
reading that time in the order of ids. The few runs that never were given such a time stand at one end of the order, at
which one depends on the database: both ends are looked at.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Literal, Protocol, TypeVar

from prefect_jobs.gateway.asking import PAGE
from prefect_jobs.gateway.runs import Run

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Order = Literal["EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC", "ID_DESC"]
_NEXT_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a reading of many runs goes on: at the earliest end, from a time on, within one time, at the latest end."""

    place: Literal["earliest", "since", "within", "latest"] = "earliest"
    time: datetime | None = None
    offset: int = 0


START = Bookmark()


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of runs, and where the next begins; None after the last one. Pages may overlap."""

    runs: list[Run]
    next: Bookmark | None


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """As ``RunPage``, of whatever the answer holds."""

    items: Sequence[T]
    next: Bookmark | None


class AskPage(Protocol[T_co]):
    """Ask for at most ``PAGE`` runs whose time lies between both (inclusive; a run without a time lies nowhere)."""

    def __call__(
        self, order: Order, *, least: datetime | None, most: datetime | None, offset: int
    ) -> Awaitable[Sequence[T_co]]:
        """Ask once."""
        ...


async def read_page(
    at: Bookmark, ask: AskPage[T], time_of: Callable[[T], datetime | None], *, until: datetime | None = None
) -> Cut[T]:
    """Read the page at this place.

    Args:
        at: ``START``, or what the page before said.
        ask: asks Prefect.
        time_of: the time for which a run was expected to start.
        until: leave out the runs after this time, and those without a time.
    """
    if at.place == "within":
        items = await ask("ID_DESC", least=at.time, most=at.time, offset=at.offset)
        if len(items) == PAGE:
            return Cut(items, Bookmark("within", at.time, at.offset + PAGE))
        assert at.time is not None
        return Cut(items, Bookmark("since", at.time + _NEXT_MOMENT))
    if at.place == "latest":
        items = await ask("EXPECTED_START_TIME_DESC", least=None, most=None, offset=at.offset)
        timeless = len(items) == PAGE and time_of(items[-1]) is None
        return Cut(items, Bookmark("latest", offset=at.offset + PAGE) if timeless else None)
    items = await ask("EXPECTED_START_TIME_ASC", least=at.time, most=until, offset=at.offset)
    return Cut(items, _after(at, items, time_of, until))


def _after(
    at: Bookmark, items: Sequence[T], time_of: Callable[[T], datetime | None], until: datetime | None
) -> Bookmark | None:
    if len(items) < PAGE:
        # From the earliest end on nothing was filtered out, so that was everything.
        return Bookmark("latest") if at.place == "since" and until is None else None
    first, last = time_of(items[0]), time_of(items[-1])
    if last is None:
        return Bookmark("earliest", offset=at.offset + PAGE)
    return Bookmark("within", last) if first == last else Bookmark("since", last)
