"""Verify finds whatever the index says otherwise than Prefect, and nothing else; a rebuild mends it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from prefect_jobs.changes import ChangeHub
from prefect_jobs.gateway.fake import FakePrefect, completed, failed, pending, running
from prefect_jobs.gateway.seam import PrefectUnavailable
from prefect_jobs.history import Histories
from prefect_jobs.index_check import NOT_THERE, IndexCheck
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.reading import JobReader
from prefect_jobs.store import HistoryStore, JobIndex, LogStore
from prefect_jobs.store.database import Database
from prefect_jobs.store.row_check import StoredRows
from prefect_jobs.store.tables import jobs

NOW = datetime.now(UTC)
RUNS = [
    pending(created_at=NOW - timedelta(minutes=9)),
    running(40, "half", created_at=NOW - timedelta(minutes=8)),
    completed({"file": "a.csv"}, created_at=NOW - timedelta(minutes=7), ended_at=NOW),
    failed("disk full", created_at=NOW - timedelta(minutes=6), ended_at=NOW),
]


class World:
    """An index of four jobs, and the Prefect it was read from."""

    def __init__(self, database: Database, index: JobIndex) -> None:
        self.prefect = FakePrefect(RUNS)
        self.database = database
        self.index = index
        self.rows = StoredRows(database)

    def reader(self, *, redraw: bool = False) -> JobReader:
        return JobReader(
            self.prefect,
            self.index,
            LogStore(self.database),
            ChangeHub(self.index.followed),
            past=HistoryStore(self.database),
            budget=ReadBudget(1000.0),
            clock=lambda: datetime.now(UTC),
            redraw=redraw,
        )

    async def differences(self) -> list[tuple[str, str, Any, Any]]:
        histories = Histories(self.prefect, HistoryStore(self.database))
        check = IndexCheck(self.prefect, self.rows, histories, pauses=(0.0, 0.0))
        return [(found.job_id, found.field, found.index, found.prefect) async for found in check.differences()]

    async def spoil(self, job_id: str, **values: Any) -> None:
        async with self.database.writing() as connection:
            await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))


@pytest.fixture
async def world(database: Database, index: JobIndex) -> World:
    made = World(database, index)
    await made.reader().sweep(hurried=True)
    return made


async def test_an_index_that_is_right_has_no_difference(world: World) -> None:
    assert await world.differences() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "other"),
        ("state", "crashed"),
        ("progress", 99),
        ("message", None),
        ("result", {"file": "b.csv"}),
        ("completed_at", NOW - timedelta(days=1)),
        ("parameters", {"a": 1}),
        ("search_text", "nothing"),
        ("parameter_text", "nothing"),
    ],
)
async def test_each_field_that_differs_is_named_and_a_rebuild_mends_it(world: World, field: str, value: Any) -> None:
    run = RUNS[2]
    truth = (await world.rows.by_ids([run.id]))[run.id].values[field]
    await world.spoil(run.id, **{field: value})
    assert await world.differences() == [(run.id, field, value, truth)]
    await world.reader(redraw=True).sweep(hurried=True)
    assert await world.differences() == []


async def test_a_job_that_only_one_side_has_is_a_difference(world: World) -> None:
    gone, new = RUNS[0], completed(created_at=NOW)
    world.prefect.delete(gone.id)
    world.prefect.put_silently(new)
    assert sorted(await world.differences()) == sorted(
        [(gone.id, "job_id", gone.id, NOT_THERE), (new.id, "job_id", NOT_THERE, new.id)]
    )
    await world.reader().sweep(hurried=True)
    assert await world.differences() == []


async def test_what_is_only_on_its_way_is_no_difference(world: World) -> None:
    """Prefect moved on after the index was read; the feed brings it while verify looks again."""
    moved = replace(RUNS[1], state_type="COMPLETED", state_name="Completed", state_id="new", ended_at=NOW)
    world.prefect.put(moved)
    check = IndexCheck(world.prefect, world.rows, None, pauses=(0.0, 0.0, 0.2, 0.2))
    comes: list[asyncio.Task[None]] = []

    def told(_count: int) -> None:
        comes.append(asyncio.create_task(world.reader().check([moved.id])))

    assert [difference async for difference in check.differences(told)] == []
    assert check.compared == len(RUNS)
    await asyncio.gather(*comes)


async def test_without_prefect_nothing_is_claimed(world: World) -> None:
    world.prefect.go_down()
    with pytest.raises(PrefectUnavailable):
        await world.differences()


async def test_after_a_rebuild_versions_have_grown_and_older_readers_start_over(world: World) -> None:
    before = await world.index.version()
    await world.reader(redraw=True).sweep(hurried=True)
    await world.index.start_over()
    assert await world.index.version() > before
    assert await world.index.changes_after(before, limit=10) is None
