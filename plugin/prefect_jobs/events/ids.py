"""Rows whose ids were given, beside rows that the database numbers itself."""

from sqlalchemy import Connection, text


def continue_ids(connection: Connection, table: str, *, least: int = 1) -> None:
    """Let PostgreSQL number the next rows of a table behind the ids that were given, and behind `least`.

    Its own numbering does not notice given ids. SQLite's does, and nothing is done there.
    """
    if connection.dialect.name == "postgresql":
        sql = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(max(id), :least)) FROM {table}"
        connection.execute(text(sql), {"least": least})
