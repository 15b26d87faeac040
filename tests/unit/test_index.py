"""The job index: rows drawn from readings of Prefect, versions that only grow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs.conditions import Condition, OneOf
from prefect_jobs.databases import DatabaseNotOpened
from prefect_jobs.gateway import Progress, Run
from prefect_jobs.gateway.fake import a_run, completed, failed, pending, running
from prefect_jobs.job_states import STATES_BY_STATUS
from prefect_jobs.store import JobIndex, Page, open_database
from prefect_jobs.store.index import TOMBSTONES_KEPT
from prefect_jobs.store.orders import SORTS, Sort

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


async def ids(index: JobIndex, *conditions: Condition, **page: Any) -> list[str]:
    found = await index.find(conditions, replace(Page(limit=100), **page))
    return [job.job_id for job in found.jobs]


async def fill(index: JobIndex, *runs: Run) -> None:
    await index.apply(list(runs), now=NOW)


async def test_a_reading_that_says_nothing_new_changes_nothing(index: JobIndex) -> None:
    run = running(10)
    assert len(await index.apply([run], now=NOW)) == 1
    assert await index.apply([run], now=NOW) == []


async def test_each_change_takes_the_next_version(index: JobIndex) -> None:
    start = await index.version()
    run = pending()
    changes = await index.apply([run, pending()], now=NOW)
    changes += await index.apply([replace(run, state_type="RUNNING", run_count=1, state_id="b")], now=NOW)
    assert [change.version for change in changes] == [start + 1, start + 2, start + 3]
    assert await index.version() == start + 3


async def test_a_reading_that_began_earlier_never_overwrites_a_later_one(index: JobIndex) -> None:
    """Two readings cross: the one that began first saw Running, comes back last, and must not reopen the job."""
    old = replace(running(10), read_order=1)
    new = replace(old, state_type="COMPLETED", ended_at=NOW, read_order=2)
    await index.apply([new], now=NOW)
    assert await index.apply([old], now=NOW) == []
    job = await index.get(old.id)
    assert job is not None
    assert job.status == "completed"


async def test_progress_comes_from_events_and_older_reports_are_dropped(index: JobIndex) -> None:
    run = running()
    await fill(index, run)
    await index.apply_progress([(run.id, Progress(50, "half", 1, at(1)))])
    assert await index.apply_progress([(run.id, Progress(40, "late", 1, at(0.5)))]) == []
    assert await index.apply_progress([(run.id, Progress(90, "of another attempt", 2, at(2)))]) == []
    job = await index.get(run.id)
    assert job is not None
    assert (job.progress, job.message) == (50, "half")


async def test_a_reading_keeps_the_newer_progress_that_an_event_told(index: JobIndex) -> None:
    run = replace(running(), progress=Progress(30, "label", 1, at(0)))
    await fill(index, run)
    await index.apply_progress([(run.id, Progress(50, "event", 1, at(1)))])
    assert await index.apply([replace(run, read_order=1)], now=NOW) == []


async def test_progress_never_reopens_an_ended_job(index: JobIndex) -> None:
    run = completed()
    await fill(index, run)
    assert await index.apply_progress([(run.id, Progress(50, "late", 1, at(9)))]) == []


async def test_the_list_is_newest_first_and_its_pages_do_not_overlap(index: JobIndex) -> None:
    runs = [pending(created_at=at(-minute)) for minute in range(7)] + [pending(created_at=at(-3)) for _ in range(5)]
    await fill(index, *runs)
    pages = [await ids(index, limit=5, offset=offset) for offset in (0, 5, 10, 15)]
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    together = [job_id for page in pages for job_id in page]
    assert len(set(together)) == 12
    assert together[0] == runs[0].id
    assert together == await ids(index)


async def test_cancelled_selects_the_cancelled_and_aborted_among_the_failed(index: JobIndex) -> None:
    cancelled, aborted = a_run("CANCELLED", "Cancelled"), a_run("CANCELLED", "Aborted")
    broken, fine = failed("no"), completed()
    await fill(index, cancelled, aborted, broken, fine)
    wanted: dict[str, set[str]] = {
        "cancelled": {cancelled.id, aborted.id},
        "failed": {cancelled.id, aborted.id, broken.id},
        "completed": {fine.id},
        "running": set(),
    }
    assert {word: set(await ids(index, OneOf("state", STATES_BY_STATUS[word]))) for word in wanted} == wanted


@pytest.mark.parametrize("sort", list(SORTS))
@pytest.mark.parametrize("descending", [True, False])
async def test_every_sort_puts_missing_times_lowest_and_keeps_newest_first_among_equals(
    index: JobIndex, sort: Sort, descending: bool
) -> None:
    runs = [
        pending(created_at=at(1)),
        pending(created_at=at(2), flow="cleanup"),
        running(40, created_at=at(3)),
        running(70, created_at=at(4), started_at=at(8)),
        completed(created_at=at(5), ended_at=at(6)),
        failed("x", created_at=at(6), ended_at=at(9), flow="backup"),
    ]
    await fill(index, *runs)
    found = (await index.find([], Page(sort=sort, descending=descending, limit=100))).jobs

    def key(job: Any) -> tuple[bool, Any]:
        value = getattr(job, sort)
        return value is not None, 0 if value is None else value

    # Python's sort keeps equal elements in their order, reversed or not.
    newest_first = sorted(found, key=lambda job: (job.created_at, job.job_id), reverse=True)
    expected = sorted(newest_first, key=key, reverse=descending)
    assert [job.job_id for job in found] == [job.job_id for job in expected]


async def test_a_run_prepared_by_a_schedule_becomes_a_job_when_it_is_due(index: JobIndex) -> None:
    run = pending(created_at=at(0), scheduled_for=at(10))
    await fill(index, run)
    assert await ids(index) == []
    assert index.stats().counts.by_status == {}
    assert await index.promote_due(now=at(9)) == []
    assert [change.job_id for change in await index.promote_due(now=at(10))] == [run.id]
    assert await ids(index) == [run.id]


async def test_statistics_count_and_average_what_the_contract_says(index: JobIndex) -> None:
    await fill(
        index,
        completed(created_at=at(0), started_at=at(0), ended_at=at(1)),
        completed(created_at=at(0), started_at=at(0), ended_at=at(3)),
        failed("x", created_at=at(0), started_at=at(0), ended_at=at(60)),
        pending(created_at=at(-5), flow="cleanup"),
        pending(created_at=at(-2)),
    )
    stats = index.stats()
    assert stats.counts.by_status == {"pending": 2, "completed": 2, "failed": 1}
    assert list(stats.counts.by_status) == ["pending", "completed", "failed"]
    assert stats.counts.by_type == {"cleanup": 1, "export": 4}
    assert list(stats.counts.by_type) == ["cleanup", "export"]
    assert stats.average_duration_seconds == 120
    assert stats.oldest_pending == at(-5)


async def test_an_empty_index_has_no_average_and_no_oldest_job(index: JobIndex) -> None:
    stats = index.stats()
    assert (stats.counts.by_status, stats.average_duration_seconds, stats.oldest_pending) == ({}, None, None)


async def test_the_changes_since_a_version_hold_each_job_once_and_the_deleted_ones(index: JobIndex) -> None:
    start = await index.version()
    first, second = pending(), pending()
    await fill(index, first, second)
    await fill(index, replace(first, state_type="RUNNING", state_id="2", run_count=1, started_at=NOW))
    await index.remove([second.id], now=NOW)
    changes = await index.changes_after(start, limit=10)
    assert changes is not None
    assert [(change.job_id, change.job is None) for change in changes] == [(first.id, False), (second.id, True)]


async def test_a_version_of_another_index_cannot_be_resumed(index: JobIndex) -> None:
    version = await index.version()
    assert await index.changes_after(version + 1, limit=10) is None
    assert await index.changes_after(version - 1, limit=10) is None
    assert await index.changes_after(version, limit=10) == []


async def test_a_version_from_before_the_forgotten_deletions_cannot_be_resumed(index: JobIndex) -> None:
    start = await index.version()
    run = pending()
    await fill(index, run)
    await index.remove([run.id], now=NOW)
    await index.remove([], now=NOW + TOMBSTONES_KEPT)
    assert await index.changes_after(start, limit=10) is not None
    await index.remove([], now=NOW + TOMBSTONES_KEPT + timedelta(microseconds=1))
    assert await index.changes_after(start, limit=10) is None


async def test_times_survive_the_database_to_the_microsecond(index: JobIndex) -> None:
    exact = datetime(2026, 3, 4, 8, 15, 0, 120345, tzinfo=UTC)
    run = pending(created_at=exact)
    await fill(index, run)
    job = await index.get(run.id)
    assert job is not None
    assert job.created_at == exact


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseNotOpened, match="name a file"):
        async with open_database(url):
            pass
