"""Proving that the index is right: every field of every job, and each of its transitions, held against Prefect.

Both sides move on while they are compared, so a difference counts only when it is still there after several looks over
more than the ten seconds within which the index promises to be right.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect_jobs.gateway import PAGE, START, Bookmark, Gateway, Run
from prefect_jobs.history import Histories
from prefect_jobs.jobs import job_from_run
from prefect_jobs.secret_values import MASK
from prefect_jobs.secrets_of_types import SecretsOfTypes
from prefect_jobs.store.row_check import StoredRow, StoredRows, columns_of

PAUSES = (0.5, 1.0, 2.0, 3.0, 4.0, 4.0)
"""Seconds before each further look at what differed."""
SIDE_BY_SIDE = 8
"""Jobs whose past is read at once."""
NOT_THERE = "(no such job)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one job of which the index says something else than Prefect."""

    job_id: str
    field: str
    index: Any
    prefect: Any


class _Seen:
    """Slots, a bit each: a set of a million ids would take a hundred megabytes."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, slot: int) -> None:
        if slot // 8 >= len(self._bits):
            self._bits.extend(bytes(slot // 4 + 8 - len(self._bits)))
        self._bits[slot // 8] |= 1 << slot % 8

    def __contains__(self, slot: int) -> bool:
        return slot // 8 < len(self._bits) and bool(self._bits[slot // 8] & 1 << slot % 8)


class IndexCheck:
    """Compares. Without ``histories`` it leaves the transitions out."""

    def __init__(
        self,
        gateway: Gateway,
        rows: StoredRows,
        histories: Histories | None,
        *,
        secrets: SecretsOfTypes | None = None,
        pauses: Sequence[float] = PAUSES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._rows = rows
        self._histories = histories
        self._secrets = secrets or SecretsOfTypes(gateway, clock=clock)
        self._pauses = pauses
        self._clock = clock
        self.compared = 0
        """Jobs compared so far."""

    async def differences(self, told: Callable[[int], None] = lambda _count: None) -> AsyncIterator[Difference]:
        """Everything of which index and Prefect do not say the same; ``told`` hears how many jobs a step compared.

        Raises:
            PrefectUnavailable: Prefect could not be read to the end.
        """
        suspects: list[str] = []
        async for found in self._suspects(told):
            suspects += found
        for pause in self._pauses:
            if not suspects:
                return
            await asyncio.sleep(pause)
            suspects = [job_id for batch in _batches(suspects) for job_id in await self._still_differing(batch)]
        for batch in _batches(suspects):
            for difference in await self._compare_by_id(batch):
                yield difference

    async def _suspects(self, told: Callable[[int], None]) -> AsyncIterator[list[str]]:
        seen = _Seen()
        at: Bookmark | None = START
        while at is not None:
            page = await self._gateway.all_runs(at=at)
            rows = await self._rows.by_ids([run.id for run in page.runs])
            fresh = [run for run in page.runs if run.id not in rows or rows[run.id].job.slot not in seen]
            for row in rows.values():
                seen.add(row.job.slot)
            yield list({difference.job_id for difference in await self._compare(fresh, rows)})
            self.compared += len(fresh)
            told(len(fresh))
            at = page.next
        async for places in self._rows.places():
            if absent := [job_id for slot, job_id in places if slot not in seen]:
                yield absent

    async def _still_differing(self, job_ids: Sequence[str]) -> list[str]:
        found = {difference.job_id for difference in await self._compare_by_id(job_ids)}
        return [job_id for job_id in job_ids if job_id in found]

    async def _compare_by_id(self, job_ids: Sequence[str]) -> list[Difference]:
        runs = await self._gateway.read_runs(job_ids)
        rows = await self._rows.by_ids(job_ids)
        found = await self._compare(runs, rows)
        surplus = rows.keys() - {run.id for run in runs}
        return found + [Difference(job_id, "job_id", job_id, NOT_THERE) for job_id in job_ids if job_id in surplus]

    async def _compare(self, runs: Iterable[Run], rows: dict[str, StoredRow]) -> list[Difference]:
        found: list[Difference] = []
        alike: list[StoredRow] = []
        for run in await self._secrets.masked_runs(list(runs)):
            row = rows.get(run.id)
            if row is None:
                found.append(Difference(run.id, "job_id", NOT_THERE, run.id))
            elif differing := list(self._fields(run, row)):
                found += differing
            else:
                alike.append(row)
        return found + await self._pasts(alike)

    def _fields(self, run: Run, row: StoredRow) -> Iterable[Difference]:
        # Progress that an event told may be newer than the run's own label; an older one would differ.
        truth = columns_of(job_from_run(run, now=self._clock(), known=row.job.reported))
        for name, value in truth.items():
            if row.values[name] != value:
                # An index of before its type's schema was known may hold a secret.
                hidden = name.startswith("parameter") and self._secrets.schemas(run.flow_name)
                yield Difference(run.id, name, MASK if hidden else row.values[name], value)

    async def _pasts(self, rows: Sequence[StoredRow]) -> list[Difference]:
        if self._histories is None:
            return []
        histories, room, found = self._histories, asyncio.Semaphore(SIDE_BY_SIDE), list[Difference]()

        async def compare(row: StoredRow) -> None:
            async with room:
                past = await histories.compare(row.job)
            if past is None:
                return
            job_id = past.job_id
            found.extend(Difference(job_id, "transition", None, state) for state in past.missing)
            found.extend(Difference(job_id, "transition", state, None) for state in past.surplus)
            found.extend(Difference(job_id, "transition", f"{state} twice", state) for state in past.twice)

        await asyncio.gather(*(compare(row) for row in rows))
        return found


def _batches(job_ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (job_ids[start : start + PAGE] for start in range(0, len(job_ids), PAGE))
