"""Every test that touches a database of ours can run on either kind: `pytest --database=postgres tests/unit` runs those
again, and no others, on a real PostgreSQL server.

A test asks for the fixture `database_url` (or one that does). What only one kind has is marked: `only_on("sqlite")`.
"""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer, programs, running_postgres

REQUIRED = bool(os.environ.get("CI"))  # read before the tests clear the environment
ON_DATABASES = frozenset({"new_database", "postgres", "stack"})
MISSING = "PostgreSQL's server is not installed (Debian: apt-get install postgresql)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database`."""
    parser.addoption(
        "--database",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="run the tests that touch a database on this one (postgres: run those only)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the chosen database does not concern."""
    chosen = str(config.getoption("--database"))
    left_out: list[pytest.Item] = []
    for item in items:
        marker = item.get_closest_marker("only_on")
        wanted = marker is None or chosen in marker.args
        names: list[str] = getattr(item, "fixturenames", [])
        if chosen == "postgres" and marker is None:
            wanted = not ON_DATABASES.isdisjoint(names)
        if not wanted:
            left_out.append(item)
    if left_out:
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A real server, one for the whole run. Where there is none the test is skipped, but never in CI."""
    found = programs()
    if found is None:
        if REQUIRED:
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with running_postgres(found) as server:
        yield server


@pytest.fixture(scope="session")
def on_postgres(request: pytest.FixtureRequest) -> bool:
    """Whether the tests run on PostgreSQL."""
    return request.config.getoption("--database") == "postgres"


NewDatabase = Callable[[str], str]


@pytest.fixture
def new_database(on_postgres: bool, request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Make the URL of an empty database: `new_database("index")`."""

    def make(name: str) -> str:
        if on_postgres:
            server: PostgresServer = request.getfixturevalue("postgres")
            return server.new_database()
        return f"sqlite:///{tmp_path / 'data' / name}.db"

    return make


@pytest.fixture
def database_url(new_database: NewDatabase) -> str:
    """An empty database for a job index."""
    return new_database("index")


@pytest.fixture
def events_url(new_database: NewDatabase) -> str:
    """An empty database for an event store."""
    return new_database("events")
