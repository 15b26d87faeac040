"""Searching the text of every job, exactly and without an index.

Text indexes of databases are as large as all the rest, slow to write, do not know two-letter words, and take seconds
to count the matches of a common word. Reading a million short texts from memory takes 30 ms. Jobs that are at work
change their message all the time: their texts stand in a dictionary. Texts of ended jobs hardly ever change and are
packed into segments, which a library written for that reads in C; small segments side by side are packed together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from prefect_jobs.store.columns import Mask, Numbers, Slots

Keep = Callable[[Slots], Mask]
"""Which of these jobs are of interest at all."""

PENDING_LIMIT = 4_096
"""Texts of ended jobs that wait to be packed."""
SEGMENT_LIMIT = 131_072
"""Texts in one segment: packing two together must not hold anybody up."""


@dataclass(frozen=True, slots=True)
class TextFilter:
    """Texts to be found, and not to be found, in a job's text and in the text of its parameters; all lower-case.

    ``or_slots``: jobs that match whatever their text says.
    """

    texts: tuple[str, ...] = ()
    not_texts: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    not_parameters: tuple[str, ...] = ()
    or_slots: frozenset[int] = frozenset()

    def matches(self, text: str, parameters: str) -> bool:
        """Whether one job matches."""
        return (
            all(wanted in text for wanted in self.texts)
            and all(wanted in parameters for wanted in self.parameters)
            and not any(unwanted in text for unwanted in self.not_texts)
            and not any(unwanted in parameters for unwanted in self.not_parameters)
        )


@dataclass(slots=True)
class Segment:
    """Packed texts of ended jobs, by ascending slot."""

    slots: Slots
    texts: pl.Series
    parameters: pl.Series
    alive: Mask
    newest: int
    """The latest ``created_at`` among them."""

    def matches(self, wanted: TextFilter, keep: Keep | None = None) -> Slots:
        """The slots of the matching texts, of those jobs only that ``keep`` lets pass."""
        found = self.alive.copy()
        # Two segments packed together after all their texts were replaced leave an empty one.
        if keep is not None and len(self.slots):
            found &= keep(self.slots)
        for series, needles, expected in (
            (self.texts, wanted.texts, True),
            (self.texts, wanted.not_texts, False),
            (self.parameters, wanted.parameters, True),
            (self.parameters, wanted.not_parameters, False),
        ):
            for needle in needles:
                _narrow(found, series, needle, expected=expected)
        return self.slots[found]


def _narrow(found: Mask, series: pl.Series, needle: str, *, expected: bool) -> None:
    """Keep of the found texts those that contain this, or do not."""
    places = np.flatnonzero(found)
    if 2 * len(places) > len(found):
        found &= series.str.contains(needle, literal=True).to_numpy() == expected
    elif len(places):
        # Picking texts out costs a third of reading them.
        hits = series.gather(places).str.contains(needle, literal=True).to_numpy()
        found[places[hits != expected]] = False


class Texts:
    """The texts of all jobs: those at work, and those that ended."""

    def __init__(self) -> None:
        self._live: dict[int, tuple[str, str]] = {}
        self._pending: dict[int, tuple[str, str]] = {}
        self._segments: list[Segment] = []

    def put(self, slot: int, text: str, parameters: str, *, ended: bool, created_at: Numbers) -> None:
        """Take over a job's text; ``created_at`` is that column of all jobs."""
        self.remove(slot)
        (self._pending if ended else self._live)[slot] = (text, parameters)
        if len(self._pending) >= PENDING_LIMIT:
            waiting, self._pending = self._pending, {}
            slots = np.array(sorted(waiting), dtype=np.int32)
            pairs = [waiting[slot] for slot in slots.tolist()]
            self.pack(slots, [text for text, _ in pairs], [parameters for _, parameters in pairs], created_at)

    def pack(self, slots: Slots, texts: Sequence[str], parameters: Sequence[str], created_at: Numbers) -> None:
        """Make a segment of these texts of ended jobs, given by ascending slot."""
        self._segments.append(
            Segment(
                slots,
                pl.Series(texts, dtype=pl.String),
                pl.Series(parameters, dtype=pl.String),
                np.ones(len(slots), dtype=np.bool_),
                int(created_at[slots].max()),
            )
        )
        while len(self._segments) > 1:
            one, other = self._segments[-2:]
            if len(one.slots) > len(other.slots) or len(one.slots) + len(other.slots) > SEGMENT_LIMIT:
                return
            self._segments[-2:] = [_together(one, other)]

    def remove(self, slot: int) -> None:
        """Forget a job's text."""
        if self._live.pop(slot, None) or self._pending.pop(slot, None):
            return
        for segment in self._segments:
            place = int(np.searchsorted(segment.slots, slot))
            if place < len(segment.slots) and segment.slots[place] == slot:
                segment.alive[place] = False

    def scan(self, wanted: TextFilter) -> "Scan":
        """A search through all texts as they are now: it may be read to the end in another thread."""
        newest_first = sorted(self._segments, key=lambda segment: segment.newest, reverse=True)
        return Scan(wanted, [*self._live.items(), *self._pending.items()], newest_first)


class Scan:
    """One search: first the texts that are not packed, then segment by segment, those with the newest jobs first."""

    def __init__(
        self, wanted: TextFilter, unpacked: Sequence[tuple[int, tuple[str, str]]], segments: list[Segment]
    ) -> None:
        self._wanted = wanted
        self._unpacked = unpacked
        self._loose = np.zeros(0, dtype=np.int32)
        self.segments = segments

    def loose(self) -> Slots:
        """Matches outside of the segments, and those named by their slot. To be read before any segment."""
        found = [slot for slot, (text, parameters) in self._unpacked if self._wanted.matches(text, parameters)]
        found.extend(self._wanted.or_slots.difference(found))
        self._loose = np.array(found, dtype=np.int32)
        return self._loose

    def matches(self, segment: Segment, keep: Keep | None = None) -> Slots:
        """The matching slots of one segment that ``keep`` lets pass and that are not among the loose ones."""
        found = segment.matches(self._wanted, keep)
        return np.setdiff1d(found, self._loose, assume_unique=True) if self._wanted.or_slots else found


def _together(one: Segment, other: Segment) -> Segment:
    """Both segments as one, without the texts that were replaced."""
    slots = np.concatenate([one.slots[one.alive], other.slots[other.alive]])
    order = np.argsort(slots)

    def packed(first: pl.Series, second: pl.Series) -> pl.Series:
        return pl.concat([first.filter(pl.Series(one.alive)), second.filter(pl.Series(other.alive))], rechunk=True)[
            pl.Series(order)
        ]

    return Segment(
        slots[order],
        packed(one.texts, other.texts),
        packed(one.parameters, other.parameters),
        np.ones(len(slots), dtype=np.bool_),
        max(one.newest, other.newest),
    )
