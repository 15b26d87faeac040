"""Standing orders of all jobs: by each column, ready to be read from the top.

Sorting a million jobs takes a quarter of a second; most of them stand where they stood at the last question. So each
order that was ever asked for is kept, and only the jobs that changed since are taken out and put in where they belong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from prefect_jobs.store.columns import ABSENT, AHEAD, STATUS_RANK, Cell, Columns, Mask, Numbers, Slots

Sort = Literal["created_at", "started_at", "completed_at", "progress", "job_type", "status"]
SORTS: dict[str, Sort] = {name: name for name in get_args(Sort)}
FEW = 20_000
"""So many jobs are sorted at once; of more, the standing order is read until the page is full."""
_FIRST_CHUNK = 4_096


def sort_keys(columns: Columns, sort: Sort, slots: Slots, *, descending: bool) -> list[Numbers]:
    """What these jobs are sorted by, ascending, the most important key first. Ties stand newest first (4.4)."""
    match sort:
        case "job_type":
            first = columns.type_ranks()[columns.job_type[slots]]
        case "status":
            first = STATUS_RANK[columns.state[slots]]
        case "progress":
            first = columns.progress[slots].astype(np.int64)
        case _:
            first = columns.number(sort, slots)
    newest_first = [-columns.created_at[slots], -slots.astype(np.int64)]
    if sort == "created_at" and not descending:
        return [first, slots.astype(np.int64)]
    # Not `-first`: the smallest number there is has no negative.
    return [~first if descending else first, *newest_first]


def _key(sort: Sort, cell: Cell) -> tuple[int, int]:
    """What decides the place of a job: equal keys leave it where it is."""
    value = {"job_type": cell.job_type, "status": int(STATUS_RANK[cell.state])}.get(sort)
    return (getattr(cell, sort) if value is None else value), cell.created_at


def sorted_slots(columns: Columns, sort: Sort, slots: Slots, *, descending: bool) -> Slots:
    """These jobs in order."""
    keys = sort_keys(columns, sort, slots, descending=descending)
    return slots[np.lexsort(keys[::-1])]


def _places(columns: Columns, sort: Sort, order: Slots, new: Slots, *, descending: bool) -> Numbers:
    """Where in the order each of these jobs belongs: a binary search for all of them at once."""
    low = np.zeros(len(new), dtype=np.int64)
    high = np.full(len(new), len(order), dtype=np.int64)
    wanted = sort_keys(columns, sort, new, descending=descending)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        there = sort_keys(columns, sort, order[np.minimum(middle, len(order) - 1)], descending=descending)
        before = np.zeros(len(new), dtype=np.bool_)
        equal = np.ones(len(new), dtype=np.bool_)
        for one, other in zip(there, wanted, strict=True):
            before |= equal & (one < other)
            equal &= one == other
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


@dataclass(slots=True)
class Order:
    """All jobs in one order."""

    sort: Sort
    descending: bool
    slots: Slots
    gone: set[int] = field(default_factory=set[int])
    """Jobs that do not stand where they belong, or not any more."""
    come: set[int] = field(default_factory=set[int])
    """Jobs that belong somewhere else, or are new."""
    visible: Slots | None = None
    """The same without what a schedule prepared ahead, made when it is asked for."""

    def changed(self, slot: int, before: Cell | None, after: Cell | None) -> None:
        """The job in this slot is new, other or gone."""
        if before is not None:
            if after is not None and _key(self.sort, before) == _key(self.sort, after):
                if (before.state == AHEAD) != (after.state == AHEAD):
                    self.visible = None
                return
            self.gone.add(slot)
        self.come.add(slot)

    def refresh(self, columns: Columns) -> None:
        """Put the jobs that changed where they belong now."""
        if not self.come:
            return
        stay = self.slots
        if self.gone:
            gone = np.zeros(columns.size, dtype=np.bool_)
            gone[np.fromiter(self.gone, dtype=np.int32, count=len(self.gone))] = True
            stay = stay[~gone[stay]]
        come = np.fromiter(self.come, dtype=np.int32, count=len(self.come))
        come = sorted_slots(columns, self.sort, come[columns.state[come] != ABSENT], descending=self.descending)
        places = _places(columns, self.sort, stay, come, descending=self.descending)
        self.slots, self.visible = np.insert(stay, places, come), None
        self.gone.clear()
        self.come.clear()

    def visible_page(self, columns: Columns, *, offset: int, limit: int) -> Slots:
        """The jobs but for what a schedule prepared ahead, in this order, from the offset on."""
        if self.visible is None:
            self.visible = self.slots[columns.state[self.slots] > AHEAD]
        return self.visible[offset : offset + limit]

    def page(self, found: Callable[[Slots], Mask], *, offset: int, limit: int) -> Slots:
        """The jobs that match, in this order, from the offset on."""
        wanted = offset + limit
        parts: list[Slots] = [self.slots[:0]]
        have, start, step = 0, 0, _FIRST_CHUNK
        while start < len(self.slots) and have < wanted:
            chunk = self.slots[start : start + step]
            part = chunk[found(chunk)]
            parts.append(part)
            have, start, step = have + len(part), start + step, step * 4
        return np.concatenate(parts)[offset:wanted]


class Orders:
    """All orders, each made when it is asked for first."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._kept: dict[tuple[Sort, bool], Order] = {}

    def make_all(self) -> None:
        """Make every order now: of a million jobs each takes a tenth of a second, which no request should wait for."""
        for sort in SORTS.values():
            for descending in (True, False):
                self.order(sort, descending=descending)

    def changed(self, slot: int, before: Cell | None, after: Cell | None) -> None:
        """The job in this slot is new (nothing before), other, or gone (nothing after)."""
        for order in self._kept.values():
            order.changed(slot, before, after)

    def page(self, found: Callable[[Slots], Mask], sort: Sort, *, descending: bool, offset: int, limit: int) -> Slots:
        """The jobs that match, in order, from the offset on."""
        return self.order(sort, descending=descending).page(found, offset=offset, limit=limit)

    def visible_page(self, sort: Sort, *, descending: bool, offset: int, limit: int) -> Slots:
        """The jobs but for what a schedule prepared ahead, in order, from the offset on."""
        return self.order(sort, descending=descending).visible_page(self._columns, offset=offset, limit=limit)

    def order(self, sort: Sort, *, descending: bool) -> Order:
        """All jobs in this order, as they stand now."""
        order = self._kept.get((sort, descending))
        if order is None:
            slots = sorted_slots(self._columns, sort, self._columns.present(), descending=descending)
            order = Order(sort, descending, slots)
            self._kept[sort, descending] = order
        order.refresh(self._columns)
        return order
