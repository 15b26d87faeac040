"""Finding jobs: conditions in, one page with exact counts out, from what stands in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefect_jobs.conditions import Condition, Contains, HasParameter, IdStarts, Logged, Not, OneOf, Plain, plain_of
from prefect_jobs.job_states import SCHEDULED_AHEAD, STATUSES, Status
from prefect_jobs.job_text import needle, parameter_needle
from prefect_jobs.store.columns import ABSENT, Columns, Mask, Slots, Where, by_name
from prefect_jobs.store.orders import FEW, Orders, Sort, sorted_slots
from prefect_jobs.store.texts import Keep, Scan, TextFilter, Texts

EXACT_UP_TO = 10_000
"""Matches of a text that are counted in any case. Where more of them are found among the newest jobs, older jobs are
read only on request, and the numbers are lower bounds."""
SPARSE = 20
"""Of so many jobs less than one must be left for the others to be passed over."""
_NOWHERE = np.zeros(0, dtype=np.int64)
_SIDE_BY_SIDE = 2
"""Segments of text read at the same time."""

# Nobody sees what a schedule prepared ahead unless he asks for it.
_VISIBLE = Not(OneOf("state", frozenset({SCHEDULED_AHEAD.state})))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs there are, by what."""

    total: int
    by_status: dict[Status, int]
    by_type: dict[str, int]
    by_state: dict[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """The slots of one page, and the counts over all matches: exact, or lower bounds."""

    slots: Slots
    counts: Counts
    exact: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the matches is wanted, in which order."""

    limit: int
    offset: int = 0
    sort: Sort = "created_at"
    descending: bool = True
    exact: bool = False
    """Whether the counts have to be exact however long it takes."""


class Search:
    """Searches over the columns and texts of one index."""

    def __init__(self, columns: Columns, texts: Texts, orders: Orders) -> None:
        self._columns = columns
        self._texts = texts
        self._orders = orders

    async def find(self, conditions: Sequence[Condition], page: Page, known: Mapping[Plain, Slots]) -> Found:
        """The jobs for which all conditions hold.

        Args:
            conditions: what to look for.
            page: which of them to return.
            known: the jobs for which those conditions hold that only the database can tell (ids, logs); for a
                ``Contains`` the jobs that it names by their id.
        """
        on_columns, on_texts, on_sets = _sorted_out(conditions)
        if not _asks_for_scheduled(on_columns):
            on_columns.append(_VISIBLE)
        if on_texts:
            return await self._by_text(on_columns, on_texts, on_sets, page, known)
        counts: NDArray[np.int64] | None = None
        if not on_sets and all(isinstance(plain_of(condition), OneOf) for condition in on_columns):
            counts = self._columns.counted(on_columns)
        if on_columns == [_VISIBLE] and not on_sets and page.offset > FEW:
            slots = self._orders.visible_page(
                page.sort, descending=page.descending, offset=page.offset, limit=page.limit
            )
            counts = self._columns.counted(on_columns)
        elif counts is not None and counts.sum() > FEW:
            slots = self._orders.page(
                lambda chunk: self._all_match(on_columns, on_sets, chunk, known),
                page.sort,
                descending=page.descending,
                offset=page.offset,
                limit=page.limit,
            )
        else:
            found = np.flatnonzero(self._all_match(on_columns, on_sets, self._columns.all(), known)).astype(np.int32)
            slots = self._page_of(found, page)
            counts = self._columns.count(found) if counts is None else counts
        return Found(slots, self.counts(counts), exact=True)

    def everything(self) -> Counts:
        """The counts over all visible jobs."""
        return self.counts(self._columns.counted([_VISIBLE]))

    def counts(self, counts: NDArray[np.int64]) -> Counts:
        """Counts by type and state, in the contract's words."""
        by_status: dict[Status, int] = {}
        by_type: dict[str, int] = {}
        by_state: dict[str, int] = {}
        for job_type, (status, state), count in by_name(self._columns, counts):
            by_status[status] = by_status.get(status, 0) + count
            by_type[job_type] = by_type.get(job_type, 0) + count
            by_state[state] = by_state.get(state, 0) + count
        by_status = {status: by_status[status] for status in STATUSES if status in by_status}
        return Counts(int(counts.sum()), by_status, dict(sorted(by_type.items())), by_state)

    def _all_match(
        self, on_columns: Sequence[Condition], on_sets: Sequence[Condition], where: Where, known: Mapping[Plain, Slots]
    ) -> Mask:
        columns = self._columns
        found = columns.state[where] != ABSENT
        for condition in on_columns:
            # Picking numbers out costs more than comparing them all, unless few jobs are left to be looked at.
            if isinstance(where, slice) and SPARSE * (left := np.count_nonzero(found)) < len(found):
                places = np.flatnonzero(found) if left else _NOWHERE
                found[places] = columns.matches(condition, (places + (where.start or 0)).astype(np.int32))
            else:
                found &= columns.matches(condition, where)
        for condition in on_sets:
            among = np.zeros(columns.size, dtype=np.bool_)
            among[known[plain_of(condition)]] = True
            found &= ~among[where] if isinstance(condition, Not) else among[where]
        return found

    def _page_of(self, found: Slots, page: Page) -> Slots:
        """One page of these jobs."""
        if len(found) <= FEW:
            ordered = sorted_slots(self._columns, page.sort, found, descending=page.descending)
            return ordered[page.offset : page.offset + page.limit]
        among = np.zeros(self._columns.size, dtype=np.bool_)
        among[found] = True
        return self._orders.page(
            lambda chunk: among[chunk], page.sort, descending=page.descending, offset=page.offset, limit=page.limit
        )

    async def _by_text(
        self,
        on_columns: Sequence[Condition],
        on_texts: Sequence[Condition],
        on_sets: Sequence[Condition],
        page: Page,
        known: Mapping[Plain, Slots],
    ) -> Found:
        scan = self._texts.scan(_text_filter(on_texts, known))
        newest_first = page.sort == "created_at" and page.descending
        matched: list[Slots] = []
        count = 0
        exact = True

        def keep(slots: Slots) -> Mask:
            # The slots of a segment ascend nearly without a gap: a span of the columns is read faster than picks.
            first = int(slots[0])
            return self._all_match(on_columns, on_sets, slice(first, int(slots[-1]) + 1), known)[slots - first]

        # Comparing numbers is cheaper than reading texts, unless it is only that nobody sees what is scheduled ahead.
        async for slots, unread in _read(scan, keep if len(on_columns) + len(on_sets) > 1 else None):
            # Once more: jobs may have changed while their texts were read.
            slots = slots[self._all_match(on_columns, on_sets, slots, known)]
            matched.append(slots)
            count += len(slots)
            enough = count >= max(EXACT_UP_TO, page.offset + page.limit)
            if unread is not None and newest_first and not page.exact and enough and self._older(matched, page, unread):
                exact = False
                break
        found = np.concatenate(matched)
        return Found(self._page_of(found, page), self.counts(self._columns.count(found)), exact)

    def _older(self, matched: Sequence[Slots], page: Page, unread: int) -> bool:
        """Whether every job that was not read yet is older than the last one of the page."""
        created = self._columns.created_at[np.concatenate(matched)]
        last = page.offset + page.limit
        return bool(-np.partition(-created, last - 1)[last - 1] > unread)


async def _read(scan: Scan, keep: Keep | None) -> AsyncIterator[tuple[Slots, int | None]]:
    """Matching slots, each once, and the latest ``created_at`` in what was not read yet (None: all was)."""
    segments = scan.segments
    # Thousands of texts and twenty words: a second, in which nobody else must wait.
    yield await asyncio.to_thread(scan.loose), segments[0].newest if segments else None
    for start in range(0, len(segments), _SIDE_BY_SIDE):
        chosen = segments[start : start + _SIDE_BY_SIDE]
        parts = await asyncio.gather(*(asyncio.to_thread(scan.matches, segment, keep) for segment in chosen))
        rest = segments[start + _SIDE_BY_SIDE :]
        yield np.concatenate(parts), rest[0].newest if rest else None


def _sorted_out(conditions: Sequence[Condition]) -> tuple[list[Condition], list[Condition], list[Condition]]:
    """The conditions on columns, on texts, and those that only the database can tell."""
    on_columns: list[Condition] = []
    on_texts: list[Condition] = []
    on_sets: list[Condition] = []
    for condition in conditions:
        match plain_of(condition):
            case Contains() | HasParameter():
                on_texts.append(condition)
            case Logged() | IdStarts():
                on_sets.append(condition)
            case _:
                on_columns.append(condition)
    return on_columns, on_texts, on_sets


def _asks_for_scheduled(conditions: Sequence[Condition]) -> bool:
    return any(isinstance(condition, OneOf) and SCHEDULED_AHEAD.state in condition.words for condition in conditions)


def _text_filter(conditions: Sequence[Condition], known: Mapping[Plain, Slots]) -> TextFilter:
    texts: dict[bool, list[str]] = {True: [], False: []}
    parameters: dict[bool, list[str]] = {True: [], False: []}
    by_id: set[int] = set()
    for condition in conditions:
        wanted = not isinstance(condition, Not)
        match plain_of(condition):
            case Contains(text) as plain:
                texts[wanted].append(needle(text))
                by_id.update(known.get(plain, np.zeros(0, dtype=np.int32)).tolist())
            case HasParameter(name, value):
                parameters[wanted].append(parameter_needle(name, value))
            case other:
                raise TypeError(f"expected a condition on a text, got {other!r}")
    return TextFilter(
        tuple(texts[True]), tuple(texts[False]), tuple(parameters[True]), tuple(parameters[False]), frozenset(by_id)
    )
