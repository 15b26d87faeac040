"""A database that an older release left behind is brought up to date by opening it, on SQLite and on PostgreSQL."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, NullPool, create_engine, inspect, text

from prefect_jobs.conditions import Contains
from prefect_jobs.databases import DatabaseNotOpened, NewerDatabase, Schema, database_address
from prefect_jobs.events import database as events
from prefect_jobs.events import open_event_store
from prefect_jobs.store import JobIndex, LogStore, Page, database, open_database
from tests.stack import clean_environment

OLD_INDEX = (Path(__file__).parent / "release_0_1_0.sql").read_text()
FAILED = "b0000000-0000-4000-8000-000000000002"
NEWEST_VERSION = 1772612100004

stores = pytest.mark.parametrize("schema", [database.SCHEMA, events.SCHEMA], ids=["index", "events"])


def engine_of(url: str) -> Engine:
    return create_engine(database_address(url, "sync"), poolclass=NullPool)


def run_script(url: str, script: str) -> None:
    """Execute many statements, as an operator would by hand."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            connection.execute(script.encode())
        return
    Path(str(database_address(url, "sync").database)).parent.mkdir(exist_ok=True)
    with engine_of(url).connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.executescript(script)


def upgrade_to(connection: Connection, schema: Schema, revision: str) -> None:
    config = Config(attributes={"connection": connection, "version_table": schema.version_table})
    config.set_main_option("script_location", str(schema.migrations))
    command.upgrade(config, revision)


