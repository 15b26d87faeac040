"""A job's end is told with its proof and in its author's words, and a scheduled job is dated by when it was due.

The new columns are empty at first: the first sweep reads every run again and fills them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give the jobs their new columns."""
    op.add_column("jobs", sa.Column("receipt", sa.Text))
    op.add_column("jobs", sa.Column("prepared_at", sa.BigInteger))
    op.add_column("jobs", sa.Column("state_name", sa.Text))
    op.add_column("jobs", sa.Column("longest_gap", sa.BigInteger))
    op.add_column("jobs", sa.Column("inside_of", sa.String(64)))
