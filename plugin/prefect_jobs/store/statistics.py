"""What happened when, and how long it took: computed from the columns in memory."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prefect_jobs.job_states import CANCELLED_STATES
from prefect_jobs.store.columns import AHEAD, MISSING, STATE_CODES, STATUS_OF, Columns, Mask, Numbers, Slots

_COMPLETED = np.array([status == "completed" for status in STATUS_OF])
_CANCELLED = np.isin(np.arange(len(STATUS_OF)), [STATE_CODES[state] for state in CANCELLED_STATES])
_FAILED = np.array([status == "failed" for status in STATUS_OF]) & ~_CANCELLED


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The value that half, and that 95 of 100, do not exceed (nearest rank), in microseconds."""

    p50: int
    p95: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened to jobs of one type within one span of time that begins at ``start`` (microseconds)."""

    start: int
    job_type: str
    created: int
    completed: int
    failed: int
    cancelled: int
    queue_wait: Quantiles | None
    """From creation to start, of the jobs that started here."""
    run_time: Quantiles | None
    """From start to end, of the jobs that completed here."""


def nearest_rank(ordered: Numbers, share: float) -> int:
    """The smallest value that this share of the values, given in ascending order, does not exceed."""
    return int(ordered[max(0, int(np.ceil(share * len(ordered))) - 1)])


@dataclass(frozen=True, slots=True)
class _Moments:
    """The jobs of which something happened within the timeline, and the cell (bucket x type) in which it did."""

    slots: Slots
    cells: Numbers

    def those(self, chosen: Mask) -> "_Moments":
        """Some of them."""
        return _Moments(self.slots[chosen], self.cells[chosen])

    def quantiles(self, values: Numbers) -> dict[int, Quantiles]:
        """The quantiles of these values of theirs in each cell that has any."""
        order = np.lexsort((values, self.cells))
        cells, ordered = self.cells[order], values[order]
        present, starts = np.unique(cells, return_index=True)
        ends = np.append(starts, len(cells))[1:]
        return {
            cell: Quantiles(nearest_rank(ordered[begin:end], 0.5), nearest_rank(ordered[begin:end], 0.95))
            for cell, begin, end in zip(present.tolist(), starts.tolist(), ends.tolist(), strict=True)
        }


def timeline(columns: Columns, *, start: int, width: int, count: int, job_type: str | None) -> list[Bucket]:
    """What happened in each of ``count`` spans of ``width`` microseconds from ``start`` on, by type.

    Spans in which nothing happened to a type are left out. Oldest first, then by type.
    """
    if job_type is not None and job_type not in columns.types:
        return []
    types = len(columns.types)

    def happened(column: Literal["created_at", "started_at", "completed_at"]) -> _Moments:
        # A missing time is before every other.
        moments = columns.number(column, columns.all())
        slots = np.flatnonzero((moments >= start) & (moments < start + width * count)).astype(np.int32)
        slots = slots[columns.state[slots] > AHEAD]
        if job_type is not None:
            slots = slots[columns.job_type[slots] == columns.types.index(job_type)]
        return _Moments(slots, (moments[slots] - start) // width * types + columns.job_type[slots])

    def counted(moments: _Moments) -> NDArray[np.int64]:
        return np.bincount(moments.cells, minlength=count * types)

    created, started, ended = happened("created_at"), happened("started_at"), happened("completed_at")
    states = columns.state[ended.slots]
    completed = ended.those(_COMPLETED[states])
    created_counts, completed_counts = counted(created), counted(completed)
    failed, cancelled = counted(ended.those(_FAILED[states])), counted(ended.those(_CANCELLED[states]))
    waits = started.quantiles(columns.started_at[started.slots] - columns.created_at[started.slots])
    ran = completed.those(columns.took[completed.slots] != MISSING)
    times = ran.quantiles(columns.took[ran.slots])
    some = np.flatnonzero(created_counts + completed_counts + failed + cancelled).tolist()
    buckets = [
        Bucket(
            start + cell // types * width,
            columns.types[cell % types],
            int(created_counts[cell]),
            int(completed_counts[cell]),
            int(failed[cell]),
            int(cancelled[cell]),
            waits.get(cell),
            times.get(cell),
        )
        for cell in sorted({*some, *waits, *times})
    ]
    return sorted(buckets, key=lambda bucket: (bucket.start, bucket.job_type))


def latest_durations(columns: Columns, job_type: str, limit: int) -> list[float]:
    """How many seconds the latest completed jobs of this type took, at most ``limit`` of them, shortest first."""
    return sorted((columns.took[latest_completed(columns, job_type, limit)] / 1_000_000).tolist())


def latest_completed(columns: Columns, job_type: str, limit: int) -> Slots:
    """The latest completed jobs of this type, at most ``limit`` of them, in any order."""
    if job_type not in columns.types:
        return np.empty(0, dtype=np.int32)
    every = columns.all()
    ended = columns.completed_at[every]
    fits = (columns.job_type[every] == columns.types.index(job_type)) & _COMPLETED[columns.state[every]]
    slots = np.flatnonzero(fits & (ended != MISSING) & (columns.started_at[every] != MISSING)).astype(np.int32)
    if len(slots) > limit:
        slots = slots[np.argpartition(-ended[slots], limit - 1)[:limit]]
    return slots
