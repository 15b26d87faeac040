"""The job index: what Prefect cannot answer (order by creation, counts, changes since), kept beside it.

Rows are only ever drawn from a reading of Prefect or a progress report of the run itself. Each change of any job takes
the next version, in the same transaction, by one writer: versions therefore become visible in their order.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Row, and_, delete, false, func, insert, not_, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.gateway.runs import Progress, Run
from prefect_jobs.job_states import CANCELLED_STATES, STATUSES
from prefect_jobs.jobs import Job, job_from_run
from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import clock, deleted_jobs, jobs

TOMBSTONES_KEPT = timedelta(hours=24)
READ_ORDERS_KEPT = 100_000
IN_LIST = 500
"""Ids in one query: well below every database's limit of parameters."""

Filter = Literal["pending", "running", "completed", "failed", "cancelled"]
Sort = Literal["created_at", "started_at", "completed_at", "progress", "job_type", "status"]
SORTS: dict[str, Sort] = {name: name for name in get_args(Sort)}


@dataclass(frozen=True, slots=True)
class Change:
    """One job changed, or (``job`` is None) is gone."""

    version: int
    job_id: str
    job: Job | None


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over all jobs, and two times in seconds."""

    by_status: dict[str, int]
    by_type: dict[str, int]
    average_duration_seconds: float | None
    oldest_pending: datetime | None


# What a viewer of the jobs may see; runs that a schedule prepared ahead are no jobs yet.
_IS_JOB = jobs.c.state != "scheduled"


_COLUMNS = [column.name for column in jobs.columns]


def _job(row: Row[Any]) -> Job:
    values = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy's documented name
    percent, message = values.pop("reported_percent"), values.pop("reported_message")
    attempt, at = values.pop("reported_attempt"), values.pop("reported_at")
    return Job(**values, reported=None if at is None else Progress(percent, message, attempt, at))


def _row(job: Job) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in _COLUMNS if not name.startswith("reported_")}
    reported = job.reported
    return values | {
        "parameters": dict(job.parameters),
        "reported_percent": reported.percent if reported else None,
        "reported_message": reported.message if reported else None,
        "reported_attempt": reported.attempt if reported else None,
        "reported_at": reported.at if reported else None,
    }


class JobIndex:
    """All jobs, in the adapter's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_orders: OrderedDict[str, int] = OrderedDict()

    # -- writing --------------------------------------------------------------------------------------------------

    async def apply(self, runs: Sequence[Run], *, now: datetime) -> list[Change]:
        """Make the index say what these readings of Prefect say. Returns what changed, in version order."""
        changes: list[Change] = []
        async with self._database.writing() as connection:
            newest: dict[str, Run] = {}
            for run in sorted(runs, key=lambda run: run.read_order):
                if run.read_order >= self._read_orders.get(run.id, 0):
                    newest[run.id] = run
            known = await self._by_ids(connection, list(newest))
            for run in newest.values():
                self._remember(run.id, run.read_order)
                old = known.get(run.id)
                job = job_from_run(run, now=now, known=old.reported if old else None)
                if old is None or replace(old, version=0) != job:
                    changes.append(await self._write(connection, old, job))
        return changes

    async def apply_progress(self, reports: Iterable[tuple[str, Progress]]) -> list[Change]:
        """Take over what running jobs report. Reports for another attempt, or older than the known one, are dropped."""
        changes: list[Change] = []
        async with self._database.writing() as connection:
            latest = dict(sorted(reports, key=lambda report: report[1].at))
            for job_id, old in (await self._by_ids(connection, list(latest))).items():
                report = latest[job_id]
                stale = old.reported is not None and old.reported.at >= report.at
                if old.status != "running" or report.attempt != old.attempt or stale:
                    continue
                message = old.message if old.state == "aborting" else report.message
                job = replace(old, progress=report.percent, message=message, reported=report)
                changes.append(await self._write(connection, old, job))
        return changes

    async def promote_due(self, *, now: datetime) -> list[Change]:
        """Turn the runs that a schedule prepared and whose time has come into jobs."""
        changes: list[Change] = []
        async with self._database.writing() as connection:
            due = select(jobs).where(jobs.c.state == "scheduled", jobs.c.due_at <= now)
            for row in (await connection.execute(due)).all():
                old = _job(row)
                changes.append(await self._write(connection, old, replace(old, state="pending")))
        return changes

    async def remove(self, job_ids: Sequence[str], *, now: datetime) -> list[Change]:
        """Forget jobs that Prefect no longer holds."""
        changes: list[Change] = []
        async with self._database.writing() as connection:
            for job_id in await self._by_ids(connection, job_ids):
                version = await self._next_version(connection)
                await connection.execute(delete(jobs).where(jobs.c.job_id == job_id))
                await connection.execute(delete(deleted_jobs).where(deleted_jobs.c.job_id == job_id))
                await connection.execute(insert(deleted_jobs).values(job_id=job_id, deleted_at=now, version=version))
                changes.append(Change(version, job_id, None))
            expired = deleted_jobs.c.deleted_at < now - TOMBSTONES_KEPT
            floor = (await connection.execute(select(func.max(deleted_jobs.c.version)).where(expired))).scalar()
            if floor is not None:
                await connection.execute(delete(deleted_jobs).where(expired))
                await connection.execute(update(clock).where(clock.c.floor < floor).values(floor=floor))
        return changes

    async def _write(self, connection: AsyncConnection, old: Job | None, job: Job) -> Change:
        job = replace(job, version=await self._next_version(connection))
        if old is None:
            await connection.execute(insert(jobs).values(_row(job)))
        else:
            before, after = _row(old), _row(job)
            changed = {name: value for name, value in after.items() if before[name] != value}
            await connection.execute(update(jobs).where(jobs.c.job_id == job.job_id).values(changed))
        return Change(job.version, job.job_id, job)

    @staticmethod
    async def _next_version(connection: AsyncConnection) -> int:
        step = update(clock).values(version=clock.c.version + 1).returning(clock.c.version)
        return (await connection.execute(step)).scalar_one()

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

    async def page(
        self,
        *,
        status: Filter | None = None,
        job_type: str | None = None,
        sort: Sort = "created_at",
        descending: bool = True,
        limit: int,
        offset: int,
    ) -> tuple[list[Job], int]:
        """One page of the jobs and how many there are in all. Ties stand newest first, then by id."""
        condition = and_(_IS_JOB, self._has_status(status), true() if job_type is None else jobs.c.job_type == job_type)
        column = jobs.c[sort]
        # A missing time counts as the smallest value.
        nulls = column.is_(None).asc() if descending else column.is_(None).desc()
        order = [column.desc() if descending else column.asc(), jobs.c.created_at.desc(), jobs.c.job_id.desc()]
        if column.nullable:
            order.insert(0, nulls)
        if sort == "created_at":
            order = [jobs.c.created_at.desc(), jobs.c.job_id.desc()] if descending else [jobs.c.created_at.asc()]
            order = order if descending else [*order, jobs.c.job_id.asc()]
        async with self._database.reading() as connection:
            total = (await connection.execute(select(func.count()).select_from(jobs).where(condition))).scalar_one()
            page = select(jobs).where(condition).order_by(*order).limit(limit).offset(offset)
            return [_job(row) for row in (await connection.execute(page)).all()], total

    @staticmethod
    def _has_status(status: Filter | None) -> ColumnElement[bool]:
        if status is None:
            return true()
        if status == "cancelled":
            return jobs.c.state.in_(CANCELLED_STATES)
        return jobs.c.status == status

    async def stats(self) -> Stats:
        """Counts and times over all jobs."""
        duration = (jobs.c.completed_at - jobs.c.started_at).cast(jobs.c.version.type)
        async with self._database.reading() as connection:
            by_status = await connection.execute(
                select(jobs.c.status, func.count()).where(_IS_JOB).group_by(jobs.c.status)
            )
            by_type = await connection.execute(
                select(jobs.c.job_type, func.count()).where(_IS_JOB).group_by(jobs.c.job_type).order_by(jobs.c.job_type)
            )
            average = await connection.execute(
                select(func.avg(duration)).where(
                    jobs.c.status == "completed", not_(or_(jobs.c.started_at.is_(None), jobs.c.completed_at.is_(None)))
                )
            )
            oldest = await connection.execute(
                select(func.min(jobs.c.created_at)).where(_IS_JOB, jobs.c.status == "pending")
            )
            counts = dict(by_status.tuples().all())
            mean = average.scalar()
            return Stats(
                by_status={status: counts[status] for status in STATUSES if status in counts},
                by_type=dict(by_type.tuples().all()),
                average_duration_seconds=None if mean is None else float(mean) / 1_000_000,
                oldest_pending=oldest.scalar(),
            )

    async def ids(self, *, active_only: bool, after: str = "", limit: int = 1000) -> list[str]:
        """Ids in ascending order from behind ``after``: of all rows, or of the jobs that have not ended."""
        active = and_(jobs.c.status.in_(("pending", "running")), _IS_JOB)
        condition = and_(jobs.c.job_id > after, active if active_only else true())
        async with self._database.reading() as connection:
            page = select(jobs.c.job_id).where(condition).order_by(jobs.c.job_id).limit(limit)
            return list((await connection.execute(page)).scalars())

    async def changes_after(self, version: int, *, limit: int) -> list[Change] | None:
        """The changes after this version, oldest first, each job once; None when the version is too old or not ours."""
        async with self._database.reading() as connection:
            now, floor = (await connection.execute(select(clock.c.version, clock.c.floor))).one()
            if not floor <= version <= now:
                return None
            changed = select(jobs).where(jobs.c.version > version, _IS_JOB).order_by(jobs.c.version).limit(limit)
            gone = (
                select(deleted_jobs)
                .where(deleted_jobs.c.version > version)
                .order_by(deleted_jobs.c.version)
                .limit(limit)
            )
            found = [_job(row) for row in (await connection.execute(changed)).all()]
            changes = [Change(job.version, job.job_id, job) for job in found]
            changes += [Change(row.version, row.job_id, None) for row in (await connection.execute(gone)).all()]
            return sorted(changes, key=lambda change: change.version)[:limit]

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
            rows = await connection.execute(select(jobs).where(jobs.c.job_id.in_(chosen) if chosen else false()))
            found.update((row.job_id, _job(row)) for row in rows.all())
        return found
