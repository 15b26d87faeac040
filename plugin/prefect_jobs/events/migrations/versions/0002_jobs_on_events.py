"""What import, cleanup, audit and re-evaluation keep in the event store."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def _about_an_event(name: str, moment: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", _ID, primary_key=True),
        sa.Column[int]("event_id", _ID, sa.ForeignKey("event.id"), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column(moment, _INSTANT, nullable=False),
        *columns,
        sa.Column("engine", sa.String(200), nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.UniqueConstraint("run_id", "event_id", name=f"one_{name}_of_an_event_in_a_run"),
    )
    op.create_index(f"ix_{name}_event_id", name, ["event_id"])


def upgrade() -> None:
    """Add them."""
    op.add_column("event", sa.Column("past_detections", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.create_index("ix_event_started_at", "event", ["started_at", "id"])
    _about_an_event(
        "audit",
        "audited_at",
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
    )
    _about_an_event(
        "evaluation",
        "evaluated_at",
        sa.Column("old_score", sa.Integer),
        sa.Column("old_level", sa.String(16)),
        sa.Column("new_score", sa.Integer),
        sa.Column("new_level", sa.String(16)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("applied", sa.Boolean, nullable=False),
    )
