"""Every line of a job's log, once and in order, whatever Prefect's paging and its writers do."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs import log_tail
from prefect_jobs.gateway import PAGE, PrefectUnavailable, Run, RunState
from prefect_jobs.gateway.fake import FakePrefect, a_run, completed, running
from prefect_jobs.jobs import Job
from prefect_jobs.log_ingest import PAGES_MOST, LogIngest, Retention
from prefect_jobs.log_tail import SETTLE_AFTER, VIEW_PAGE, LogTails, TailPace
from prefect_jobs.store import JobIndex, LineFilter, LogStore, StoredLine

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
QUICK = TailPace(poll=0.01, poll_without_socket=0.01, prove_every=0.0, fill_after=0.01)


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
    total = 2 * VIEW_PAGE

    async def view() -> list[int]:
        seen: list[int] = []
        async with desk.tails.watch(job.job_id) as watch:
            while len(seen) < total:
                news = watch.mark()
                lines = await watch.behind(seen[-1] if seen else 0)
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


async def test_a_hundred_viewers_at_the_same_line_cost_one_look_at_the_store(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each looked for itself, twice for each line: half a second for a hundred tabs with the same log."""
    job = await desk.job(running())
    look, looks = desk.logs.behind, [0]

    async def counted(*given: Any, **options: Any) -> list[StoredLine]:
        looks[0] += 1
        return await look(*given, **options)

    monkeypatch.setattr(desk.logs, "behind", counted)
    async with desk.tails.watch(job.job_id) as watch:
        news = watch.mark()
        assert await asyncio.gather(*(watch.behind(0) for _ in range(100))) == [[]] * 100
        assert looks == [1]
        desk.prefect.log(job.job_id, "the first line", timestamp=at(0))
        await asyncio.wait_for(news.wait(), 10)
        found = await asyncio.gather(*(watch.behind(0) for _ in range(100)))
        assert {line.message for lines in found for line in lines} == {"the first line"}
        assert looks == [2]


async def test_a_look_at_the_store_is_soon_forgotten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another adapter on the same database may have stored a line, of which nobody tells this one."""
    monkeypatch.setattr(log_tail, "SHARED_FOR", 1.0)
    async with desk.tails.watch("no-such-job") as watch:
        first = await watch.behind(0)
        assert await watch.behind(0) is first
        async with asyncio.timeout(10):
            while await watch.behind(0) is first:
                await asyncio.sleep(0.005)


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


# -- long logs ------------------------------------------------------------------------------------------------------


def fill(desk: Desk, job: Job, count: int, *, start: int = 0) -> list[str]:
    """Lines a millisecond apart; their texts."""
    texts = [f"line {number:05}" for number in range(start, start + count)]
    for number, text in enumerate(texts, start):
        desk.prefect.log(job.job_id, text, timestamp=at(number))
    return texts


async def whole(desk: Desk, job: Job) -> None:
    async with asyncio.timeout(30):
        while not (await desk.tails.catch_up(job)).complete:
            await asyncio.sleep(0)


async def test_the_newest_lines_of_a_long_log_are_stored_first_and_the_rest_behind_their_back(desk: Desk) -> None:
    job = await desk.job(running())
    texts = fill(desk, job, 1000)
    reach = await desk.tails.catch_up(job, newest_first=True)
    newest = await desk.logs.in_order(job.job_id, newest_first=True, limit=PAGE)
    assert [line.message for line in newest] == texts[: -PAGE - 1 : -1]
    assert not reach.complete
    await whole(desk, job)
    assert await desk.messages(job.job_id) == texts
    book = await desk.logs.book(job.job_id)
    assert (book.lines, book.gap, book.by_level["info"]) == (1000, None, 1000)


async def test_a_follower_in_front_of_a_gap_gets_every_line_once_and_one_behind_it_only_what_comes(desk: Desk) -> None:
    """A number far ahead, sent early, would take the follower past all lines that get their numbers later."""
    job = await desk.job(running())
    texts = fill(desk, job, 1000)
    await desk.logs.add_newest(job.job_id, await desk.prefect.newest_logs(job.job_id), is_all=False)
    [last] = await desk.logs.in_order(job.job_id, newest_first=True, limit=1)
    assert await desk.logs.behind(job.job_id, 0, limit=10) == []
    await whole(desk, job)
    assert [line.message for line in await desk.logs.behind(job.job_id, 0, limit=2000)] == texts
    assert await desk.logs.behind(job.job_id, last.seq, limit=10) == []
    later = fill(desk, job, 3, start=1000)
    await whole(desk, job)
    assert [line.message for line in await desk.logs.behind(job.job_id, last.seq, limit=10)] == later


async def test_whoever_opens_a_long_log_sees_its_end_while_the_rest_still_waits(desk: Desk) -> None:
    """The rest was copied at once and as fast as it went, while the page and the log's end were on their way."""
    job = await desk.job(completed(created_at=NOW))
    desk.clock.now = NOW + timedelta(hours=1)
    texts = fill(desk, job, 1000)
    tails = LogTails(desk.prefect, desk.index, desk.logs, pace=replace(QUICK, fill_after=3600), clock=desk.clock)
    for _ in range(2):
        assert not (await tails.catch_up(job, newest_first=True)).complete
    assert await desk.messages(job.job_id) == texts[-PAGE:]
    await tails.close()


