"""Each process says of itself whether it does its work, part by part, and never what was true before."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from prefect_jobs.readiness import Part, Proof, Readiness
from prefect_jobs.store import StoreUnavailable, open_database
from tests.stack import eventually
from tests.unit.serving import KEYS, VIEWER, served


def test_a_proof_grows_old_and_a_failure_counts_at_once() -> None:
    now = 100.0
    proof = Proof("Prefect", stale=10, clock=lambda: now)
    assert proof.part() == Part(up=False, reasons=("Prefect has not answered yet",))

    proof.worked()
    assert proof.part() == Part()
    now += 10
    assert proof.part() == Part(up=False, reasons=("Prefect has not answered for 10 s",))

    proof.worked()
    proof.failed("connection refused")
    assert proof.part() == Part(up=False, reasons=("connection refused",))
    proof.worked()
    now += 3
    assert (proof.part().up, proof.steady) == (True, 3)


def test_a_proof_counts_from_when_it_was_asked_for_not_from_when_it_came() -> None:
    now = 100.0
    proof = Proof("Prefect", stale=10, clock=lambda: now)
    now = 109.0
    proof.worked(began=101.0)
    assert proof.age == 8


def test_whoever_knows_of_one_more_part_adds_it() -> None:
    readiness = Readiness()
    readiness.add("disk", lambda: Part(up=False, reasons=("no space left",)))
    assert readiness.parts()["disk"].reasons == ("no space left",)


def test_every_part_is_told_with_its_reason_and_one_that_is_down_is_enough(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        ready = eventually(lambda: answer if (answer := client.get("/readyz")).is_success else None).json()
        assert {ready[name] for name in ("prefect", "index", "feed")} == {"up"}
        assert ready["parts"]["prefect"] == {"status": "up", "reason": None}
        assert (ready["ready"], ready["reasons"], ready["behind_seconds"]) == (True, [], 0)

        client.app.state.adapter.readiness.add("disk", lambda: Part(up=False, reasons=("no space left",)))
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["disk"] == {"status": "down", "reason": "no space left"}
        assert answer.json()["reasons"] == ["no space left"]
        assert 'prefect_jobs_part_up{part="disk"} 0.0' in client.get("/metrics").text
        assert "prefect_jobs_ready 0.0" in client.get("/metrics").text


async def test_a_database_that_can_be_read_and_not_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    async with open_database(f"sqlite:///{path}", lock_patience=0.1) as database:
        await database.prove()
        assert database.part() == Part()
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable):
                async with database.writing():
                    pass
            await database.prove()
            assert database.part().reasons == ("the index database cannot be written: database is locked",)
        await database.prove()
        assert database.part() == Part()


def test_the_reasons_of_parts_are_for_who_may_read(tmp_path: Path) -> None:
    with served(tmp_path, api_keys=KEYS) as client:
        client.app.state.fake.go_down()
        client.app.state.adapter.readiness.add("disk", lambda: Part(up=False, reasons=("/var/lib is full",)))
        assert "/var/lib" not in client.get("/readyz").text
        assert "/var/lib" in client.get("/readyz", headers={"X-API-Key": VIEWER}).text
