"""The tables of release 0.1.0."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite numbers rows by itself only in a column declared exactly INTEGER, and holds instants as ISO text in UTC.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def _newest_first(name: str, *filters: str) -> None:
    kept = sa.text("deleted_at IS NULL")
    op.create_index(name, "event", [*filters, "started_at", "id"], sqlite_where=kept, postgresql_where=kept)


def upgrade() -> None:
    """Make them in an empty database."""
    op.create_table(
        "camera",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("batch_id", sa.String(64), nullable=False),
        sa.Column("camera_id", sa.String(64), nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("risk_score", sa.Integer),
        sa.Column("risk_level", sa.String(16)),
        sa.Column("summary", sa.Text),
        sa.Column("reasoning", sa.Text),
        sa.Column("notes", sa.Text),
        sa.Column("reviewed", sa.Boolean, nullable=False),
        sa.Column("is_fast_path", sa.Boolean, nullable=False),
        sa.Column("object_types", sa.Text),
        sa.Column("clip_path", sa.Text),
        sa.Column("deleted_at", _INSTANT),
        sa.CheckConstraint("risk_score BETWEEN 0 AND 100", name="risk_score_in_range"),
    )
    _newest_first("ix_event_newest")
    _newest_first("ix_event_camera", "camera_id")
    _newest_first("ix_event_risk_level", "risk_level")
    _newest_first("ix_event_reviewed", "reviewed")
    op.create_table(
        "detection",
        sa.Column("id", _ID, primary_key=True),
        sa.Column[int]("event_id", _ID, sa.ForeignKey("event.id"), nullable=False),
        sa.Column("object_type", sa.String(64), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),  # pyright: ignore[reportUnknownArgumentType]  the variant of a type hides it
        sa.Column("detected_at", _INSTANT, nullable=False),
        sa.Column("box_x", sa.Integer, nullable=False),
        sa.Column("box_y", sa.Integer, nullable=False),
        sa.Column("box_width", sa.Integer, nullable=False),
        sa.Column("box_height", sa.Integer, nullable=False),
    )
    op.create_index("ix_detection_event_id", "detection", ["event_id"])
