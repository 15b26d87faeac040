"""The schemas by which parameters are hidden outlive their deployments."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table; what stands in the index already is hidden by the next look at everything."""
    op.create_table(
        "secret_schemas",
        sa.Column("flow_name", sa.Text, primary_key=True),
        sa.Column("deployment_name", sa.Text, primary_key=True),
        sa.Column("parameter_schema", sa.JSON, nullable=False),
    )