def shape(connection: Connection, schema: Schema) -> dict[str, Any]:
    """All that the database itself says of its tables, but for the order of columns."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": sorted(
                (str(c["name"]), str(c["type"]), c["nullable"], str(c["default"])[:7])
                for c in inspector.get_columns(table)
            ),
            "key": inspector.get_pk_constraint(table),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "indexes": sorted(
                (str(index["name"]), index["column_names"], index["unique"], _where(index))
                for index in inspector.get_indexes(table)
            ),
            "checks": sorted(map(str, inspector.get_check_constraints(table))),
            "references": sorted(map(str, inspector.get_foreign_keys(table))),
        }
        for table in inspector.get_table_names()
        if table != schema.version_table
    }


def _where(index: Any) -> list[str]:
    return [str(value) for name, value in index.get("dialect_options", {}).items() if name.endswith("_where")]


@stores
def test_a_migrated_database_is_like_a_new_one(schema: Schema, new_database: Callable[[str], str]) -> None:
    """Red here: a table has changed, and no migration says how."""
    old, new = new_database("old"), new_database("new")
    options: dict[str, Any] = {"version_table": schema.version_table}
    run_script(old, "")
    with engine_of(old).begin() as connection:
        upgrade_to(connection, schema, "head")
        migrated = shape(connection, schema)
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), schema.tables)
    run_script(new, "")
    with engine_of(new).begin() as connection:
        schema.bring_up_to_date(connection)
        made = shape(connection, schema)
        assert schema.is_current(connection)
    assert migrated == made
    assert differences == []


@stores
def test_the_first_migration_makes_what_the_first_release_had(
    schema: Schema, new_database: Callable[[str], str]
) -> None:
    url = new_database("first")
    run_script(url, "")
    with engine_of(url).begin() as connection:
        upgrade_to(connection, schema, "0001")
        inspector = inspect(connection)
        made = {table: {column["name"] for column in inspector.get_columns(table)} for table in schema.unversioned}
    assert made == {table: set(columns.split()) for table, columns in schema.unversioned.items()}


@pytest.mark.only_on("sqlite")  # the script is in its dialect, and so was the release
def test_what_the_first_release_wrote_is_what_its_migration_makes(new_database: Callable[[str], str]) -> None:
    written, made = new_database("written"), new_database("made")
    run_script(written, OLD_INDEX)
    run_script(made, "")
    with engine_of(written).connect() as one, engine_of(made).begin() as other:
        upgrade_to(other, database.SCHEMA, "0001")
        assert shape(one, database.SCHEMA) == shape(other, database.SCHEMA)


async def test_an_index_of_the_first_release_keeps_its_jobs_logs_and_versions(database_url: str) -> None:
    run_script(database_url, OLD_INDEX)
    for _ in range(2):
        async with open_database(database_url) as opened:
            index = await JobIndex.open(opened)
            assert await index.version() == NEWEST_VERSION
            found = await index.find([], Page(limit=10))
            assert [job.name for job in found.jobs] == ["late-bee", "quiet-owl", "busy-fox"]
            assert (await index.find([Contains("disk full", or_id=True)], Page(limit=10))).jobs == [found.jobs[1]]
            assert (await index.find([Contains("events.csv", or_id=True)], Page(limit=10))).jobs == [found.jobs[2]]
            job = await index.get(FAILED)
            assert job is not None
            assert (job.attempt, job.parameters, job.created_at) == (
                2,
                {"camera_id": "Front", "days": 3},
                datetime(2026, 3, 4, 8, 13, 20, 2, tzinfo=UTC),
            )
            changes = await index.changes_after(NEWEST_VERSION - 4, limit=10)
            assert changes is not None
            assert [change.version for change in changes] == [NEWEST_VERSION - 3 + n for n in range(4)]
            logs = LogStore(opened)
            lines = await logs.in_order(FAILED, limit=10)
            assert [(line.seq, line.message) for line in lines] == [(1, "begin"), (3, "late"), (2, "disk full")]
            book = await logs.book(FAILED)
            assert (book.lines, book.last_seq, book.by_level["error"], book.by_level["debug"]) == (3, 3, 1, 1)


def test_an_event_store_of_the_first_release_keeps_its_events(events_url: str) -> None:
    run_script(events_url, "")
    with engine_of(events_url).begin() as connection:
        upgrade_to(connection, events.SCHEMA, "0001")
        connection.execute(text(f"DROP TABLE {events.SCHEMA.version_table}"))
        connection.execute(text("INSERT INTO camera (id, name) VALUES ('front', 'Front Door')"))
    for _ in range(2):
        with open_event_store(events_url) as store, store.snapshot() as connection:
            assert connection.execute(text("SELECT name FROM camera")).scalar() == "Front Door"
            assert events.SCHEMA.is_current(connection)


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(database_url: str) -> None:
    async with open_database(database_url):
        pass
    run_script(database_url, f"UPDATE {database.SCHEMA.version_table} SET version_num = '0099'")
    with pytest.raises(NewerDatabase, match=rf"newer release.*'0099'.*up to '{database.SCHEMA.newest}'"):
        async with open_database(database_url):
            pass
    with engine_of(database_url).connect() as connection:
        held = connection.execute(text(f"SELECT version_num FROM {database.SCHEMA.version_table}")).scalars().all()
    assert held == ["0099"]


async def test_tables_of_somebody_else_are_refused_and_left_alone(database_url: str) -> None:
    run_script(database_url, "CREATE TABLE jobs (id INTEGER PRIMARY KEY, title TEXT); CREATE TABLE other (id INTEGER);")
    with pytest.raises(DatabaseNotOpened, match=r"its tables \(jobs\) were not made by a release of prefect-jobs"):
        async with open_database(database_url):
            pass
    with engine_of(database_url).connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"jobs", "other"}


async def test_a_migration_that_fails_has_changed_nothing(database_url: str) -> None:
    # The last thing that the migration makes is there already.
    run_script(database_url, OLD_INDEX)
    with engine_of(database_url).begin() as connection:
        before = shape(connection, database.SCHEMA)
        connection.execute(text("CREATE TABLE ix_sessions_expires_at (id INTEGER)"))
    with pytest.raises(DatabaseNotOpened, match="ix_sessions_expires_at"):
        async with open_database(database_url):
            pass
    with engine_of(database_url).begin() as connection:
        connection.execute(text("DROP TABLE ix_sessions_expires_at"))
        assert shape(connection, database.SCHEMA) == before
    async with open_database(database_url) as opened:
        assert await (await JobIndex.open(opened)).get(FAILED) is not None


OPEN = """
import asyncio, sys
from prefect_jobs.events import open_event_store
from prefect_jobs.store import open_database
async def main():
    async with open_database(sys.argv[1]):
        open_event_store(sys.argv[2]).close()
asyncio.run(main())
"""


@pytest.mark.parametrize("before", ["", OLD_INDEX], ids=["empty", "old"])
def test_processes_that_open_at_once_do_not_collide(before: str, database_url: str, events_url: str) -> None:
    run_script(database_url, before)
    command = [sys.executable, "-c", OPEN, database_url, events_url]
    opening = [subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, text=True) for _ in range(4)]
    complaints = [process.communicate(timeout=100)[1] for process in opening]
    assert complaints == [""] * 4
    with engine_of(database_url).connect() as connection:
        assert database.SCHEMA.is_current(connection)
        assert connection.execute(text("SELECT count(*) FROM clock")).scalar() == 1


def test_opening_what_is_up_to_date_does_not_even_import_alembic(database_url: str, events_url: str) -> None:
    program = OPEN + "assert 'alembic' not in sys.modules"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program, database_url, events_url], env=clean_environment(), check=True)


def test_every_table_is_known_to_the_schema() -> None:
    assert isinstance(database.SCHEMA.tables, MetaData)
    assert {"jobs", "job_logs", "transitions", "bulk_items", "sessions"} <= set(database.SCHEMA.tables.tables)
