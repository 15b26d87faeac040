"""What the engine is told of an event: its record, and what its detections say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from prefect_jobs.events.models import Camera, Detection, Event
from prefect_jobs.events.selection import UNKNOWN_CAMERA


@dataclass(frozen=True)
class Evidence:
    """One event as it is judged. Times are aware."""

    event_id: int
    camera_id: str
    camera_name: str
    started_at: datetime
    ended_at: datetime | None = None
    risk_score: int | None = None
    risk_level: str | None = None
    summary: str | None = None
    reasoning: str | None = None
    is_fast_path: bool = False
    """Whether the analysis took the short way, which gives no reasons."""
    object_types: tuple[str, ...] = ()
    detections: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    def told(self) -> dict[str, Any]:
        """The same for a model, as JSON takes it."""
        return {
            "camera": self.camera_name,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "risk_score": self.risk_score,
            "risk_level": self.risk_level,
            "summary": self.summary,
            "reasoning": self.reasoning,
            "object_types": list(self.object_types),
            "detections": self.detections,
        }


def read_evidence(connection: Connection, event_ids: Sequence[int]) -> list[Evidence]:
    """What is known of these events, in this order; events that are gone are left out."""
    seen = (
        select(
            Detection.event_id,
            func.count().label("detections"),
            func.min(Detection.detected_at).label("first_seen"),
            func.max(Detection.detected_at).label("last_seen"),
        )
        .where(Detection.event_id.in_(event_ids))
        .group_by(Detection.event_id)
        .subquery()
    )
    wanted = (
        select(
            Event.id.label("event_id"),
            Event.camera_id,
            func.coalesce(Camera.name, UNKNOWN_CAMERA).label("camera_name"),
            Event.started_at,
            Event.ended_at,
            Event.risk_score,
            Event.risk_level,
            Event.summary,
            Event.reasoning,
            Event.is_fast_path,
            Event.object_types,
            (func.coalesce(seen.c.detections, 0) + Event.past_detections).label("detections"),
            seen.c.first_seen,
            seen.c.last_seen,
        )
        .outerjoin(Camera, Camera.id == Event.camera_id)
        .outerjoin(seen, seen.c.event_id == Event.id)
        .where(Event.id.in_(event_ids))
    )
    found: dict[int, Evidence] = {}
    for row in connection.execute(wanted).mappings():
        fields: dict[str, Any] = dict(row)
        names = (fields.pop("object_types") or "").split(",")
        objects = tuple(name.strip() for name in names if name.strip())
        found[row["event_id"]] = Evidence(object_types=objects, **fields)
    return [found[event_id] for event_id in event_ids if event_id in found]
