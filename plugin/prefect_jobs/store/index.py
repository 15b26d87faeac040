"""The job index: what Prefect cannot answer (search, order, counts, changes since), kept beside it.

Rows are only ever drawn from a reading of Prefect or a progress report of the run itself. Each change of any job takes
the next version, in the same transaction, by one writer: versions therefore become visible in their order. The rows are
what survives; what is searched stands in memory (`columns`, `texts`) and follows each committed change, whichever
process made it: `follow` reads the rows above the version that memory stands at.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Column, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.clean_text import clean
from prefect_jobs.conditions import Condition, Contains, IdStarts, Logged, Plain, plain_of
from prefect_jobs.gaps import longest_gap
from prefect_jobs.gateway.runs import Progress, Run
from prefect_jobs.job_states import Status
from prefect_jobs.job_text import parameter_text, search_text
from prefect_jobs.jobs import Job, Stoppable, job_from_run, stoppable
from prefect_jobs.store.bodies import Bodies, Readings
from prefect_jobs.store.columns import ID_END, Columns, Slots, id_end
from prefect_jobs.store.database import Database
from prefect_jobs.store.loading import load
from prefect_jobs.store.log_search import jobs_that_logged
from prefect_jobs.store.orders import Orders
from prefect_jobs.store.rows import JOB_COLUMNS, TEXTS, job_of, row_of
from prefect_jobs.store.search import Counts, Found, Page, Search
from prefect_jobs.store.statistics import Bucket, latest_completed, latest_durations, timeline
from prefect_jobs.store.tables import clock, deleted_jobs, from_microseconds, jobs, to_microseconds
from prefect_jobs.store.texts import Texts

TOMBSTONES_KEPT = timedelta(hours=24)
READ_ORDERS_KEPT = 100_000
FOLLOW_LIMIT = 20_000
"""Changes that are followed one by one; of more, everything is read anew."""
IN_LIST = 500
"""Values in one query: well below every database's limit of parameters."""
ID_PREFIX_LEAST = 6
"""Characters from which on a searched word may be the beginning of a job's id."""
_ID_END = re.compile(rf"#?([0-9a-fA-F]{{{ID_END}}})")
"""A searched word that may be the end of a job's id, as the page's cards write it."""
BY_ID_LIMIT = 1_000
"""Jobs that a search finds by the beginning of their ids."""


