"""SQLite needs telling: it gives up at once on a lock, and Python's driver opens no transaction for a SELECT, so that
two questions in a row may see different data.

Here every transaction is begun explicitly. A reading one sees the data of one moment; one that will write says so at
its beginning (`BEGIN`) and waits for its turn then: a transaction that only turns to writing later is refused when
somebody else wrote meanwhile, and no patience helps.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, event

from prefect_jobs.databases.address import DatabaseNotOpened
from prefect_jobs.private_files import OpenToOthers, make_database

BEGIN = "prefect_jobs_begin"
"""The execution option that says how a transaction begins: `DEFERRED`, or `IMMEDIATE` when it is to write."""


def make_folder(address: URL) -> None:
    """Make the database's file and its folder, for their owner alone; a file that is there is closed to others.

    Raises:
        DatabaseNotOpened: it has no file: other processes could not see it, and a cancelled query would lose it. Or it
            is open to other users, and belongs to one of them.
        OSError: the folder or the file cannot be made.
    """
    file = address.database or ":memory:"
    if ":memory:" in file or "mode=memory" in file or address.query.get("mode") == "memory":
        raise DatabaseNotOpened("a SQLite database in memory is seen by one process only, name a file")
    if not file.startswith("file:"):
        Path(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            make_database(Path(file))
        except OpenToOthers as error:
            raise DatabaseNotOpened(str(error)) from error


def prepare_sqlite(engine: Engine, *, patience: float, foreign_keys: bool = False) -> None:
    """Set every connection of this engine right; on a lock it waits for ``patience`` seconds."""

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # With WAL no corruption: a power cut may cost the last moment, a process that dies costs nothing.
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(BEGIN, 'DEFERRED')}")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
