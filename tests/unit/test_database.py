"""The adapter's database as everything above it may rely on it, on SQLite and on PostgreSQL alike."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from prefect_jobs.gateway.fake import completed, failed, pending, running
from prefect_jobs.gateway.runs import LogLine, Progress
from prefect_jobs.store import JobIndex, LogStore, StoreUnavailable, open_database
from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import clock

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
HOSTILE = "NUL \x00, half of a pair \ud83d, \u2028, a bell \x07"
CLEANED = "NUL \ufffd, half of a pair \ufffd, \u2028, a bell \x07"
ALIKE = 10


@pytest.fixture
async def other(database_url: str, database: Database) -> AsyncGenerator[Database]:
    """The same database, opened once more as another process would."""
    async with open_database(database_url, lock_patience=30) as opened:
        yield opened


async def test_two_writers_never_give_the_same_version_to_two_changes(database: Database, other: Database) -> None:
    """Two adapters that read the same runs at the same time, and some of their own."""
    shared = [pending(created_at=NOW) for _ in range(ALIKE)]
    indexes = [await JobIndex.open(database), await JobIndex.open(other)]
    start = await indexes[0].version()

    async def write(index: JobIndex) -> dict[int, str]:
        told: dict[int, str] = {}
        for run in shared:
            for reading in (
                run,
                replace(run, state_type="RUNNING", state_id="r", run_count=1),
                pending(created_at=NOW),
            ):
                # It also tells what the other one wrote meanwhile.
                told.update((change.version, change.job_id) for change in await index.apply([reading], now=NOW))
        return told

    ours, theirs = await asyncio.gather(*(write(index) for index in indexes))
    for index, told in zip(indexes, (ours, theirs), strict=True):
        told.update((change.version, change.job_id) for change in await index.follow())

    told_twice = ours.keys() & theirs.keys()
    assert {version: ours[version] for version in told_twice} == {version: theirs[version] for version in told_twice}
    assert ours.keys() | theirs.keys() <= set(range(start + 1, await indexes[0].version() + 1))
    changes = await indexes[1].changes_after(start, limit=10_000)
    assert changes is not None
    assert len({change.version for change in changes}) == len({change.job_id for change in changes}) == 3 * ALIKE
    # A job that the other one changed again, before its change could be told, is told once and as it is by then.
    newest = {(change.version, change.job_id) for change in changes}
    assert newest <= ours.items()
    assert newest <= theirs.items()


async def test_two_writers_of_one_log_store_each_line_once_and_no_number_twice(
    database: Database, other: Database
) -> None:
    lines = [LogLine(f"line-{n}", "job", NOW, 20, f"line {n}") for n in range(60)]

    async def copy(store: LogStore) -> int:
        return sum([await store.add("job", lines[n : n + 6]) for n in range(0, 60, 3)])

    stored = await asyncio.gather(copy(LogStore(database)), copy(LogStore(other)))

    assert sum(stored) == 60
    found = await LogStore(other).in_order("job", limit=100)
    assert sorted(line.seq for line in found) == list(range(1, 61))
    assert {line.message for line in found} == {line.message for line in lines}


async def test_a_reader_sees_the_data_of_one_moment(database: Database, other: Database) -> None:
    """Else a page of changes could hold a late one and lack an early one, and its reader would never get that."""
    async with database.reading() as connection:
        before = (await connection.execute(select(clock.c.version))).scalar_one()
        async with other.writing() as writer:
            await writer.execute(update(clock).values(version=before + 7))
        assert (await connection.execute(select(clock.c.version))).scalar_one() == before
    async with database.reading() as connection:
        assert (await connection.execute(select(clock.c.version))).scalar_one() == before + 7


async def test_what_fails_half_way_is_not_written(database: Database) -> None:
    index = await JobIndex.open(database)
    before = await index.version()

    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(update(clock).values(version=before + 7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await index.version() == before


async def test_a_writer_that_waits_too_long_for_its_turn_gives_up(database_url: str, database: Database) -> None:
    async with open_database(database_url, lock_patience=0.05) as impatient, database.writing():
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            async with impatient.writing():
                pass
        assert time.monotonic() - began < 5
    async with database.writing() as connection:
        await connection.execute(update(clock).values(version=clock.c.version + 1))


async def test_a_writer_that_is_cancelled_in_the_line_holds_nobody_up(database: Database, other: Database) -> None:
    index = await JobIndex.open(other)
    async with database.writing():
        waiting = asyncio.create_task(index.apply([pending()], now=NOW))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(10):
        assert len(await index.apply([pending()], now=NOW)) == 1


async def test_hostile_text_in_a_job_is_stored_and_read_back_the_same_each_time(index: JobIndex) -> None:
    runs = [
        completed({HOSTILE: [HOSTILE, float("nan")]}, name=HOSTILE, flow=HOSTILE, parameters={HOSTILE: HOSTILE}),
        completed(float("-inf")),
        failed(HOSTILE),
    ]
    assert len(await index.apply(runs, now=NOW)) == 3
    assert await index.apply(runs, now=NOW) == []
    first, second, third = [await index.get(run.id) for run in runs]
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.name, first.job_type, first.parameters) == (CLEANED, CLEANED, {CLEANED: CLEANED})
    assert first.result == {CLEANED: [CLEANED, "NaN"]}
    assert second.result == "-Infinity"
    assert third.error == CLEANED


async def test_hostile_text_in_progress_is_stored(index: JobIndex) -> None:
    run = running(10)
    await index.apply([run], now=NOW)
    report = Progress.parse({"percent": 50, "message": HOSTILE, "attempt": 1, "at": "2099-01-01T00:00:00Z"})
    assert report is not None
    await index.apply_progress([(run.id, report)])
    job = await index.get(run.id)
    assert job is not None
    assert job.message == CLEANED


async def test_hostile_text_in_a_log_is_stored_and_its_level_may_be_any_number(logs: LogStore) -> None:
    line = LogLine("line-1", "job", NOW, 10**12, HOSTILE)
    assert await logs.add("job", [line]) == 1
    assert await logs.add("job", [line]) == 0
    (found,) = await logs.in_order("job", limit=10)
    assert (found.message, found.level) == (CLEANED, 2**31 - 1)
