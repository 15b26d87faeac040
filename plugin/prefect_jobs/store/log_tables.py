"""The tables of the copied logs: one row a job that says how much is copied, and its lines.

Lines are numbered by log and not by job: a million lines would otherwise carry a million copies of a 36-letter id in
each of three trees. Which attempt a line belongs to is no column: it follows from its time (``attempt_starts``).
"""

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text, UniqueConstraint, literal_column

from prefect_jobs.store.tables import Moment, metadata

NOTABLE = 30
"""Lines of this level (WARNING) and above have an index of their own: it finds one error among a million lines."""

# What is known of one job's log. The counts are kept in the transaction that stores the lines.
job_logs = Table(
    "job_logs",
    metadata,
    Column("log_id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False, unique=True),
    Column("lines", Integer, nullable=False),
    Column("debug", Integer, nullable=False),
    Column("info", Integer, nullable=False),
    Column("warning", Integer, nullable=False),
    Column("error", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("newest", Moment),
    # While the newest lines are stored and older ones are not yet: the lines from `gap_end` on are those newest ones,
    # the missing ones get the numbers from `gap_next` on, and are read by time from `gap_from` to `gap_until`.
    Column("gap_next", Integer),
    Column("gap_end", Integer),
    Column("gap_from", Moment),
    Column("gap_until", Moment),
    # Every line that Prefect held at this time is stored.
    Column("whole_at", Moment),
    # The end time of the job for which its log is whole for good: such a log is never read from Prefect again.
    Column("settled_for", Moment),
    Column("used_at", Moment, nullable=False, index=True),
    # When each attempt began, in microseconds since 1970, as read from Prefect for so many attempts.
    Column("attempt_starts", JSON),
)

job_log_lines = Table(
    "job_log_lines",
    metadata,
    Column("log_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("line_id", String(36), nullable=False),
    Column("timestamp", Moment, nullable=False),
    Column("level", Integer, nullable=False),
    Column("message", Text, nullable=False),
    UniqueConstraint("log_id", "line_id", name="job_log_lines_once"),
    Index("job_log_lines_in_order", "log_id", "timestamp", "seq"),
    Index(
        "job_log_lines_notable",
        "log_id",
        "timestamp",
        "seq",
        sqlite_where=literal_column("level") >= literal_column(str(NOTABLE)),
        postgresql_where=literal_column("level") >= literal_column(str(NOTABLE)),
    ),
    sqlite_with_rowid=False,
)
