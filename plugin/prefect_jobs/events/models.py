"""What a camera system remembers: cameras, events, the detections an event is made of, and what jobs made of events.

Events outlive their camera (a removed camera reads `Unknown`), so `camera_id` is no foreign key. Removing an event
only sets `deleted_at`. The indexes of `_newest_first` serve the export: each filter, newest first with ties broken by
id; they leave deleted events out, which also lets a count be answered from the index alone.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from prefect_jobs.events.times import UtcDateTime

# SQLite numbers rows by itself only in a column declared exactly INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")


def _newest_first(name: str, *filters: str) -> Index:
    """An index for a filter, in the order of `started_at` and id, without deleted events."""
    kept = text("deleted_at IS NULL")
    return Index(name, *filters, "started_at", "id", sqlite_where=kept, postgresql_where=kept)


class Base(DeclarativeBase):
    """The tables of the event store."""


class Camera(Base):
    """A camera that events come from."""

    __tablename__ = "camera"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))


class Event(Base):
    """Something that happened in front of a camera, and what the analysis made of it."""

    __tablename__ = "event"
    __table_args__: tuple[Any, ...] = (
        CheckConstraint("risk_score BETWEEN 0 AND 100", name="risk_score_in_range"),
        _newest_first("ix_event_newest"),
        _newest_first("ix_event_camera", "camera_id"),
        _newest_first("ix_event_risk_level", "risk_level"),
        _newest_first("ix_event_reviewed", "reviewed"),
        Index("ix_event_started_at", "started_at", "id"),  # deleted ones too: for an import, and for cleaning up
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(64))
    camera_id: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    risk_score: Mapped[int | None]
    risk_level: Mapped[str | None] = mapped_column(String(16))
    summary: Mapped[str | None] = mapped_column(Text)
    reasoning: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(Text)
    reviewed: Mapped[bool] = mapped_column(default=False)
    is_fast_path: Mapped[bool] = mapped_column(default=False)
    object_types: Mapped[str | None] = mapped_column(Text)
    clip_path: Mapped[str | None] = mapped_column(Text)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    past_detections: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Detections that it had and whose records are gone: cleaned up, or not part of the file it was imported from."""


class Detection(Base):
    """One object seen in an event; the box is in pixels of the camera's picture."""

    __tablename__ = "detection"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    object_type: Mapped[str] = mapped_column(String(64))
    confidence: Mapped[float] = mapped_column(Float)
    detected_at: Mapped[datetime] = mapped_column(UtcDateTime)
    box_x: Mapped[int]
    box_y: Mapped[int]
    box_width: Mapped[int]
    box_height: Mapped[int]


class Audit(Base):
    """What one audit found in one event. A job audits an event once, whatever number of attempts it takes."""

    __tablename__ = "audit"
    __table_args__ = (UniqueConstraint("run_id", "event_id", name="one_audit_of_an_event_in_a_run"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    run_id: Mapped[str] = mapped_column(String(36))
    audited_at: Mapped[datetime] = mapped_column(UtcDateTime)
    verdict: Mapped[str] = mapped_column(String(16))
    """`passed`, `flagged`, or `failed` where the audit itself went wrong."""
    findings: Mapped[str] = mapped_column(Text)
    """JSON: an array of objects with `rule` and `text`."""
    engine: Mapped[str] = mapped_column(String(200))
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)


class Evaluation(Base):
    """A score that an event got again, beside the one it had."""

    __tablename__ = "evaluation"
    __table_args__ = (UniqueConstraint("run_id", "event_id", name="one_evaluation_of_an_event_in_a_run"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    run_id: Mapped[str] = mapped_column(String(36))
    evaluated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    old_score: Mapped[int | None]
    old_level: Mapped[str | None] = mapped_column(String(16))
    new_score: Mapped[int | None]
    """None where the evaluation went wrong."""
    new_level: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    engine: Mapped[str] = mapped_column(String(200))
    applied: Mapped[bool]
    """Whether the event was given the new score."""
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
