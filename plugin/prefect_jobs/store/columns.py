"""The columns of all jobs in memory: what filters, counts and sorts a million of them in milliseconds.

A database answers each combination of filter and sort only where it has an index for it, and counts the matches of a
filter in a hundred milliseconds or more. A few numbers a job, 50 MB a million, answer all of them exactly, and in the
same way on every database. A job's place in the columns is its ``slot``, the key of its row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefect_jobs.conditions import Between, Condition, HasError, Not, OneOf, RangedColumn
from prefect_jobs.job_states import ENDED, SCHEDULED_AHEAD, TABLE, JobState, Status
from prefect_jobs.jobs import Job
from prefect_jobs.store.tables import to_microseconds

Slots = NDArray[np.int32]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Where = Slots | slice

MISSING = int(np.iinfo(np.int64).min)
"""A time that is not there: smaller than every other, as the contract sorts it."""

# Code 0 is a place where no job is.
_STATES: tuple[JobState, ...] = (
    JobState("pending", ""),
    SCHEDULED_AHEAD,
    *dict.fromkeys(state for names in TABLE.values() for state in names.values()),
)
STATE_CODES = {state.key: code for code, state in enumerate(_STATES)}
STATES = _STATES
STATUS_OF: tuple[Status, ...] = tuple(state.status for state in _STATES)
ABSENT, AHEAD = 0, STATE_CODES["scheduled"]
ID_END = 6
"""Characters at the end of an id by which people call a job: the page's cards show no more of it."""
NO_END = -1
_NAMES = (
    "state",
    "job_type",
    "created_at",
    "started_at",
    "completed_at",
    "due_at",
    "progress",
    "has_error",
    "version",
    "id_end",
)
_FIRST_CAPACITY = 1024
_COMPARED_MOST = 8
# Statuses sort by their names.
STATUS_RANK = np.array([sorted(set(STATUS_OF)).index(status) for status in STATUS_OF], dtype=np.int64)
_COMPLETED = np.array([status == "completed" for status in STATUS_OF])
_PENDING = np.array([state not in ("", "scheduled") and status == "pending" for status, state in _STATES])
_PENDING_OR_AHEAD = np.array([status == "pending" for status in STATUS_OF])
_RUNNING = np.array([status == "running" for status in STATUS_OF])
_ENDED = np.array([status in ENDED for status in STATUS_OF])


def id_end(job_id: str) -> int:
    """The last characters of an id as a number; ``NO_END`` where they are none, as no id of Prefect's is."""
    try:
        return int(job_id[-ID_END:], 16)
    except ValueError:
        return NO_END


@dataclass(frozen=True, slots=True)
class Cell:
    """The numbers of one job, as the columns keep them."""

    state: int
    job_type: int
    created_at: int
    started_at: int
    completed_at: int
    due_at: int
    progress: int
    has_error: bool
    version: int
    id_end: int

    @property
    def duration(self) -> int:
        """Microseconds from start to end, or ``MISSING``."""
        if self.started_at == MISSING or self.completed_at == MISSING:
            return MISSING
        return self.completed_at - self.started_at


