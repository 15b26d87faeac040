"""A list of a million jobs is looked at through a window: the rows that a tab has loaded, and how many there are.

Sending the whole window on each change would cost 25 kB per tab and event. So it answers each change with the small
edits that bring the browser's copy into step. Jobs that are newer than the list's anchor are kept back and counted
while somebody reads: they would push everything down under his eyes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prefect_jobs_ui.cards import JobCard
from prefect_jobs_ui.list_filter import ListFilter

LONGEST = 400
"""Rows kept at most: live jobs make the window grow at its top, and the browser asks again where it lacks some."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One step of the browser's copy. `at` counts from the list's first row, not from the window's."""

    kind: Literal["put", "insert", "remove", "trim"]
    at: int
    card: JobCard | None = None

    def to_json(self) -> dict[str, Any]:
        """The edit as the browser gets it."""
        return {"kind": self.kind, "at": self.at, "card": None if self.card is None else self.card.to_json()}


class ListWindow:
    """Rows `start` … of the jobs that a filter shows, newest first."""

    def __init__(self, shown: ListFilter, cards: Iterable[JobCard] = (), *, start: int = 0, total: int = 0) -> None:
        self.filter = shown
        self.start = start
        self.total = total
        self.total_is_exact = True
        self.anchor: JobCard | None = None
        """While set, no job newer than this one enters."""
        self.kept_back: set[str] = set()
        self.unsure = False
        """Whether something changed that only the API can place."""
        self._cards = list(cards)

    @property
    def cards(self) -> Sequence[JobCard]:
        """The loaded rows."""
        return tuple(self._cards)

    @property
    def end(self) -> int:
        """The row behind the last one loaded."""
        return self.start + len(self._cards)

    def hold(self) -> None:
        """Keep new jobs back from now on."""
        if self.anchor is None and self.start == 0 and self._cards:
            self.anchor = self._cards[0]

    def release(self) -> None:
        """Let new jobs in again. Those kept back come with the next `replace`."""
        self.anchor = None
        self.kept_back.clear()

    def replace(self, cards: Iterable[JobCard], *, start: int, total: int, exact: bool = True) -> None:
        """Show other rows: what the API answered. A row that is known newer stays as it is."""
        known = {card.job_id: card for card in self._cards}
        self._cards = [
            mine if (mine := known.get(card.job_id)) is not None and mine.version > card.version else card
            for card in cards
        ]
        self.start, self.total, self.total_is_exact, self.unsure = start, total, exact, False

    def take(self, card: JobCard) -> list[Edit]:
        """Take a job's newest state in."""
        place = self._place_of(card.job_id)
        matches = self.filter.matches(card)
        if matches is False:
            self.kept_back.discard(card.job_id)
            return [] if place is None or self._cards[place].version > card.version else self._remove(place)
        if place is not None:
            return self._put(place, card)
        if matches is None:
            self.unsure = True
            return []
        if self.anchor is not None and card.sort_key > self.anchor.sort_key:
            self.kept_back.add(card.job_id)
            return []
        return self._insert(card)

    def drop(self, job_id: str) -> list[Edit]:
        """Take a deleted job out."""
        self.kept_back.discard(job_id)
        place = self._place_of(job_id)
        return [] if place is None else self._remove(place)

    def _place_of(self, job_id: str) -> int | None:
        return next((place for place, card in enumerate(self._cards) if card.job_id == job_id), None)

    def _put(self, place: int, card: JobCard) -> list[Edit]:
        known = self._cards[place]
        if known.version > card.version or known == card:
            return []
        if self.filter.q:
            self.unsure = True  # its text may have changed
        self._cards[place] = card
        return [Edit("put", self.start + place, card)]

    def _insert(self, card: JobCard) -> list[Edit]:
        key = card.sort_key
        below = next((place for place, other in enumerate(self._cards) if other.sort_key < key), len(self._cards))
        if below == 0 and self.start > 0:
            return []  # it lies above the window: new, or there all the time
        if below == len(self._cards) and self.end < self.total:
            return []  # and this one below
        self._cards.insert(below, card)
        self.total += 1
        edits = [Edit("insert", self.start + below, card)]
        if len(self._cards) > LONGEST:
            del self._cards[LONGEST // 2 :]
            edits.append(Edit("trim", self.end))
        return edits

    def _remove(self, place: int) -> list[Edit]:
        del self._cards[place]
        self.total -= 1
        return [Edit("remove", self.start + place)]
