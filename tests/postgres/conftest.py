"""A server of their own for tests that stop it: those of the other tests would feel it."""

from collections.abc import Generator

import pytest

from tests.postgres_server import PostgresServer, running_postgres


@pytest.fixture(scope="module")
def own_postgres(postgres: PostgresServer) -> Generator[PostgresServer]:
    with running_postgres(postgres.programs) as server:
        yield server


@pytest.fixture
def server(own_postgres: PostgresServer) -> Generator[PostgresServer]:
    """A server that the test may stop."""
    yield own_postgres
    if not own_postgres.running:
        own_postgres.start()
