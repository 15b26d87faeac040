"""The schemas by which parameters are hidden, as each deployment declared them last.

They must outlive the deployment: its runs stay, and Prefect forgets what it said of their parameters. Nothing else
knows it, so a rebuilt index keeps them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Column, Table, Text, delete, insert, select

from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import metadata

secret_schemas = Table(
    "secret_schemas",
    metadata,
    Column("flow_name", Text, primary_key=True),
    Column("deployment_name", Text, primary_key=True),
    Column("parameter_schema", JSON, nullable=False),
)


class SecretSchemaStore:
    """The schemas with secrets of all flows, shared by all replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, flow_names: Sequence[str]) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Those of these flows, by flow and deployment."""
        query = select(secret_schemas).where(secret_schemas.c.flow_name.in_(flow_names))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {(row.flow_name, row.deployment_name): row.parameter_schema for row in rows}

    async def put(self, flow_name: str, deployment_name: str, schema: Mapping[str, Any] | None) -> None:
        """Keep what a deployment declares; None: it declares no secrets any more."""
        table = secret_schemas.c
        async with self._database.writing() as connection:
            await connection.execute(
                delete(secret_schemas).where(table.flow_name == flow_name, table.deployment_name == deployment_name)
            )
            if schema is not None:
                values = {"flow_name": flow_name, "deployment_name": deployment_name, "parameter_schema": dict(schema)}
                await connection.execute(insert(secret_schemas).values(values))
