"""A question to the database that takes too long is given up, and the next one is answered."""

import time
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from prefect_jobs.store import QueryTooSlow, StoreUnavailable, open_database
from tests.unit.serving import Client, served

# Counts for minutes.
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'index.db'}"


async def test_a_slow_question_is_given_up_and_its_connection_still_serves(url: str) -> None:
    async with open_database(url, statement_limit=0.05) as database:
        for _ in range(3):
            with pytest.raises(QueryTooSlow, match=r"within 0\.05 s"):
                async with database.reading() as connection:
                    await connection.exec_driver_sql(SLOW)
            async with database.reading() as connection:
                assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1


async def test_each_statement_has_its_own_time(url: str) -> None:
    quick = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n"
    limit = 1.0
    async with open_database(url, statement_limit=limit) as database, database.reading() as connection:
        began = time.monotonic()
        while time.monotonic() - began < 1.5 * limit:
            assert (await connection.exec_driver_sql(quick)).scalar() == 20_000


async def test_a_writer_has_no_limit(url: str) -> None:
    busy = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT count(*) FROM n"
    async with open_database(url, statement_limit=0.000_001) as database, database.writing() as connection:
        assert (await connection.exec_driver_sql(busy)).scalar() == 400_000


async def test_a_mistake_of_ours_stays_one(url: str) -> None:
    async with open_database(url) as database:
        with pytest.raises(OperationalError, match="no such table"):
            async with database.reading() as connection:
                await connection.exec_driver_sql("SELECT * FROM no_such_table")


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("error", "code"), [(QueryTooSlow(5), "QUERY_TIMEOUT"), (StoreUnavailable(), "STORE_UNAVAILABLE")]
)
def test_the_client_hears_503_and_when_to_ask_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def give_up(*_: object) -> None:
        raise error

    monkeypatch.setattr(client.app.state.adapter.feed, "status", give_up)
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["request_id"]
