"""The tables of the event store as an archive holds them: a name, and rows as plain JSON values.

Times are ISO text in UTC, whatever the database makes of them, so an archive of SQLite can be restored into PostgreSQL.
"""

from collections.abc import Generator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, insert, select, type_coerce

from prefect_jobs.events.models import Base
from prefect_jobs.events.times import IsoUtcText, UtcDateTime, read_iso

TABLES: dict[str, Table] = {
    "cameras": Base.metadata.tables["camera"],
    "events": Base.metadata.tables["event"],
    "detections": Base.metadata.tables["detection"],
    "audits": Base.metadata.tables["audit"],
    "evaluations": Base.metadata.tables["evaluation"],
}
"""In an order in which they can be written: what others refer to comes first."""


def rows_of(connection: Connection, name: str, batch: int) -> Generator[list[dict[str, Any]]]:
    """The rows of a table in the order of their keys, in batches; one batch is held at a time."""
    table = TABLES[name]
    columns = [type_coerce(c, IsoUtcText).label(c.name) if isinstance(c.type, UtcDateTime) else c for c in table.c]
    wanted = select(*columns).order_by(table.c.id)
    with connection.execute(wanted, execution_options={"yield_per": batch}) as found:
        for rows in found.mappings().partitions():
            yield [dict(row) for row in rows]


def write_rows(connection: Connection, name: str, rows: list[Mapping[str, Any]]) -> None:
    """Write rows as `rows_of` gives them. Columns that an older archive does not have get their defaults.

    Raises:
        ValueError: a row has a column that there is not, or a time that is none.
    """
    table = TABLES[name]
    moments = [c.name for c in table.c if isinstance(c.type, UtcDateTime)]
    if unknown := {column for row in rows for column in row} - set(table.c.keys()):
        raise ValueError(f"The table {name} has no column {sorted(unknown)[0]}")
    made = [
        {**row, **{column: read_iso(row[column]) for column in moments if row.get(column) is not None}} for row in rows
    ]
    connection.execute(insert(table), made)
