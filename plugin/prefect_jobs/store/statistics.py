"""What happened when, and how long it took: computed from the columns in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefect_jobs.job_states import CANCELLED_STATES
from prefect_jobs.store.columns import AHEAD, MISSING, STATE_CODES, STATUS_OF, Columns, Mask, Numbers

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


class _Grid:
    """The buckets of a timeline, and which of the jobs' moments falls into which of them."""

    def __init__(self, columns: Columns, start: int, width: int, count: int, wanted: Mask) -> None:
        self._columns, self._start, self._width, self._count = columns, start, width, count
        self._wanted = wanted
        self._types = len(columns.types)

    def places(self, moments: Numbers, extra: Mask) -> tuple[Numbers, Numbers]:
        """The jobs whose moment lies within, and the cell (bucket x type) of each."""
        inside = extra & self._wanted & (moments >= self._start) & (moments < self._start + self._width * self._count)
        slots = np.flatnonzero(inside)
        buckets = (moments[slots] - self._start) // self._width
        return slots, buckets * self._types + self._columns.job_type[slots]

    def count(self, moments: Numbers, extra: Mask) -> NDArray[np.int64]:
        """How many jobs each cell has."""
        return np.bincount(self.places(moments, extra)[1], minlength=self._count * self._types)

    def quantiles(self, moments: Numbers, values: Numbers, extra: Mask) -> dict[int, Quantiles]:
        """The quantiles of the values in each cell that has any."""
        slots, cells = self.places(moments, extra)
        chosen = values[slots]
        order = np.lexsort((chosen, cells))
        cells, chosen = cells[order], chosen[order]
        present, starts = np.unique(cells, return_index=True)
        ends = np.append(starts, len(cells))[1:]
        return {
            cell: Quantiles(nearest_rank(chosen[begin:end], 0.5), nearest_rank(chosen[begin:end], 0.95))
            for cell, begin, end in zip(present.tolist(), starts.tolist(), ends.tolist(), strict=True)
        }


def timeline(columns: Columns, *, start: int, width: int, count: int, job_type: str | None) -> list[Bucket]:
    """What happened in each of ``count`` spans of ``width`` microseconds from ``start`` on, by type.

    Spans in which nothing happened to a type are left out. Oldest first, then by type.
    """
    every = columns.all()
    state = columns.state[every]
    wanted: Mask = state > AHEAD
    if job_type is not None:
        if job_type not in columns.types:
            return []
        wanted &= columns.job_type[every] == columns.types.index(job_type)
    grid = _Grid(columns, start, width, count, wanted)
    created, started, ended = columns.created_at[every], columns.started_at[every], columns.completed_at[every]
    anything = np.ones(columns.size, dtype=np.bool_)
    created_counts = grid.count(created, anything)
    completed, failed, cancelled = (
        grid.count(ended, kind[state] & (ended != MISSING)) for kind in (_COMPLETED, _FAILED, _CANCELLED)
    )
    has_start = started != MISSING
    waits = grid.quantiles(started, started - created, has_start)
    times = grid.quantiles(ended, ended - started, has_start & (ended != MISSING) & _COMPLETED[state])
    some = np.flatnonzero(created_counts + completed + failed + cancelled).tolist()
    types = len(columns.types)
    buckets = [
        Bucket(
            start + cell // types * width,
            columns.types[cell % types],
            int(created_counts[cell]),
            int(completed[cell]),
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
    if job_type not in columns.types:
        return []
    every = columns.all()
    ended = columns.completed_at[every]
    fits = (columns.job_type[every] == columns.types.index(job_type)) & _COMPLETED[columns.state[every]]
    slots = np.flatnonzero(fits & (ended != MISSING) & (columns.started_at[every] != MISSING))
    if len(slots) > limit:
        slots = slots[np.argpartition(-ended[slots], limit - 1)[:limit]]
    return sorted((columns.duration(slots.astype(np.int32)) / 1_000_000).tolist())
