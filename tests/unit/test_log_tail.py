"""Every line of a job's log, once and in order, whatever Prefect's paging and its writers do."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.gateway import PAGE, PrefectUnavailable, Run
from prefect_jobs.gateway.fake import FakePrefect, completed, running
from prefect_jobs.jobs import Job
from prefect_jobs.log_tail import SETTLE_AFTER, LogTails, TailPace
from prefect_jobs.store import JobIndex, LogStore

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
QUICK = TailPace(poll=0.01, poll_without_socket=0.01, prove_every=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """A fake Prefect, the stores, and the tails between them."""

    def __init__(self, index: JobIndex, logs: LogStore) -> None:
        self.prefect = FakePrefect()
        self.index = index
        self.logs = logs
        self.clock = Clock()
        self.tails = LogTails(self.prefect, index, logs, pace=QUICK, clock=self.clock)

    async def job(self, run: Run) -> Job:
        self.prefect.put(run)
        await self.index.apply([run], now=NOW)
        job = await self.index.get(run.id)
        assert job is not None
        return job

    async def messages(self, job_id: str) -> list[str]:
        return [line.message for line in await self.logs.in_order(job_id, limit=100_000)]


@pytest.fixture
async def desk(index: JobIndex, logs: LogStore) -> AsyncGenerator[Desk]:
    desk = Desk(index, logs)
    yield desk
    await desk.tails.close()


def at(milliseconds: float) -> datetime:
    return NOW + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 5000])
async def test_a_burst_is_copied_whole_once_and_in_order(desk: Desk, count: int) -> None:
    job = await desk.job(running())
    expected = [f"line {number:05}" for number in range(count)]
    for number, message in enumerate(expected):
        desk.prefect.log(job.job_id, message, timestamp=at(number / 10))
    await desk.tails.catch_up(job)
    await desk.tails.catch_up(job)
    assert await desk.messages(job.job_id) == expected
    assert (await desk.logs.book(job.job_id)).last_seq == count


@pytest.mark.parametrize("count", [PAGE, PAGE + 1, 3 * PAGE])
async def test_more_lines_of_one_instant_than_a_page_holds_are_all_copied(desk: Desk, count: int) -> None:
    """Prefect pages by time without a tie-break: a cursor by time alone would stand still here for ever."""
    job = await desk.job(running())
    for number in range(count):
        desk.prefect.log(job.job_id, f"line {number}", timestamp=NOW)
    desk.prefect.log(job.job_id, "after", timestamp=at(1))
    await desk.tails.catch_up(job)
    assert len(set(await desk.messages(job.job_id))) == count + 1


async def test_a_line_that_arrives_late_takes_its_place_by_time_and_a_number_of_its_own(desk: Desk) -> None:
    job = await desk.job(running())
    desk.prefect.log(job.job_id, "first", timestamp=at(0))
    desk.prefect.log(job.job_id, "third", timestamp=at(20_000))
    await desk.tails.catch_up(job)
    desk.prefect.log(job.job_id, "second, shipped late", timestamp=at(10_000))
    await desk.tails.catch_up(job)
    assert await desk.messages(job.job_id) == ["first", "second, shipped late", "third"]
    assert [line.message for line in await desk.logs.behind(job.job_id, 2, limit=10)] == ["second, shipped late"]


async def test_the_log_of_a_job_long_ended_is_read_once_more_whole_and_then_never_again(desk: Desk) -> None:
    job = await desk.job(completed(created_at=NOW))
    desk.prefect.log(job.job_id, "newest", timestamp=at(100_000))
    await desk.tails.catch_up(job)
    assert (await desk.logs.book(job.job_id)).settled_for is None
    desk.prefect.log(job.job_id, "older than any look back", timestamp=at(0))
    desk.clock.now = NOW + SETTLE_AFTER + timedelta(seconds=1)
    assert (await desk.tails.catch_up(job)).complete
    assert await desk.messages(job.job_id) == ["older than any look back", "newest"]
    asked = desk.prefect.requests
    assert (await desk.tails.catch_up(job)).complete
    assert (await desk.logs.book(job.job_id)).settled_for == job.completed_at
    assert desk.prefect.requests == asked


async def test_a_second_attempt_opens_a_settled_log_again(desk: Desk) -> None:
    job = await desk.job(completed(created_at=NOW))
    desk.clock.now = NOW + SETTLE_AFTER + timedelta(seconds=1)
    await desk.tails.catch_up(job)
    again = replace(job, status="running", state="running", completed_at=None, attempt=2)
    desk.prefect.log(job.job_id, "of the second attempt")
    await desk.tails.catch_up(again)
    assert await desk.messages(job.job_id) == ["of the second attempt"]


async def test_a_server_that_is_away_costs_no_stored_line(desk: Desk) -> None:
    job = await desk.job(running())
    desk.prefect.log(job.job_id, "kept")
    await desk.tails.catch_up(job)
    desk.prefect.go_down()
    assert not (await desk.tails.catch_up(job)).complete
    assert await desk.messages(job.job_id) == ["kept"]
    unread = await desk.job(running())
    with pytest.raises(PrefectUnavailable):
        await desk.tails.catch_up(unread)


async def test_twenty_viewers_of_a_growing_log_each_get_each_line_once(desk: Desk) -> None:
    job = await desk.job(running())
    total = 1000

    async def view() -> list[int]:
        seen: list[int] = []
        async with desk.tails.watch(job.job_id) as watch:
            while len(seen) < total:
                news = watch.mark()
                lines = await desk.logs.behind(job.job_id, seen[-1] if seen else 0, limit=100)
                seen.extend(line.seq for line in lines)
                if not lines:
                    await news.wait()
        return seen

    viewers = [asyncio.create_task(view()) for _ in range(20)]
    for number in range(total):
        desk.prefect.log(job.job_id, f"line {number}", timestamp=at(number))
        if number % 100 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(30):
        seen = await asyncio.gather(*viewers)
    assert all(one == list(range(1, total + 1)) for one in seen)


async def test_when_the_last_viewer_leaves_nothing_is_read_any_more(desk: Desk) -> None:
    job = await desk.job(running())
    async with desk.tails.watch(job.job_id), desk.tails.watch(job.job_id):
        pass
    while desk.tails.news_of(job.job_id) is not None:
        await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if job.job_id in task.get_name()]


async def test_a_viewer_may_watch_a_job_that_nobody_knows(desk: Desk) -> None:
    async with desk.tails.watch("no-such-job"):
        assert await desk.logs.behind("no-such-job", 0, limit=10) == []