@dataclass(frozen=True, slots=True)
class Change:
    """One job changed, or (``job`` is None) is gone."""

    version: int
    job_id: str
    job: Job | None
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class JobSummary:
    """As much of a job as decides what may be done to it."""

    job_id: str
    status: Status
    state: str
    deployment_id: str | None
    uses_kit: bool = False
    inside_of: str | None = None

    @property
    def stoppable(self) -> Stoppable:
        """See ``Job``."""
        return stoppable(uses_kit=self.uses_kit, inside_of=self.inside_of)


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over all jobs, and two times in seconds."""

    counts: Counts
    average_duration_seconds: float | None
    oldest_pending: datetime | None


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """One page of a search; the counts are over all matches, and lower bounds where not ``exact``."""

    jobs: list[Job]
    counts: Counts
    exact: bool


# Made once: making a statement of so many columns takes as long as asking it (1 of 3.4 ms for a page of 50).
_BY_IDS = select(*JOB_COLUMNS).where(jobs.c.job_id.in_(bindparam("ids", expanding=True)))
_BY_SLOTS = select(*JOB_COLUMNS).where(jobs.c.slot.in_(bindparam("slots", expanding=True)))


class JobIndex:
    """All jobs, in the adapter's own database and, but for their bodies, in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_orders: OrderedDict[str, int] = OrderedDict()
        self._in_step = asyncio.Lock()
        self._looks = 0
        self.followed = 0
        """The version that memory stands at."""
        self.readings = 0
        """How often everything was read into memory: after each the changes before are not known one by one."""
        self._stand(Columns(), Texts())

    def _stand(self, columns: Columns, texts: Texts) -> None:
        self._columns, self._texts = columns, texts
        self._orders = Orders(columns)
        self._search = Search(columns, texts, self._orders)
        self._bodies, self._seen = Bodies(columns), Readings(columns)

    @classmethod
    async def open(cls, database: Database) -> "JobIndex":
        """The index of this database, read into memory (some seconds a million jobs)."""
        index = cls(database)
        async with database.reading() as connection:
            await index._read_all(connection)
        return index

    async def _read_all(self, connection: AsyncConnection) -> None:
        version = (await connection.execute(select(clock.c.version))).scalar_one()
        columns, texts = Columns(), Texts()
        await load(connection, columns, texts)
        self._stand(columns, texts)
        self._orders.make_all()
        self.followed, self.readings = version, self.readings + 1

    # -- writing --------------------------------------------------------------------------------------------------

    async def apply(self, runs: Sequence[Run], *, now: datetime, redraw: bool = False) -> list[Change]:
        """Make the index say what these readings of Prefect say.

        Args:
            runs: what was read.
            now: the time by which a run that a schedule prepared is due.
            redraw: hold against the readings, too, what rows hold for the search alone.

        Returns:
            What changed since memory was told last, by whomever, in version order.
        """
        async with self._in_step:
            look = self._looks
            newest: dict[str, Run] = {}
            same: list[int] = []
            for run in sorted(runs, key=lambda run: run.read_order):
                if run.read_order < self._read_orders.get(run.id, 0):
                    continue
                newest.pop(run.id, None)
                if not redraw and (slot := self._seen.said_before(run)) is not None:
                    self._remember(run.id, run.read_order)
                    same.append(slot)
                else:
                    newest[run.id] = run
            self._columns.turn_up(same, look)
            if not newest:
                return []
            async with self._database.writing() as connection:
                known = await self._by_ids(connection, list(newest))
                stale = await self._misdrawn(connection, list(known.values())) if redraw else frozenset[str]()
                changed: list[tuple[Job | None, Job]] = []
                for run in newest.values():
                    self._remember(run.id, run.read_order)
                    old = known.get(run.id)
                    job = job_from_run(run, now=now, known=old.reported if old else None)
                    job = replace(job, longest_gap=longest_gap(old, job))
                    if old is None or replace(old, version=0, slot=0) != job or run.id in stale:
                        changed.append((old, job))
                changes = await self._write(connection, changed, whole=redraw)
            told = await self._committed(changes)
            now_is = known | {change.job_id: change.job for change in changes if change.job}
            self._columns.turn_up([job.slot for job in now_is.values()], look)
            for run_id, job in now_is.items():
                self._seen.note(newest[run_id], job)
            return told

    async def apply_progress(self, reports: Iterable[tuple[str, Progress]]) -> list[Change]:
        """Take over what running jobs report. Reports for another attempt, or older than the known one, are dropped."""
        async with self._in_step:
            async with self._database.writing() as connection:
                latest = dict(sorted(reports, key=lambda report: report[1].at))
                changed: list[tuple[Job | None, Job]] = []
                for job_id, old in (await self._by_ids(connection, list(latest))).items():
                    report = latest[job_id]
                    stale = old.reported is not None and old.reported.at >= report.at
                    if old.status != "running" or report.attempt != old.attempt or stale:
                        continue
                    message = old.message if old.state == "aborting" else report.message
                    job = replace(old, progress=report.percent, message=message, reported=report)
                    changed.append((old, replace(job, longest_gap=longest_gap(old, job))))
                changes = await self._write(connection, changed)
            return await self._committed(changes)

    async def promote_due(self, *, now: datetime) -> list[Change]:
        """Turn the runs that a schedule prepared and whose time has come into jobs."""
        ahead = self._columns.ahead()
        due = ahead[self._columns.due_at[ahead] <= to_microseconds(now)]
        if not len(due):
            return []
        async with self._in_step:
            async with self._database.writing() as connection:
                found = await self._by_slots(connection, due.tolist())
                changes = await self._write(
                    connection, [(old, replace(old, state="pending")) for old in found if old.state == "scheduled"]
                )
            return await self._committed(changes)

    async def remove(self, job_ids: Sequence[str], *, now: datetime) -> list[Change]:
        """Forget jobs that Prefect no longer holds, and what readings say of them that began before."""
        changes: list[Change] = []
        async with self._in_step:
            for job_id in job_ids:
                self._remember(job_id, time.monotonic_ns())
            async with self._database.writing() as connection:
                gone = await self._by_ids(connection, job_ids)
                first = await self._next_versions(connection, len(gone)) if gone else 0
                for version, (job_id, old) in enumerate(gone.items(), first):
                    await connection.execute(delete(jobs).where(jobs.c.slot == old.slot))
                    await connection.execute(delete(deleted_jobs).where(deleted_jobs.c.job_id == job_id))
                    tombstone = {"job_id": job_id, "deleted_at": now, "slot": old.slot, "version": version}
                    await connection.execute(insert(deleted_jobs).values(tombstone))
                    changes.append(Change(version, job_id, None, old.slot))
                expired = deleted_jobs.c.deleted_at < now - TOMBSTONES_KEPT
                floor = (await connection.execute(select(func.max(deleted_jobs.c.version)).where(expired))).scalar()
                if floor is not None:
                    await connection.execute(delete(deleted_jobs).where(expired))
                    await connection.execute(update(clock).where(clock.c.floor < floor).values(floor=floor))
            return await self._committed(changes)

    @staticmethod
    async def _misdrawn(connection: AsyncConnection, known: Sequence[Job]) -> frozenset[str]:
        """Those of these jobs whose texts are not what today's release would write."""
        by_slot = {job.slot: job for job in known}
        found: set[str] = set()
        for start in range(0, len(known), IN_LIST):
            chosen = [job.slot for job in known[start : start + IN_LIST]]
            texts = select(jobs.c.slot, *(jobs.c[name] for name in TEXTS)).where(jobs.c.slot.in_(chosen))
            for slot, *drawn in (await connection.execute(texts)).all():
                wanted = row_of(by_slot[slot])
                if drawn != [wanted[name] for name in TEXTS]:
                    found.add(by_slot[slot].job_id)
        return frozenset(found)

    async def _write(
        self, connection: AsyncConnection, changed: Sequence[tuple[Job | None, Job]], *, whole: bool = False
    ) -> list[Change]:
        """Write new jobs, and what is different in known ones (or the whole of them), each with its own version."""
        if not changed:
            return []
        first = await self._next_versions(connection, len(changed))
        written: list[Job] = []
        new: list[int] = []
        for number, (old, job) in enumerate(changed):
            job = replace(job, version=first + number, slot=old.slot if old else 0)
            written.append(job)
            if old is None:
                new.append(number)
                continue
            before, after = row_of(old), row_of(job)
            values = {name: value for name, value in after.items() if whole or before[name] != value}
            await connection.execute(update(jobs).where(jobs.c.slot == job.slot).values(values))
        if new:
            slots = await connection.execute(
                insert(jobs).returning(jobs.c.slot, sort_by_parameter_order=True),
                [row_of(written[number]) for number in new],
            )
            for number, slot in zip(new, slots.scalars().all(), strict=True):
                written[number] = replace(written[number], slot=slot)
        return [Change(job.version, job.job_id, job, job.slot) for job in written]

    # -- memory follows the database --------------------------------------------------------------------------------

    async def follow(self) -> list[Change]:
        """Take over what others wrote, or this process in a request that ended before memory was told.

        Returns:
            What changed, in version order; nothing when so much did, or so long ago, that everything was read anew
            (``readings`` tells).
        """
        async with self._in_step:
            return await self._catch_up()

    async def _committed(self, changes: list[Change]) -> list[Change]:
        if not changes:
            return []
        if changes[0].version != self.followed + 1:
            # Somebody else wrote meanwhile: his changes come first.
            return await self._catch_up()
        return self._take_over(changes, changes[-1].version)

    async def _catch_up(self) -> list[Change]:
        async with self._database.reading() as connection:
            version, floor = (await connection.execute(select(clock.c.version, clock.c.floor))).one()
            if version == self.followed:
                return []
            if not floor <= self.followed < version or version - self.followed > FOLLOW_LIMIT:
                await self._read_all(connection)
                return []
            changed = select(*JOB_COLUMNS).where(jobs.c.version > self.followed)
            gone = select(deleted_jobs).where(deleted_jobs.c.version > self.followed)
            found = [job_of(row) for row in (await connection.execute(changed)).all()]
            changes = [Change(job.version, job.job_id, job, job.slot) for job in found]
            changes += [
                Change(row.version, row.job_id, None, row.slot) for row in (await connection.execute(gone)).all()
            ]
        # A slot may be given again to a new job, so the order counts.
        return self._take_over(sorted(changes, key=lambda change: change.version), version)

    def _take_over(self, changes: list[Change], version: int) -> list[Change]:
        self._bodies.keep(change.job for change in changes if change.job)
        for change in changes:
            if (job := change.job) is not None:
                after = self._columns.cell_of(job)
                before = self._columns.put(job.slot, after)
                self._texts.put(
                    job.slot,
                    search_text(job),
                    parameter_text(job),
                    ended=job.ended,
                    created_at=self._columns.created_at,
                )
                self._orders.changed(job.slot, before, after)
            elif change.slot is not None:
                before = self._columns.remove(change.slot)
                self._texts.remove(change.slot)
                self._orders.changed(change.slot, before, None)
        self.followed = version
        return changes

    # -- which jobs turned up -------------------------------------------------------------------------------------

    def look_around(self) -> int:
        """Begin to note which jobs readings of Prefect hold. Returns the number to ask ``missing`` with."""
        self._looks += 1
        return self._looks

    async def missing(self, look: int, *, active_only: bool) -> AsyncIterator[list[str]]:
        """Ids, some hundred at a time, of the jobs that no reading has held since: of all, or of the active ones."""
        async for ids in self._ids(self._columns.missing(look, active_only=active_only)):
            yield ids

    async def attempt_starts(self, attempts: Sequence[tuple[str, int]]) -> dict[tuple[str, int], datetime]:
        """When these attempts (job, number) began, those of them that the index knows."""
        wanted, found = set(attempts), dict[tuple[str, int], datetime]()
        ids = [job_id for job_id, _ in attempts]
        query = select(jobs.c.job_id, jobs.c.attempt, jobs.c.started_at)
        async with self._database.reading() as connection:
            for start in range(0, len(ids), IN_LIST):
                rows = await connection.execute(query.where(jobs.c.job_id.in_(ids[start : start + IN_LIST])))
                found.update(((job_id, attempt), began) for job_id, attempt, began in rows if began is not None)
        return {key: began for key, began in found.items() if key in wanted}

    @staticmethod
    async def _next_versions(connection: AsyncConnection, count: int) -> int:
        """Take the next ``count`` versions. Returns the first of them."""
        step = update(clock).values(version=clock.c.version + count).returning(clock.c.version)
        return (await connection.execute(step)).scalar_one() - count + 1

    def _remember(self, job_id: str, read_order: int) -> None:
        self._read_orders[job_id] = read_order
        self._read_orders.move_to_end(job_id)
        if len(self._read_orders) > READ_ORDERS_KEPT:
            self._read_orders.popitem(last=False)

    # -- reading --------------------------------------------------------------------------------------------------

    async def get(self, job_id: str) -> Job | None:
        """One job, or None."""
        async with self._database.reading() as connection:
            return (await self._by_ids(connection, [job_id])).get(job_id)

    async def find(self, conditions: Sequence[Condition], page: Page) -> FoundJobs:
        """One page of the jobs for which all conditions hold, and the counts over all of them."""
        found = await self._find(conditions, page)
        return FoundJobs(await self._jobs_in(found.slots), found.counts, found.exact)

    async def summaries(self, conditions: Sequence[Condition], *, limit: int) -> tuple[int, list[JobSummary]]:
        """How many jobs there are for which all conditions hold, and the newest ``limit`` of them."""
        found = await self._find(conditions, Page(limit, exact=True))
        if found.counts.total > limit:
            return found.counts.total, []
        async with self._database.reading() as connection:
            return found.counts.total, await self._summaries(connection, jobs.c.slot, found.slots.tolist())

    async def summaries_by_id(self, job_ids: Sequence[str]) -> list[JobSummary]:
        """Those jobs of these ids that there are."""
        async with self._database.reading() as connection:
            return await self._summaries(connection, jobs.c.job_id, [clean(job_id) for job_id in job_ids])

    @staticmethod
    async def _summaries(connection: AsyncConnection, key: Column[Any], wanted: Sequence[Any]) -> list[JobSummary]:
        found: list[JobSummary] = []
        names = ("job_id", "status", "state", "deployment_id", "uses_kit", "inside_of")
        query = select(*(jobs.c[name] for name in names))
        for start in range(0, len(wanted), IN_LIST):
            rows = await connection.execute(query.where(key.in_(wanted[start : start + IN_LIST])))
            found += [JobSummary(*row) for row in rows.all()]
        return found

    async def _find(self, conditions: Sequence[Condition], page: Page) -> Found:
        known: dict[Plain, Slots] = {}
        whole = True
        prefixes: dict[Plain, str] = {}
        logged: set[Logged] = set()
        for condition in conditions:
            match plain_of(condition):
                case Logged() as plain:
                    logged.add(plain)
                case IdStarts(prefix) as plain:
                    prefixes[plain] = prefix
                case Contains(text, or_id=True) as plain if len(text) >= ID_PREFIX_LEAST:
                    prefixes[plain] = text
                case _:
                    pass
        if prefixes or logged:
            async with self._database.reading() as connection:
                for plain, prefix in prefixes.items():
                    known[plain] = await self._slots_by_id(connection, prefix)
                    whole &= len(known[plain]) < BY_ID_LIMIT
                for plain, text in prefixes.items():
                    if end := _ID_END.fullmatch(text):
                        known[plain] = np.union1d(known[plain], self._columns.with_id_end(id_end(end[1])))
                others = [condition for condition in conditions if plain_of(condition) not in logged]
                for plain in logged:
                    candidates = await self._search.find(others, Page(self._columns.size, exact=True), known)
                    known[plain], read = await jobs_that_logged(connection, candidates.slots, plain.text)
                    whole &= read
        found = await self._search.find(conditions, page, known)
        return found if whole else replace(found, exact=False)

    @property
    def types(self) -> Sequence[str]:
        """The types of all jobs that there are, or were."""
        return self._columns.types

    def everything(self) -> Counts:
        """The counts over all jobs."""
        return self._search.everything()

    def stats(self) -> Stats:
        """Counts and times over all jobs."""
        columns = self._columns
        waiting = columns.created_at[columns.pending()]
        mean = columns.completed_duration / columns.completed / 1_000_000 if columns.completed else None
        return Stats(self.everything(), mean, from_microseconds(int(waiting.min())) if len(waiting) else None)

    def timeline(self, *, start: datetime, width: timedelta, count: int, job_type: str | None) -> list[Bucket]:
        """What happened in each of ``count`` spans of this width from ``start`` on, by type; empty ones left out."""
        return timeline(
            self._columns,
            start=to_microseconds(start),
            width=width // timedelta(microseconds=1),
            count=count,
            job_type=job_type,
        )

    def durations(self, job_type: str, *, limit: int = 1000) -> list[float]:
        """How many seconds the latest completed jobs of this type took, shortest first."""
        return latest_durations(self._columns, job_type, limit)

    async def latest_completed(self, job_type: str, *, limit: int) -> list[Job]:
        """The latest completed jobs of this type, in any order."""
        return await self._jobs_in(latest_completed(self._columns, job_type, limit))

    async def ids(self, *, active_only: bool) -> AsyncIterator[list[str]]:
        """Ids, some hundred at a time: of all rows, or of the jobs that have not ended."""
        async for ids in self._ids(self._columns.active() if active_only else self._columns.present()):
            yield ids

    async def unproven(self, *, now: datetime) -> AsyncIterator[list[str]]:
        """Ids, some hundred at a time, of the jobs that Prefect calls ended and whose receipt is awaited no longer."""
        async for ids in self._ids(self._columns.unproven(to_microseconds(now))):
            yield ids

    async def running(self) -> AsyncIterator[list[str]]:
        """Ids, some hundred at a time, of the running jobs."""
        async for ids in self._ids(self._columns.running()):
            yield ids

    async def _ids(self, slots: Slots) -> AsyncIterator[list[str]]:
        for start in range(0, len(slots), IN_LIST):
            chosen = slots[start : start + IN_LIST].tolist()
            async with self._database.reading() as connection:
                rows = await connection.execute(select(jobs.c.job_id).where(jobs.c.slot.in_(chosen)))
            yield list(rows.scalars())

    async def changes_after(self, version: int, *, limit: int) -> list[Change] | None:
        """The changes after this version, oldest first, each job once; None when the version is too old or not ours."""
        async with self._database.reading() as connection:
            now, floor = (await connection.execute(select(clock.c.version, clock.c.floor))).one()
            if not floor <= version <= now:
                return None
            changed = (
                select(*JOB_COLUMNS)
                .where(jobs.c.version > version, jobs.c.state != "scheduled")
                .order_by(jobs.c.version)
                .limit(limit)
            )
            gone = (
                select(deleted_jobs)
                .where(deleted_jobs.c.version > version)
                .order_by(deleted_jobs.c.version)
                .limit(limit)
            )
            found = [job_of(row) for row in (await connection.execute(changed)).all()]
            changes = [Change(job.version, job.job_id, job) for job in found]
            changes += [Change(row.version, row.job_id, None) for row in (await connection.execute(gone)).all()]
            return sorted(changes, key=lambda change: change.version)[:limit]

    async def start_over(self) -> int:
        """Let every reader of changes, in whichever process, read everything again. Returns the version."""
        async with self._in_step:
            async with self._database.writing() as connection:
                version = await self._next_versions(connection, 1)
                await connection.execute(update(clock).values(floor=version))
            await self._catch_up()
            return version

    async def version(self) -> int:
        """The version of the latest change."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(clock.c.version))).scalar_one()

    async def events_read_until(self) -> datetime | None:
        """Up to when Prefect's events have been read."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(clock.c.events_read_until))).scalar_one()

    async def set_events_read_until(self, moment: datetime) -> None:
        """Remember up to when Prefect's events have been read."""
        async with self._database.writing() as connection:
            await connection.execute(update(clock).values(events_read_until=moment))

    @staticmethod
    async def _by_ids(connection: AsyncConnection, job_ids: Sequence[str]) -> dict[str, Job]:
        found: dict[str, Job] = {}
        for start in range(0, len(job_ids), IN_LIST):
            chosen = job_ids[start : start + IN_LIST]
            rows = await connection.execute(_BY_IDS, {"ids": chosen})
            found.update((row.job_id, job_of(row)) for row in rows.all())
        return found

    async def _jobs_in(self, slots: Slots) -> list[Job]:
        """The jobs in these slots, in this order; one that went meanwhile is left out."""
        wanted = slots.tolist()
        found = self._bodies.of(wanted)
        if unknown := [slot for slot in wanted if slot not in found]:
            async with self._database.reading() as connection:
                read = await self._by_slots(connection, unknown)
            self._bodies.keep(read)
            found.update((job.slot, job) for job in read)
        return [found[slot] for slot in wanted if slot in found]

    @staticmethod
    async def _by_slots(connection: AsyncConnection, wanted: Sequence[int]) -> list[Job]:
        """The jobs in these slots that there are, in any order."""
        found: list[Job] = []
        for start in range(0, len(wanted), IN_LIST):
            rows = await connection.execute(_BY_SLOTS, {"slots": wanted[start : start + IN_LIST]})
            found += [job_of(row) for row in rows.all()]
        return found

    @staticmethod
    async def _slots_by_id(connection: AsyncConnection, prefix: str) -> Slots:
        # Ids are compared as they are; those that Prefect gives are lower-case. A range and not LIKE: the index of
        # ids serves it on every database.
        spellings = {clean(prefix), clean(prefix).lower()}
        rows = await connection.execute(
            select(jobs.c.slot)
            .where(or_(*(and_(jobs.c.job_id >= text, jobs.c.job_id < text + "\U0010ffff") for text in spellings)))
            .order_by(jobs.c.job_id)
            .limit(BY_ID_LIMIT)
        )
        return np.array(rows.scalars().all(), dtype=np.int32)
