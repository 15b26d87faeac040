"""A PostgreSQL server is restarted, is away, or refuses us: nobody is told more than he may know, and all recovers."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy import select, text

from prefect_jobs.databases import DatabaseNotOpened
from prefect_jobs.events import open_event_store
from prefect_jobs.gateway.fake import completed, pending
from prefect_jobs.store import JobIndex, QueryTooSlow, StoreUnavailable, open_database
from prefect_jobs.store.database import POOL_KEPT, POOL_MOST, Database
from prefect_jobs.store.tables import clock
from tests.postgres_server import PostgresServer
from tests.stack import eventually, free_port
from tests.unit.serving import served

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


def counted(url: str, query: LiteralString) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


async def read(database: Database) -> int:
    async with database.reading() as connection:
        return (await connection.execute(select(clock.c.version))).scalar_one()


async def test_a_restart_between_two_questions_goes_unnoticed(server: PostgresServer) -> None:
    async with open_database(server.new_database()) as database:
        index = await JobIndex.open(database)
        version = await read(database)
        server.stop()
        server.start()
        assert await read(database) == version
        server.stop()
        server.start()
        assert len(await index.apply([pending(created_at=NOW)], now=NOW)) == 1


def test_a_restart_between_two_exports_goes_unnoticed(server: PostgresServer) -> None:
    with open_event_store(server.new_database()) as store:
        for _ in range(2):
            with store.snapshot() as connection:
                assert connection.execute(text("SELECT count(*) FROM event")).scalar() == 0
            server.stop()
            server.start()


async def test_a_server_that_goes_away_in_the_middle_is_unavailable_and_comes_back(server: PostgresServer) -> None:
    async with open_database(server.new_database()) as database:
        index = await JobIndex.open(database)
        before = await index.version()
        run = pending(created_at=NOW)

        async def stop_while(opened: str) -> None:
            async with getattr(database, opened)() as connection:
                server.stop()
                await connection.execute(select(clock.c.version))

        for opened in ("reading", "writing"):
            with pytest.raises(StoreUnavailable):
                await stop_while(opened)
            with pytest.raises(StoreUnavailable):
                await read(database)
            with pytest.raises(StoreUnavailable):
                await index.apply([run], now=NOW)
            server.start()
        assert await index.version() == before
        assert len(await index.apply([run], now=NOW)) == 1


def test_the_api_answers_503_while_the_server_is_away_and_200_after(
    server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run = completed("well")
    with served(tmp_path, [run], index_url=server.new_database()) as client:
        eventually(lambda: client.get(f"/api/jobs/{run.id}").status_code == 200)
        server.stop()
        # What stands in memory is still told.
        assert [item["job_id"] for item in client.get("/api/jobs").json()["items"]] == [run.id]
        for path in (f"/api/jobs/{run.id}", f"/api/jobs/{run.id}/history", "/api/jobs/search?q=id:123456"):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["error"]["code"] == "STORE_UNAVAILABLE"
            assert answer.json()["error"]["message"] == "The database is not reachable - try again shortly"
        assert client.get("/healthz").status_code == 200
        server.start()
        eventually(lambda: client.get(f"/api/jobs/{run.id}").status_code == 200)
    assert server.password not in caplog.text


async def test_a_slow_question_is_given_up_and_its_connection_still_serves(server: PostgresServer) -> None:
    async with open_database(server.new_database(), statement_limit=0.05) as database:
        for _ in range(3):
            with pytest.raises(QueryTooSlow, match=r"within 0\.05 s"):
                async with database.reading() as connection:
                    await connection.execute(text("SELECT pg_sleep(60)"))
            assert await read(database)
        async with database.writing() as connection:
            await connection.execute(text("SELECT pg_sleep(0.1)"))


async def test_a_reader_cannot_write(server: PostgresServer) -> None:
    async with open_database(server.new_database()) as database:
        with pytest.raises(Exception, match="read-only transaction"):
            async with database.reading() as connection:
                await connection.execute(text("DELETE FROM jobs"))


async def test_a_server_that_is_not_there_is_named_in_a_sentence(server: PostgresServer) -> None:
    nobody = f"postgresql://me:s3cret@127.0.0.1:{free_port()}/jobs"
    with pytest.raises(DatabaseNotOpened, match=r"Connection refused$") as refused:
        async with open_database(nobody):
            pass
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"password": "s3cret"}, "password authentication failed"),
        ({"database": "none"}, 'database "none" does not exist'),
    ],
)
async def test_a_server_that_refuses_us_says_why(
    server: PostgresServer, wrong: dict[str, str], complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url(wrong.get("database", "postgres")).replace(server.password, wrong.get("password", server.password))
    with pytest.raises(DatabaseNotOpened, match=complaint) as refused:
        async with open_database(url):
            pass
    for secret in (server.password, "s3cret"):
        assert secret not in str(refused.value) + caplog.text


async def test_the_url_may_name_any_driver_and_options_of_the_server(server: PostgresServer) -> None:
    plain = server.new_database()
    for url in (plain, plain.replace("postgresql:", "postgres:"), plain.replace("postgresql:", "postgresql+asyncpg:")):
        named = f"{url}?application_name=ours&connect_timeout=3"
        async with open_database(named) as database, database.reading() as connection:
            assert (await connection.execute(text("SHOW application_name"))).scalar() == "ours"


async def test_no_more_connections_are_opened_than_the_limit_says(server: PostgresServer) -> None:
    url = server.new_database()
    async with open_database(url) as database:

        async def ask() -> None:
            async with database.reading() as connection:
                await connection.execute(text("SELECT pg_sleep(0.1)"))

        await asyncio.gather(*(ask() for _ in range(3 * POOL_MOST)))
        still = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'prefect-jobs'"
        eventually(lambda: counted(url, still) == POOL_KEPT)
    ever = counted(url, "SELECT sum(sessions) FROM pg_stat_database WHERE datname = current_database()")
    assert ever <= POOL_MOST + 10  # those that made the tables, and those of this test
