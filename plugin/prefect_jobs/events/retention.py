"""Old events and detections leave the store in small transactions, so that nobody waits long for a turn to write.

Detections may go before their events do; the event keeps their number. What they took up is told in bytes: on SQLite
those of the pages that became free (the file keeps its size and fills them again), on PostgreSQL those of the rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select, text, tuple_, update

from prefect_jobs.events.database import EventStore
from prefect_jobs.events.models import Audit, Detection, Evaluation, Event

BATCH = 500
"""Events of one transaction."""


@dataclass(frozen=True)
class Removed:
    """What one transaction removed."""

    events: int
    detections: int
    bytes: int


def count_old_events(connection: Connection, before: datetime) -> int:
    """How many events, deleted ones too, started before this time."""
    return connection.execute(select(func.count()).select_from(Event).where(Event.started_at < before)).scalar_one()


def count_old_detections(connection: Connection, before: datetime) -> int:
    """How many detections belong to events that started before this time."""
    found = select(func.count()).select_from(Detection).join(Event).where(Event.started_at < before)
    return connection.execute(found).scalar_one()


def remove_old_events(store: EventStore, before: datetime) -> Iterator[Removed]:
    """Remove the events that started before this time, oldest first, with everything that belongs to them."""
    while True:
        with store.writing() as connection:
            ids = connection.execute(_oldest(before)).scalars().all()
            if not ids:
                return
            with _Space(connection, ids) as space:
                detections = _remove_detections(connection, ids)
                for table in (Audit, Evaluation):
                    connection.execute(delete(table).where(table.event_id.in_(ids)))
                connection.execute(delete(Event).where(Event.id.in_(ids)))
        yield Removed(len(ids), detections, space.bytes)


def remove_old_detections(store: EventStore, before: datetime) -> Iterator[Removed]:
    """Remove the detections of events that started before this time, oldest first; the events keep their number."""
    last: tuple[Any, ...] | None = None
    kept = select(func.count()).where(Detection.event_id == Event.id).correlate(Event).scalar_subquery()
    while True:
        with store.writing() as connection:
            wanted = _oldest(before, Event.started_at).where(exists().where(Detection.event_id == Event.id))
            if last is not None:
                wanted = wanted.where(tuple_(Event.started_at, Event.id) > tuple_(*last))
            rows = connection.execute(wanted).all()
            if not rows:
                return
            ids = [row.id for row in rows]
            with _Space(connection, ids, only_detections=True) as space:
                more = {"past_detections": Event.past_detections + kept}
                connection.execute(update(Event).where(Event.id.in_(ids)).values(more))
                detections = _remove_detections(connection, ids)
            last = (rows[-1].started_at, rows[-1].id)
        yield Removed(0, detections, space.bytes)


def _oldest(before: datetime, *more: Any) -> Select[Any]:
    wanted = select(Event.id, *more).where(Event.started_at < before)
    return wanted.order_by(Event.started_at, Event.id).limit(BATCH)


def _remove_detections(connection: Connection, event_ids: Sequence[int]) -> int:
    return connection.execute(delete(Detection).where(Detection.event_id.in_(event_ids))).rowcount


class _Space:
    """Measures what a transaction sets free."""

    def __init__(self, connection: Connection, event_ids: Sequence[int], *, only_detections: bool = False) -> None:
        self._connection = connection
        self._ids = list(event_ids)
        self._tables = ("detection",) if only_detections else ("detection", "event")
        self.bytes = 0

    def __enter__(self) -> "_Space":
        if self._connection.dialect.name == "sqlite":
            self.bytes = -self._free()
        else:
            for table in self._tables:
                column = "id" if table == "event" else "event_id"
                sql = f"SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM {table} t WHERE {column} = ANY(:ids)"
                self.bytes += int(self._connection.execute(text(sql), {"ids": self._ids}).scalar_one())
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection.dialect.name == "sqlite":
            self.bytes = max(0, self.bytes + self._free())

    def _free(self) -> int:
        pages, size = (
            self._connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_size")
        )
        return pages * size