class Columns:
    """A few numbers of every job, and counts that are kept with them."""

    def __init__(self) -> None:
        self.types: list[str] = []
        self._type_codes: dict[str, int] = {}
        self.size = 0
        """One more than the highest slot."""
        self._reserve(_FIRST_CAPACITY)
        self.counts: NDArray[np.int64] = np.zeros((0, len(STATES)), dtype=np.int64)
        """Jobs by type and state."""
        self.completed = 0
        self.completed_duration = 0
        """How many completed jobs have a duration, and the sum of those, in microseconds."""

    def _reserve(self, capacity: int) -> None:
        if capacity <= getattr(self, "_capacity", 0):
            return
        grown = max(capacity, 2 * getattr(self, "_capacity", 0))

        def grow(name: str, dtype: type[Any], empty: int) -> NDArray[Any]:
            new = np.full(grown, empty, dtype=dtype)
            new[: self.size] = getattr(self, name)[: self.size] if self.size else new[:0]
            return new

        self.state: NDArray[np.uint8] = grow("state", np.uint8, ABSENT)
        self.job_type: NDArray[np.uint16] = grow("job_type", np.uint16, 0)
        self.created_at: Numbers = grow("created_at", np.int64, MISSING)
        self.started_at: Numbers = grow("started_at", np.int64, MISSING)
        self.completed_at: Numbers = grow("completed_at", np.int64, MISSING)
        self.due_at: Numbers = grow("due_at", np.int64, MISSING)
        self.progress: NDArray[np.uint8] = grow("progress", np.uint8, 0)
        self.has_error: Mask = grow("has_error", np.bool_, False)
        self.took: Numbers = grow("took", np.int64, MISSING)
        """Microseconds from start to end, where both are there."""
        self.version: Numbers = grow("version", np.int64, 0)
        self.id_end: NDArray[np.int32] = grow("id_end", np.int32, NO_END)
        self.turned_up: NDArray[np.int32] = grow("turned_up", np.int32, 0)
        self._capacity = grown

    # -- writing --------------------------------------------------------------------------------------------------

    def type_code(self, name: str) -> int:
        """The number of this type, a new one when it is new."""
        code = self._type_codes.get(name)
        if code is None:
            code = self._type_codes[name] = len(self.types)
            self.types.append(name)
            self.counts = np.vstack([self.counts, np.zeros((1, len(STATES)), dtype=np.int64)])
        return code

    def cell_of(self, job: Job) -> Cell:
        """The numbers of this job."""
        return Cell(
            STATE_CODES[JobState(job.status, job.state).key],
            self.type_code(job.job_type),
            to_microseconds(job.created_at),
            MISSING if job.started_at is None else to_microseconds(job.started_at),
            MISSING if job.completed_at is None else to_microseconds(job.completed_at),
            MISSING if job.due_at is None else to_microseconds(job.due_at),
            job.progress,
            bool(job.error and job.error.strip()),
            job.version,
            id_end(job.job_id),
        )

    def put(self, slot: int, cell: Cell) -> Cell | None:
        """Write the numbers of the job in this slot. Returns those before, or None for a new job."""
        self._reserve(slot + 1)
        before = self.cell(slot) if slot < self.size and self.state[slot] != ABSENT else None
        self._count(slot, -1)
        self.size = max(self.size, slot + 1)
        self.state[slot], self.job_type[slot], self.progress[slot] = cell.state, cell.job_type, cell.progress
        self.created_at[slot], self.started_at[slot] = cell.created_at, cell.started_at
        self.completed_at[slot], self.due_at[slot] = cell.completed_at, cell.due_at
        self.took[slot] = cell.duration
        self.has_error[slot], self.version[slot], self.id_end[slot] = cell.has_error, cell.version, cell.id_end
        self._count(slot, 1)
        return before

    def remove(self, slot: int) -> Cell | None:
        """Forget the job in this slot. Returns its numbers, or None when there was none."""
        if slot >= self.size or self.state[slot] == ABSENT:
            return None
        before = self.cell(slot)
        self._count(slot, -1)
        self.state[slot] = ABSENT
        return before

    def _count(self, slot: int, step: int) -> None:
        if slot >= self.size or self.state[slot] == ABSENT:
            return
        self.counts[self.job_type[slot], self.state[slot]] += step
        if _COMPLETED[self.state[slot]] and (duration := self.cell(slot).duration) != MISSING:
            self.completed += step
            self.completed_duration += step * duration

    def cell(self, slot: int) -> Cell:
        """The numbers of the job in this slot."""
        return Cell(
            int(self.state[slot]),
            int(self.job_type[slot]),
            int(self.created_at[slot]),
            int(self.started_at[slot]),
            int(self.completed_at[slot]),
            int(self.due_at[slot]),
            int(self.progress[slot]),
            bool(self.has_error[slot]),
            int(self.version[slot]),
            int(self.id_end[slot]),
        )

    def put_many(self, slots: Slots, **columns: Sequence[int]) -> None:
        """Write the numbers of many new jobs, a column each."""
        self._reserve(int(slots.max()) + 1)
        self.size = max(self.size, int(slots.max()) + 1)
        for name in _NAMES:
            getattr(self, name)[slots] = columns[name]
        start, end = self.started_at[slots], self.completed_at[slots]
        # Where one is missing the difference wraps around, and is not used.
        self.took[slots] = np.where((start == MISSING) | (end == MISSING), MISSING, end - start)
        self.counts += self.count(slots)
        durations = self.took[slots[_COMPLETED[self.state[slots]]]]
        durations = durations[durations != MISSING]
        self.completed += len(durations)
        self.completed_duration += int(durations.sum())

    def turn_up(self, slots: Sequence[int], look: int) -> None:
        """Note that a reading of Prefect held these jobs, since this look around began."""
        places = np.array(slots, dtype=np.int32)
        self.turned_up[places[places < self.size]] = look

    # -- reading --------------------------------------------------------------------------------------------------

    def all(self) -> slice:
        """Every slot there is."""
        return slice(0, self.size)

    def pending(self) -> Slots:
        """The jobs that wait to be started; those that a schedule prepared ahead are none yet."""
        return np.flatnonzero(_among(self.state[: self.size], _PENDING)).astype(np.int32)

    def active(self) -> Slots:
        """The jobs that have not ended; those that a schedule prepared ahead are none yet."""
        state = self.state[: self.size]
        return np.flatnonzero(~_among(state, _ENDED) & (state > AHEAD)).astype(np.int32)

    def running(self) -> Slots:
        """The jobs at work."""
        return np.flatnonzero(_among(self.state[: self.size], _RUNNING)).astype(np.int32)

    def ahead(self) -> Slots:
        """What a schedule prepared ahead."""
        return np.flatnonzero(self.state[: self.size] == AHEAD).astype(np.int32)

    def unproven(self, moment: int) -> Slots:
        """The ended jobs whose receipt was awaited until this moment at the latest."""
        due = self.due_at[: self.size]
        found = np.flatnonzero((due != MISSING) & (due <= moment) & (self.state[: self.size] != ABSENT))
        return found[~_PENDING_OR_AHEAD[self.state[found]]].astype(np.int32)

    def present(self) -> Slots:
        """Every job there is."""
        return np.flatnonzero(self.state[: self.size] != ABSENT).astype(np.int32)

    def with_id_end(self, end: int) -> Slots:
        """The jobs whose ids end so, as ``id_end`` writes it."""
        return np.flatnonzero((self.id_end[: self.size] == end) & (self.state[: self.size] != ABSENT)).astype(np.int32)

    def missing(self, look: int, *, active_only: bool) -> Slots:
        """The jobs that did not turn up since this look around began: of all, or of those that have not ended."""
        slots = self.active() if active_only else self.present()
        return slots[self.turned_up[slots] < look]

    def number(self, column: RangedColumn, where: Where) -> Numbers:
        """One column of these jobs."""
        return getattr(self, "took" if column == "duration" else column)[where]

    def matches(self, condition: Condition, where: Where) -> Mask:
        """Which of these jobs the condition holds for: a mask over ``where``.

        Raises:
            TypeError: the condition is one that the columns know nothing of.
        """
        match condition:
            case Not(inner):
                return ~self.matches(inner, where)
            case OneOf("job_type"):
                return _among(self.job_type[where], self._type_table(condition))
            case OneOf():
                return _among(self.state[where], state_table(condition))
            case HasError():
                return self.has_error[where]
            case Between():
                return self._between(condition, where)
            case _:
                raise TypeError(f"expected a condition on a column, got {condition!r}")

    def _type_table(self, condition: OneOf) -> Mask:
        return np.array([name in condition.words for name in self.types], dtype=np.bool_)

    def _between(self, condition: Between, where: Where) -> Mask:
        values = self.number(condition.column, where)
        least = 0 if condition.column == "progress" else MISSING + 1
        if condition.least is not None:
            least = max(least, condition.least)
        found = values >= least
        if condition.most is not None:
            found &= values <= condition.most
        return found

    def counted(self, conditions: Sequence[Condition]) -> NDArray[np.int64]:
        """The counts by type and state where these conditions on types and states hold."""
        counts = self.counts.copy()
        for condition in conditions:
            inner = condition.condition if isinstance(condition, Not) else condition
            assert isinstance(inner, OneOf)
            keep = self._type_table(inner)[:, None] if inner.column == "job_type" else state_table(inner)[None, :]
            counts *= ~keep if isinstance(condition, Not) else keep
        return counts

    def count(self, slots: Slots) -> NDArray[np.int64]:
        """Count these jobs by type and state."""
        combined = self.job_type[slots].astype(np.intp) * len(STATES) + self.state[slots]
        return np.bincount(combined, minlength=self.counts.size).reshape(self.counts.shape)

    def type_ranks(self) -> Numbers:
        """The place of each type's name among all, by type code."""
        ranks = np.empty(len(self.types), dtype=np.int64)
        ranks[sorted(range(len(self.types)), key=self.types.__getitem__)] = np.arange(len(self.types))
        return ranks


def _among(codes: NDArray[np.unsignedinteger[Any]], table: Mask) -> Mask:
    """Which of these codes the table lets pass. A few are compared: looking a million up takes ten times as long."""
    chosen = np.flatnonzero(table)
    if len(chosen) > _COMPARED_MOST:
        return table[codes]
    found = np.zeros(len(codes), dtype=np.bool_)
    for code in chosen:
        found |= codes == codes.dtype.type(code)
    return found


def state_table(condition: OneOf) -> Mask:
    """Which state codes this condition on the state lets pass."""
    table = np.array([state.key in condition.words for state in STATES], dtype=np.bool_)
    table[ABSENT] = False
    return table


def by_name(columns: Columns, counts: NDArray[np.int64]) -> Iterator[tuple[str, JobState, int]]:
    """Counts by type and state as (type, state, count), those above zero."""
    for job_type, state in zip(*np.nonzero(counts), strict=True):
        yield columns.types[job_type], STATES[state], int(counts[job_type, state])
