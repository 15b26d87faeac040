"""Alembic starts here: the connection, and the transaction it is in, are those of `prefect_jobs.databases.schema`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
