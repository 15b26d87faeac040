"""A tab shows the newest jobs, not all of them: a window that changes move through.

Sending the whole list on each change would cost 25 kB per tab and event. The window answers each change with the one
small edit that brings a copy of it into step, and the browser holds such a copy.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from prefect_jobs_ui.cards import JobCard


@dataclass(frozen=True, slots=True)
class Put:
    """Take out the card with this id, if there is one, and put this one in at `at`."""

    card: JobCard
    at: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Take out the card with this id."""

    job_id: str


Edit = Put | Drop


class JobWindow:
    """The newest `limit` jobs in the list's order: created last first, ties by id."""

    def __init__(self, cards: Iterable[JobCard], limit: int) -> None:
        self.limit = limit
        self._cards = sorted(cards, key=lambda card: card.sort_key, reverse=True)[:limit]
        self._by_id = {card.job_id: card for card in self._cards}

    @property
    def cards(self) -> tuple[JobCard, ...]:
        """All cards in order."""
        return tuple(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._by_id

    def get(self, job_id: str) -> JobCard | None:
        """The card with this id, if the window holds it."""
        return self._by_id.get(job_id)

    def put(self, card: JobCard, *, is_complete: bool) -> list[Edit]:
        """Take a job's newest state in. Nothing happens if it is not news or lies below the window.

        `is_complete` says that no job exists below the window, so that an old job belongs at its end.
        """
        known = self._by_id.get(card.job_id)
        if known is not None and (known.version > card.version or known == card):
            return []
        edits: list[Edit] = []
        if known is not None:
            self._take_out(known)
        at = self._place_of(card)
        if known is None and at == len(self._cards) and (len(self._cards) >= self.limit or not is_complete):
            return []
        self._cards.insert(at, card)
        self._by_id[card.job_id] = card
        edits.append(Put(card, at))
        if len(self._cards) > self.limit:
            last = self._cards[-1]
            self._take_out(last)
            edits.append(Drop(last.job_id))
        return edits

    def drop(self, job_id: str) -> list[Edit]:
        """Take a deleted job out."""
        card = self._by_id.get(job_id)
        if card is None:
            return []
        self._take_out(card)
        return [Drop(job_id)]

    def _place_of(self, card: JobCard) -> int:
        ascending = bisect_left(self._cards[::-1], card.sort_key, key=lambda other: other.sort_key)
        return len(self._cards) - ascending

    def _take_out(self, card: JobCard) -> None:
        self._cards.remove(card)
        del self._by_id[card.job_id]
