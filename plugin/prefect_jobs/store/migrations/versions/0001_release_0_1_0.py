"""The tables of release 0.1.0."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them in an empty database."""
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("job_type", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("progress", sa.Integer, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("result", sa.JSON),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("deployment_id", sa.String(64)),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("uses_kit", sa.Boolean, nullable=False),
        sa.Column("state_id", sa.String(64)),
        sa.Column("reported_percent", sa.Integer),
        sa.Column("reported_message", sa.Text),
        sa.Column("reported_attempt", sa.Integer),
        sa.Column("reported_at", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_index("jobs_newest", "jobs", ["created_at", "job_id"])
    op.create_index("jobs_by_status", "jobs", ["status", "created_at", "job_id"])
    op.create_index("jobs_by_type", "jobs", ["job_type", "created_at", "job_id"])
    op.create_index("jobs_by_state", "jobs", ["state", "created_at", "job_id"])
    op.create_index("jobs_by_version", "jobs", ["version"])
    op.create_table(
        "deleted_jobs",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("deleted_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_deleted_jobs_version", "deleted_jobs", ["version"])
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("floor", sa.BigInteger, nullable=False),
        sa.Column("events_read_until", sa.BigInteger),
    )
    op.create_table(
        "log_lines",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("line_id", sa.String(64), nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.UniqueConstraint("job_id", "line_id", name="log_lines_once"),
    )
    op.create_index("log_lines_in_order", "log_lines", ["job_id", "timestamp", "seq"])
    op.create_table(
        "log_settled",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("completed_at", sa.BigInteger, nullable=False),
    )
