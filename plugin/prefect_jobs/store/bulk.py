"""Bulk operations: a frozen set of jobs, and what became of each of them. They survive a restart of the adapter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Boolean, Column, Index, Integer, Row, String, Table, Text, delete, func, insert, select, update

from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import Id, Moment, metadata

PREVIEW_VALID = timedelta(minutes=10)
OPERATIONS_KEPT = timedelta(days=7)
_INSERTED_AT_ONCE = 1_000

OperationState = Literal["previewed", "running", "finished", "stopped"]
Outcome = Literal["done", "refused", "failed"]

operations = Table(
    "bulk_operations",
    metadata,
    Column("operation_id", Id, primary_key=True),
    Column("action", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("by", Text),
    Column("total", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
)

items = Table(
    "bulk_items",
    metadata,
    Column("operation_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("job_id", Text, nullable=False),
    # Set before the action is tried: after a crash it may have been done although no outcome was kept.
    Column("begun", Boolean, nullable=False),
    Column("outcome", String(16)),
    Column("reason", Text),
    Index("bulk_items_by_outcome", "operation_id", "outcome"),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One bulk operation. ``by`` is who asked."""

    operation_id: str
    action: str
    state: OperationState
    by: str | None
    total: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One job of an operation. ``outcome`` is None until its turn came; ``reason`` says why it was not done."""

    number: int
    job_id: str
    begun: bool
    outcome: Outcome | None
    reason: str | None


def _operation(row: Row[Any]) -> Operation:
    return Operation(**row._mapping)  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy's documented name


class BulkStore:
    """All bulk operations of the last days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def preview(self, operation: Operation, job_ids: Sequence[str]) -> None:
        """Freeze a set of jobs. Previews that nobody executed in time and old operations go."""
        now = operation.created_at
        async with self._database.writing() as connection:
            expired = (operations.c.state == "previewed") & (operations.c.created_at < now - PREVIEW_VALID)
            old = operations.c.ended_at < now - OPERATIONS_KEPT
            gone = select(operations.c.operation_id).where(expired | old)
            await connection.execute(delete(items).where(items.c.operation_id.in_(gone)))
            await connection.execute(delete(operations).where(expired | old))
            await connection.execute(
                insert(operations).values(
                    operation_id=operation.operation_id,
                    action=operation.action,
                    state=operation.state,
                    by=operation.by,
                    total=operation.total,
                    created_at=now,
                )
            )
            for start in range(0, len(job_ids), _INSERTED_AT_ONCE):
                part = job_ids[start : start + _INSERTED_AT_ONCE]
                await connection.execute(
                    insert(items),
                    [
                        {"operation_id": operation.operation_id, "number": number, "job_id": job_id, "begun": False}
                        for number, job_id in enumerate(part, start)
                    ],
                )

    async def start(self, operation_id: str, *, action: str, by: str | None, now: datetime) -> Operation | None:
        """Let a previewed operation run, as the one who asks. None when there is none, or its time is up.

        One that runs or has run is returned as it is: a repeated request starts nothing twice.
        """
        async with self._database.writing() as connection:
            await connection.execute(
                update(operations)
                .where(
                    operations.c.operation_id == operation_id,
                    operations.c.action == action,
                    operations.c.state == "previewed",
                    operations.c.created_at >= now - PREVIEW_VALID,
                )
                .values(state="running", by=by, started_at=now)
            )
            found = await connection.execute(
                select(operations).where(
                    operations.c.operation_id == operation_id,
                    operations.c.action == action,
                    operations.c.state != "previewed",
                )
            )
            row = found.first()
        return None if row is None else _operation(row)

    async def end(self, operation_id: str, state: Literal["finished", "stopped"], *, now: datetime) -> bool:
        """Note that a running operation is over. False when it is not running."""
        async with self._database.writing() as connection:
            ended = await connection.execute(
                update(operations)
                .where(operations.c.operation_id == operation_id, operations.c.state == "running")
                .values(state=state, ended_at=now)
            )
        return ended.rowcount == 1

    async def get(self, operation_id: str) -> Operation | None:
        """An operation that was started, or None."""
        async with self._database.reading() as connection:
            query = select(operations).where(
                operations.c.operation_id == operation_id, operations.c.state != "previewed"
            )
            row = (await connection.execute(query)).first()
        return None if row is None else _operation(row)

    async def next_running(self) -> Operation | None:
        """The oldest operation that is not over."""
        async with self._database.reading() as connection:
            query = select(operations).where(operations.c.state == "running").order_by(operations.c.started_at).limit(1)
            row = (await connection.execute(query)).first()
        return None if row is None else _operation(row)

    async def take(self, operation_id: str, limit: int) -> list[BulkItem]:
        """The next jobs whose turn it is, noted as begun. None are left when the operation is over."""
        async with self._database.writing() as connection:
            runs = select(operations.c.operation_id).where(
                operations.c.operation_id == operation_id, operations.c.state == "running"
            )
            query = (
                select(items)
                .where(items.c.operation_id.in_(runs), items.c.outcome.is_(None))
                .order_by(items.c.number)
                .limit(limit)
            )
            taken = [
                BulkItem(row.number, row.job_id, row.begun, None, None) for row in (await connection.execute(query))
            ]
            await connection.execute(
                update(items)
                .where(items.c.operation_id == operation_id, items.c.number.in_([item.number for item in taken]))
                .values(begun=True)
            )
        return taken

    async def note(self, operation_id: str, number: int, outcome: Outcome, reason: str | None) -> None:
        """Keep what became of one job."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(items)
                .where(items.c.operation_id == operation_id, items.c.number == number)
                .values(outcome=outcome, reason=reason)
            )

    async def outcomes(self, operation_id: str) -> dict[Outcome, int]:
        """How many jobs of an operation had which outcome so far."""
        async with self._database.reading() as connection:
            query = (
                select(items.c.outcome, func.count())
                .where(items.c.operation_id == operation_id, items.c.outcome.is_not(None))
                .group_by(items.c.outcome)
            )
            return dict((await connection.execute(query)).tuples().all())

    async def items(self, operation_id: str, *, outcome: Outcome | None, offset: int, limit: int) -> list[BulkItem]:
        """Jobs of an operation, in the order they are taken: all, or those with this outcome."""
        query = select(items).where(items.c.operation_id == operation_id)
        if outcome is not None:
            query = query.where(items.c.outcome == outcome)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(items.c.number).offset(offset).limit(limit))
            return [BulkItem(row.number, row.job_id, row.begun, row.outcome, row.reason) for row in rows]