async def test_an_adapter_that_restarts_in_the_middle_of_a_gap_goes_on_where_it_was(desk: Desk) -> None:
    job = await desk.job(running())
    texts = fill(desk, job, 1000)
    await desk.tails.catch_up(job, newest_first=True)
    await desk.tails.close()
    successor = LogTails(desk.prefect, desk.index, desk.logs, pace=QUICK, clock=desk.clock)
    async with asyncio.timeout(30):
        while not (await successor.catch_up(job)).complete:
            await asyncio.sleep(0)
    await successor.close()
    assert await desk.messages(job.job_id) == texts


async def test_a_line_missing_long_before_the_end_is_found_without_reading_all_again(desk: Desk) -> None:
    job = await desk.job(completed(created_at=NOW))
    texts = fill(desk, job, 4000)
    await whole(desk, job)
    desk.prefect.log(job.job_id, "shipped late", timestamp=at(1000.5))
    desk.prefect.log(job.job_id, "the end", timestamp=at(200_000))
    desk.clock.now = NOW + timedelta(hours=1)
    before = desk.prefect.requests
    assert (await desk.tails.catch_up(job)).complete
    assert await desk.messages(job.job_id) == [*texts[:1001], "shipped late", *texts[1001:], "the end"]
    assert desk.prefect.requests - before < 60


async def test_an_answer_waits_for_a_long_copy_no_longer_than_its_patience(desk: Desk) -> None:
    job = await desk.job(running())
    fill(desk, job, 3000)
    pace = replace(QUICK, patience=0.0, patience_for_tail=0.0)
    tails = LogTails(desk.prefect, desk.index, desk.logs, pace=pace, clock=desk.clock)
    reach = await tails.catch_up(job)
    assert (reach.complete, reach.goes_on) == (False, True)
    await tails.close()


async def test_a_line_belongs_to_the_attempt_that_ran_at_its_time_not_to_the_one_that_runs_when_it_is_copied(
    desk: Desk,
) -> None:
    first = a_run("RUNNING", created_at=NOW)
    job = await desk.job(first)
    desk.prefect.log(job.job_id, "of the first", timestamp=at(10))
    states = [
        RunState("1", "RUNNING", "Running", at(0)),
        RunState("2", "FAILED", "Failed", at(20)),
        RunState("3", "SCHEDULED", "AwaitingRetry", at(30)),
        RunState("4", "RUNNING", "Retrying", at(40)),
    ]
    desk.prefect.recorded(job.job_id, states)
    desk.prefect.log(job.job_id, "of the second", timestamp=at(50))
    await desk.tails.catch_up(replace(job, attempt=2))
    lines = await desk.logs.in_order(job.job_id, limit=10)
    assert [(line.message, line.attempt) for line in lines] == [("of the first", 1), ("of the second", 2)]
    for attempt, text in ((1, "of the first"), (2, "of the second")):
        [line] = await desk.logs.in_order(job.job_id, LineFilter(attempt=attempt), limit=10)
        assert line.message == text
    assert await desk.logs.in_order(job.job_id, LineFilter(attempt=3), limit=10) == []


# -- searching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DISK", ["Disk full", "a disk"]),
        ("100%", ["100% done"]),
        ("_", ["under_score"]),
        ("\\", ["back\\slash"]),
        ("größe", ["GRÖSSE", "Größe"]),
        ("' OR 1=1", []),
    ],
)
async def test_a_text_is_found_in_any_case_and_its_signs_mean_themselves(
    desk: Desk, text: str, found: list[str]
) -> None:
    job = await desk.job(running())
    for number, message in enumerate(
        ["Disk full", "100% done", "100 done", "under_score", "back\\slash", "GRÖSSE", "Größe", "a disk"]
    ):
        desk.prefect.log(job.job_id, message, timestamp=at(number))
    await whole(desk, job)
    lines = await desk.logs.in_order(job.job_id, LineFilter(contains=text), limit=10)
    assert [line.message for line in lines] == found


