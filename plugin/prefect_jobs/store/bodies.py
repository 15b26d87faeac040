"""Jobs as they were read or written lately, kept in memory: the newest ones are asked for again and again.

Each is valid for as long as the version that memory knows of its slot is its own, so nobody has to be told when a job
changes: a body of another version is just not used.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from prefect_jobs.gateway.runs import Run
from prefect_jobs.jobs import Job
from prefect_jobs.store.columns import Columns

KEPT = 5_000
"""Bodies in memory: a few kilobytes each."""
READINGS_KEPT = 20_000
"""Readings of jobs at work that are remembered."""


class Bodies:
    """The jobs of some slots."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._by_slot: OrderedDict[int, Job] = OrderedDict()

    def of(self, slots: Sequence[int]) -> dict[int, Job]:
        """Those of these jobs that are known as they are now."""
        found: dict[int, Job] = {}
        versions = self._columns.version
        for slot in slots:
            job = self._by_slot.get(slot)
            if job is not None and job.version == versions[slot]:
                self._by_slot.move_to_end(slot)
                found[slot] = job
        return found

    def keep(self, jobs: Iterable[Job]) -> None:
        """Remember these."""
        for job in jobs:
            self._by_slot[job.slot] = job
            self._by_slot.move_to_end(job.slot)
        while len(self._by_slot) > KEPT:
            self._by_slot.popitem(last=False)


class Readings:
    """What was last read of jobs at work: reading the same again must cost nothing, it happens every few seconds."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._known: OrderedDict[str, tuple[Run, int, int]] = OrderedDict()

    def said_before(self, run: Run) -> int | None:
        """The slot of the job that this reading changes nothing of; None when it has to be looked at."""
        known = self._known.get(run.id)
        if known is None:
            return None
        before, slot, version = known
        return slot if self._columns.version[slot] == version and before == run else None

    def note(self, run: Run, job: Job) -> None:
        """The index says of this job what this reading says."""
        if job.ended or job.state == "scheduled" or job.awaits_proof:  # the clock alone may change what it says
            self._known.pop(run.id, None)
            return
        self._known[run.id] = run, job.slot, job.version
        self._known.move_to_end(run.id)
        if len(self._known) > READINGS_KEPT:
            self._known.popitem(last=False)
