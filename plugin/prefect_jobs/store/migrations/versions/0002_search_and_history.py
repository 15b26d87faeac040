"""Search in memory needs a number for each job and its text; jobs get a past, operations and sessions are kept."""

import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import sqlalchemy as sa
from alembic import op

from prefect_jobs.clean_text import clean
from prefect_jobs.job_text import parameter_text, search_text
from prefect_jobs.jobs import Job

revision = "0002"
down_revision = "0001"

BATCH = 2_000
_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_OLD_INDEXES = ("jobs_by_status", "jobs_by_type", "jobs_by_state", "jobs_by_version")


def upgrade() -> None:
    """Give the jobs their new table, and make what is new."""
    _renew_jobs()
    _renew_logs()
    op.add_column("deleted_jobs", sa.Column("slot", sa.Integer))
    _make_histories()
    _make_bulk_operations()
    _make_sessions()
    _make_feed_state()


def _renew_jobs() -> None:
    """The key changes, which SQLite cannot do to a table: the jobs move to a new one, oldest first."""
    for name in _OLD_INDEXES:
        op.drop_index(name, "jobs")
    op.rename_table("jobs", "old_jobs")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE old_jobs RENAME CONSTRAINT jobs_pkey TO old_jobs_pkey")
    jobs = op.create_table(
        "jobs",
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", _ID, nullable=False, unique=True),
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
        sa.Column("search_text", sa.Text, nullable=False),
        sa.Column("parameter_text", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_index("jobs_by_version", "jobs", ["version"])
    kept = [column for column in jobs.columns if column.name not in ("slot", "search_text", "parameter_text")]
    old = sa.table("old_jobs", *(sa.column(column.name, column.type) for column in kept))
    for rows in _batches(old):
        op.get_bind().execute(sa.insert(jobs), [_with_texts(row) for row in rows])
    op.drop_table("old_jobs")


def _batches(old: sa.TableClause) -> Iterator[Sequence[sa.Row[Any]]]:
    place = sa.tuple_(old.c.created_at, old.c.job_id)
    query = sa.select(old).order_by(old.c.created_at, old.c.job_id).limit(BATCH)
    rows = op.get_bind().execute(query).all()
    while rows:
        yield rows
        after = sa.tuple_(sa.literal(rows[-1].created_at), sa.literal(rows[-1].job_id))
        rows = op.get_bind().execute(query.where(place > after)).all()


def _with_texts(row: sa.Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy's documented name
    job = cast(Job, SimpleNamespace(**values, state_name=None))  # it has the fields that the texts are made of
    return values | {"search_text": clean(search_text(job)), "parameter_text": clean(parameter_text(job))}


def _renew_logs() -> None:
    """Copies of logs are numbered by log, and counted; each line keeps the number that its readers know."""
    op.create_table(
        "job_logs",
        sa.Column("log_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(64), nullable=False, unique=True),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("lines", "debug", "info", "warning", "error", "last_seq")
        ),
        sa.Column("newest", sa.BigInteger),
        sa.Column("gap_next", sa.Integer),
        sa.Column("gap_end", sa.Integer),
        sa.Column("gap_from", sa.BigInteger),
        sa.Column("gap_until", sa.BigInteger),
        sa.Column("whole_at", sa.BigInteger),
        sa.Column("settled_for", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger, nullable=False),
        sa.Column("attempt_starts", sa.JSON),
    )
    op.create_index("ix_job_logs_used_at", "job_logs", ["used_at"])
    op.create_table(
        "job_log_lines",
        sa.Column("log_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("line_id", sa.String(36), nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.UniqueConstraint("log_id", "line_id", name="job_log_lines_once"),
        sqlite_with_rowid=False,
    )
    place = ["log_id", "timestamp", "seq"]
    notable = sa.text("level >= 30")
    op.create_index("job_log_lines_in_order", "job_log_lines", place)
    op.create_index("job_log_lines_notable", "job_log_lines", place, sqlite_where=notable, postgresql_where=notable)
    now = round(time.time() * 1_000_000)
    op.execute(
        f"""
        INSERT INTO job_logs (job_id, lines, debug, info, warning, error, last_seq, newest, used_at)
        SELECT job_id, count(*), {_counted(0, 20)}, {_counted(20, 30)}, {_counted(30, 40)}, {_counted(40)},
               max(seq), max(timestamp), {now}
        FROM log_lines GROUP BY job_id ORDER BY job_id
        """
    )
    # `attempt` is left behind, it follows from a line's time; and so is that a log is whole: it is read once more, and
    # with it when each attempt began.
    op.execute(
        """
        INSERT INTO job_log_lines (log_id, seq, line_id, timestamp, level, message)
        SELECT log_id, seq, line_id, timestamp, level, message
        FROM log_lines JOIN job_logs ON job_logs.job_id = log_lines.job_id
        ORDER BY log_id, seq
        """
    )
    op.drop_table("log_lines")
    op.drop_table("log_settled")


def _counted(least: int, below: int = 2**31 - 1) -> str:
    return f"sum(CASE WHEN level >= {least} AND level < {below} THEN 1 ELSE 0 END)"


def _make_histories() -> None:
    op.create_table(
        "transitions",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("state_id", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("scheduled_for", sa.BigInteger),
        sa.Column("worker", sa.Text),
    )
    op.create_table(
        "histories",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("state_id", sa.String(64)),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("worker_process", sa.Text),
        sa.Column("queue_name", sa.Text),
        sa.Column("queue_priority", sa.Integer),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("through_api", sa.Boolean, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("by_schedule", sa.Boolean, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
    )
    op.create_table(
        "tracebacks",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("state_id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text),
    )
    op.create_table(
        "actions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("by", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state_id", sa.String(64)),
    )
    op.create_index("actions_of_job", "actions", ["job_id", "id"])


def _make_bulk_operations() -> None:
    op.create_table(
        "bulk_operations",
        sa.Column("operation_id", _ID, primary_key=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("by", sa.Text),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("ix_bulk_operations_state", "bulk_operations", ["state"])
    op.create_table(
        "bulk_items",
        sa.Column("operation_id", _ID, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("begun", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("reason", sa.Text),
    )
    op.create_index("bulk_items_by_outcome", "bulk_items", ["operation_id", "outcome"])


def _make_feed_state() -> None:
    op.create_table(
        "feed_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("holder", sa.Text),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("beaten_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.JSON, nullable=False),
        sa.Column("right_at", sa.BigInteger),
        sa.Column("swept_at", sa.BigInteger),
    )


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