async def test_a_reader_pages_back_from_the_newest_line_without_a_gap_also_past_late_lines(desk: Desk) -> None:
    job = await desk.job(running())
    fill(desk, job, 500)
    await whole(desk, job)
    desk.prefect.log(job.job_id, "late", timestamp=at(250.5))
    await whole(desk, job)
    seen: list[str] = []
    before: int | None = None
    while page := await desk.logs.in_order(job.job_id, before=before, newest_first=True, limit=70):
        seen += [line.message for line in page]
        before = page[-1].seq
    assert seen[::-1] == await desk.messages(job.job_id)
    assert len(seen) == 501


# -- without a reader -----------------------------------------------------------------------------------------------


async def test_running_jobs_are_copied_before_anybody_asks_and_once_more_after_their_end(desk: Desk) -> None:
    run = desk.prefect.put(running(created_at=NOW))
    await desk.index.apply([run], now=NOW)
    ingest = LogIngest(desk.tails, desk.index, desk.logs, clock=desk.clock)
    desk.prefect.log(run.id, "early", timestamp=at(1))
    await ingest.copy_running()
    assert await desk.messages(run.id) == ["early"]
    ended = desk.prefect.put(completed(id=run.id, created_at=NOW))
    await desk.index.apply([replace(ended, read_order=2)], now=NOW)
    desk.prefect.log(run.id, "last words", timestamp=at(2))
    desk.clock.now = NOW + timedelta(minutes=1)
    await ingest.copy_running()
    assert await desk.messages(run.id) == ["early", "last words"]
    assert (await desk.logs.book(run.id)).settled_for is not None
    asked = desk.prefect.requests
    await ingest.copy_running()
    assert desk.prefect.requests == asked


async def test_a_thousand_silent_jobs_cost_one_question_and_one_that_logs_is_copied(desk: Desk) -> None:
    """Each running job's log was asked for every few seconds, whether it had said anything or not."""
    runs = [desk.prefect.put(running(created_at=NOW)) for _ in range(30)]
    await desk.index.apply(runs, now=NOW)
    ingest = LogIngest(desk.tails, desk.index, desk.logs, clock=desk.clock)
    await ingest.copy_running()
    asked = desk.prefect.requests
    await ingest.copy_running()
    assert desk.prefect.requests == asked + 1
    desk.prefect.log(runs[3].id, "a word", timestamp=NOW - timedelta(seconds=1))
    await ingest.copy_running()
    assert await desk.messages(runs[3].id) == ["a word"]
    assert desk.prefect.requests == asked + 3
    await ingest.copy_running()
    assert desk.prefect.requests == asked + 4


async def test_where_too_many_lines_come_to_tell_who_logged_every_running_job_is_asked(desk: Desk) -> None:
    loud, quiet = (desk.prefect.put(running(created_at=NOW)) for _ in range(2))
    await desk.index.apply([loud, quiet], now=NOW)
    ingest = LogIngest(desk.tails, desk.index, desk.logs, clock=desk.clock)
    await ingest.copy_running()
    for number in range(PAGE * PAGES_MOST):
        desk.prefect.log(loud.id, str(number), timestamp=at(number / 1000))
    desk.prefect.log(quiet.id, "at last", timestamp=at(3600))
    await ingest.copy_running()
    assert await desk.messages(quiet.id) == ["at last"]
    assert len(await desk.messages(loud.id)) == PAGE * PAGES_MOST


async def test_a_log_that_nobody_looks_at_is_dropped_and_copied_again_when_somebody_does(desk: Desk) -> None:
    job = await desk.job(completed(created_at=NOW))
    desk.prefect.log(job.job_id, "kept by Prefect", timestamp=at(1))
    desk.clock.now = NOW + timedelta(minutes=1)
    await whole(desk, job)
    ingest = LogIngest(desk.tails, desk.index, desk.logs, clock=desk.clock)
    desk.clock.now = NOW + timedelta(days=29)
    await ingest.drop_expired()
    assert (await desk.logs.book(job.job_id)).lines == 1
    desk.clock.now = NOW + timedelta(days=31)
    await ingest.drop_expired()
    assert (await desk.logs.book(job.job_id)).lines == 0
    await whole(desk, job)
    assert await desk.messages(job.job_id) == ["kept by Prefect"]


async def test_beyond_the_number_of_lines_to_keep_the_longest_unused_logs_go_first(desk: Desk) -> None:
    jobs = [await desk.job(completed(created_at=NOW)) for _ in range(3)]
    for number, job in enumerate(jobs):
        fill(desk, job, 10)
        desk.clock.now = NOW + timedelta(hours=1 + number)
        await whole(desk, job)
    ingest = LogIngest(desk.tails, desk.index, desk.logs, retention=Retention(lines=20), clock=desk.clock)
    await ingest.drop_expired()
    assert [(await desk.logs.book(job.job_id)).lines for job in jobs] == [0, 10, 10]
