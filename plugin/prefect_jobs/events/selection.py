"""Which events an export holds, and in which shape.

One statement joins camera and event and counts the detections; rows come newest first with ties broken by id, straight
out of an index, so the first row costs as little as the last and nothing is sorted or held in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, type_coerce

from prefect_jobs.events.models import Camera, Detection, Event
from prefect_jobs.events.times import IsoUtcText
from prefect_jobs.iso_time import as_utc

UNKNOWN_CAMERA = "Unknown"
ALERTING = ("high", "critical")
"""The risk levels of an alert."""


@dataclass(frozen=True)
class EventSelection:
    """Events that are not deleted and match every condition given; both bounds of `started_at` are inclusive."""

    camera_id: str | None = None
    risk_level: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    reviewed: bool | None = None
    alerts: bool = False
    """Only alerts: events of a high or critical risk."""
    ids: tuple[int, ...] | None = None

    def count(self, connection: Connection) -> int:
        """How many events match."""
        return connection.execute(select(func.count()).select_from(Event).where(*self.conditions())).scalar_one()

    def rows(self, connection: Connection, batch: int) -> Iterator[Sequence[Sequence[Any]]]:
        """The matching events in batches, each event a tuple in the order of `export_file.COLUMNS`.

        Times are ISO 8601 text in UTC. Streams: one batch is held at a time.
        """
        return connection.execute(self.statement(), execution_options={"yield_per": batch}).partitions()

    def statement(self) -> Select[Any]:
        """The one statement behind `rows`."""
        detections = (
            select(func.count()).select_from(Detection).where(Detection.event_id == Event.id).correlate(Event)
        ).scalar_subquery()
        return (
            select(
                Event.id,
                func.coalesce(Camera.name, UNKNOWN_CAMERA),
                type_coerce(Event.started_at, IsoUtcText),
                type_coerce(Event.ended_at, IsoUtcText),
                Event.risk_score,
                Event.risk_level,
                Event.summary,
                detections + Event.past_detections,
                Event.reviewed,
                Event.object_types,
                Event.reasoning,
            )
            .select_from(Event)
            .outerjoin(Camera, Camera.id == Event.camera_id)
            .where(*self.conditions())
            .order_by(Event.started_at.desc(), Event.id.desc())
        )

    def conditions(self) -> list[ColumnElement[bool]]:
        """What an event must be like."""
        conditions: list[ColumnElement[bool]] = [Event.deleted_at.is_(None)]
        if self.camera_id is not None:
            conditions.append(Event.camera_id == self.camera_id)
        if self.risk_level is not None:
            conditions.append(Event.risk_level == self.risk_level)
        if self.ids is not None:
            conditions.append(Event.id.in_(self.ids))
        if self.alerts:
            conditions.append(Event.risk_level.in_(ALERTING))
        if self.start is not None:
            conditions.append(Event.started_at >= as_utc(self.start))
        if self.end is not None:
            conditions.append(Event.started_at <= as_utc(self.end))
        if self.reviewed is not None:
            conditions.append(Event.reviewed == self.reviewed)
        return conditions


def day_before(moment: datetime) -> tuple[datetime, datetime]:
    """First and last microsecond of the UTC day before a moment."""
    today = as_utc(moment).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    return today - timedelta(days=1), today - timedelta(microseconds=1)


def still_there(connection: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the records about events whose event has not been removed meanwhile."""
    ids = {row["event_id"] for row in rows}
    there = set(connection.execute(select(Event.id).where(Event.id.in_(ids))).scalars())
    return [row for row in rows if row["event_id"] in there]
