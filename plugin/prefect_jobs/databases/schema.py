"""A database outlives the release that made it: its tables are brought to where this release wants them, or refused.

The database says in a table of its own which migration it has seen last. Where that is the newest, opening costs two
small questions, and Alembic is not even imported; an empty database gets the tables as they are today. Everything else
runs in one transaction, one process at a time, so that two that start at once do not collide, and one that dies has
changed nothing.

A new migration is a file `NNNN_what.py` in the folder `migrations/versions` of its store; until a release has it, it
grows with the tables. Tests hold a migrated database against a new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, func, insert, inspect, select

from prefect_jobs.databases.address import POSTGRESQL, DatabaseNotOpened

UPGRADE_PATIENCE = 600.0
"""Seconds for which a process waits while another one migrates the database."""
# Any number will do, as long as nobody else takes it for something else in the same PostgreSQL database.
_LOCK = 0x50524A4F42


class NewerDatabase(DatabaseNotOpened):
    """The database was made by a newer release of prefect-jobs."""

    def __init__(self, held: str, newest: str) -> None:
        super().__init__(
            f"the database was made by a newer release of prefect-jobs (its tables are at {held!r}, this release knows "
            f"them up to {newest!r}): use that release, or another database"
        )


@dataclass(frozen=True)
class Schema:
    """The tables of one store, and how an older database gets there."""

    tables: MetaData
    migrations: Path
    """Alembic's folder: `env.py`, and `versions/NNNN_what.py`."""
    version_table: str
    unversioned: Mapping[str, str]
    """The tables of release 0.1.0, which kept no version, with the names of their columns."""

    @cached_property
    def revisions(self) -> tuple[str, ...]:
        """The names of all migrations, oldest first."""
        files = (self.migrations / "versions").glob("[0-9]*.py")
        return tuple(sorted(file.name.partition("_")[0] for file in files))

    @property
    def newest(self) -> str:
        """The migration after which a database is as this release wants it."""
        return self.revisions[-1]

    def is_current(self, connection: Connection) -> bool:
        """Whether nothing is to be done."""
        return self._held(connection) == self.newest

    def bring_up_to_date(self, connection: Connection) -> None:
        """Make or migrate the tables, in the transaction of this connection, which must be one that writes.

        Raises:
            NewerDatabase: a newer release has been here.
            DatabaseNotOpened: there are tables of our names that no release of prefect-jobs made.
        """
        if connection.dialect.name == POSTGRESQL:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        held = self._held(connection)
        if held is None and (held := self._unversioned(connection)) is not None:
            self._stamp(connection, held)
        if held is None:
            self.tables.create_all(connection)
            self._stamp(connection, self.newest)
        elif held not in self.revisions:
            raise NewerDatabase(held, self.newest)
        elif held != self.newest:
            self._migrate(connection)

    @cached_property
    def _version(self) -> Table:
        # As Alembic makes it.
        return Table(self.version_table, MetaData(), Column("version_num", String(32), primary_key=True))

    def _held(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(self.version_table):
            return None
        return connection.execute(select(self._version.c.version_num)).scalar()

    def _stamp(self, connection: Connection, revision: str) -> None:
        self._version.create(connection)
        connection.execute(insert(self._version).values(version_num=revision))

    def _unversioned(self, connection: Connection) -> str | None:
        """The first migration for a database of release 0.1.0, None for one that has nothing of ours."""
        inspector = inspect(connection)
        # Tables of Prefect or others in the same database do not matter, only those of our names; those of 0.1.0 too,
        # as this release may have no use for some of them.
        taken = set(inspector.get_table_names()).intersection({*self.tables.tables, *self.unversioned})
        if not taken:
            return None
        for table, columns in self.unversioned.items():
            if table not in taken or {column["name"] for column in inspector.get_columns(table)} != set(
                columns.split()
            ):
                raise DatabaseNotOpened(
                    f"its tables ({', '.join(sorted(taken))}) were not made by a release of prefect-jobs: "
                    "name another database"
                )
        return self.revisions[0]

    def _migrate(self, connection: Connection) -> None:
        from alembic import command  # costs a tenth of a second, and is hardly ever needed
        from alembic.config import Config

        config = Config(attributes={"connection": connection, "version_table": self.version_table})
        config.set_main_option("script_location", str(self.migrations).replace("%", "%%"))
        command.upgrade(config, "head")
