"""The feed keeps the index true, whatever happens to the events: against the shipped fake."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed, Pace
from prefect_jobs.feed_turn import FeedTurn
from prefect_jobs.gateway import PAGE, START, Bookmark, PrefectUnavailable, Run, RunPage
from prefect_jobs.gateway.fake import FakePrefect, completed, pending, running
from prefect_jobs.jobs import Job
from prefect_jobs.store import FeedLease, JobIndex, LogStore
from prefect_jobs.store.database import Database

NEVER = 1e6
ONLY_EVENTS = Pace(reconcile=NEVER, sweep=NEVER, retry=0.01, second_replay=NEVER, state_retry=0.05)
QUICK = Pace(reconcile=0.01, sweep=NEVER, retry=0.01, second_replay=0.01, state_retry=0.001)


class Stage:
    """A fake Prefect, an index and the feed between them."""

    def __init__(
        self, index: JobIndex, logs: LogStore, version: int, pace: Pace, prefect: FakePrefect | None = None
    ) -> None:
        self.prefect = prefect or FakePrefect()
        self.index = index
        self.hub = ChangeHub(version)
        self.feed = Feed(self.prefect, index, logs, self.hub, pace=pace)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self.feed.run())
        try:
            await self.until(self.is_listening)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def is_listening(self) -> bool:
        return self.feed.status().ready and not self.feed.status().reasons

    @staticmethod
    async def until(holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await holds():
                await asyncio.sleep(0.001)

    async def until_job(self, job_id: str, is_right: Callable[[Job | None], bool]) -> None:
        async def holds() -> bool:
            return is_right(await self.index.get(job_id))

        await self.until(holds)


@pytest.fixture
async def stage(index: JobIndex, logs: LogStore) -> Callable[[Pace], Stage]:
    version = await index.version()
    return lambda pace: Stage(index, logs, version, pace)


def moved(run: Run, state_type: str) -> Run:
    return replace(run, state_type=state_type, state_name=state_type.title(), state_id=None, run_count=1)


async def test_an_event_brings_a_run_into_the_index_and_to_the_listeners(stage: Callable[[Pace], Stage]) -> None:
    on = stage(ONLY_EVENTS)
    async with on.running():
        run = on.prefect.put(pending())
        await on.until_job(run.id, lambda job: job is not None and job.status == "pending")
        on.prefect.put(replace(moved(run, "RUNNING"), started_at=run.created_at))
        await on.until_job(run.id, lambda job: job is not None and job.status == "running")
        on.prefect.report(run.id, 38, "Processing event 400/1000")
        await on.until_job(run.id, lambda job: job is not None and job.progress == 38)
    told = [change.job.status for change in on.hub.after(on.hub.oldest_resumable) or [] if change.job]
    assert told == ["pending", "running", "running"]


async def test_a_state_that_is_not_visible_yet_when_its_event_comes_is_read_again(
    stage: Callable[[Pace], Stage],
) -> None:
    """Prefect sends the event of a state while the state's transaction may still be open for other readers."""
    on = stage(ONLY_EVENTS)
    async with on.running():
        run = on.prefect.put(running())
        await on.until_job(run.id, lambda job: job is not None)
        done = replace(moved(run, "COMPLETED"), state_id="the new state", ended_at=run.created_at)
        asked = on.prefect.requests
        on.prefect.tell_of(done)
        await on.until(lambda: _asked(on.prefect, more_than=asked))
        on.prefect.put_silently(done)
        await on.until_job(run.id, lambda job: job is not None and job.status == "completed")


async def _asked(prefect: FakePrefect, *, more_than: int) -> bool:
    return prefect.requests > more_than


async def test_a_run_whose_events_are_lost_is_found_by_the_next_reading_of_active_runs(
    stage: Callable[[Pace], Stage],
) -> None:
    on = stage(QUICK)
    async with on.running():
        on.prefect.loses_events = True
        run = on.prefect.put(running())
        await on.until_job(run.id, lambda job: job is not None and job.status == "running")
        on.prefect.put(replace(moved(run, "COMPLETED"), ended_at=run.created_at))
        await on.until_job(run.id, lambda job: job is not None and job.status == "completed")


async def test_an_active_run_that_is_deleted_elsewhere_leaves_the_index(stage: Callable[[Pace], Stage]) -> None:
    on = stage(QUICK)
    async with on.running():
        run = on.prefect.put(running())
        await on.until_job(run.id, lambda job: job is not None)
        on.prefect.delete(run.id)
        await on.until_job(run.id, lambda job: job is None)


async def test_a_sweep_finds_ended_runs_that_were_deleted_renamed_or_never_told_of(
    stage: Callable[[Pace], Stage],
) -> None:
    on = stage(ONLY_EVENTS)
    gone, renamed = on.prefect.put(completed()), on.prefect.put(completed(name="old-name"))
    await on.feed.sweep()
    on.prefect.loses_events = True
    on.prefect.delete(gone.id)
    on.prefect.put(replace(renamed, name="new-name"))
    untold = on.prefect.put(completed())
    await on.feed.sweep()
    assert await on.index.get(gone.id) is None
    assert [job.name for job in [await on.index.get(renamed.id)] if job] == ["new-name"]
    assert await on.index.get(untold.id) is not None


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
async def test_no_run_is_missed_at_the_edge_of_a_page(stage: Callable[[Pace], Stage], count: int) -> None:
    on = stage(ONLY_EVENTS)
    for _ in range(count):
        on.prefect.put(running())
    await on.feed.reconcile_active()
    assert on.index.everything().total == count


async def test_the_index_is_complete_once_everything_was_read_and_stays_so_for_the_next_adapter(
    stage: Callable[[Pace], Stage], index: JobIndex, logs: LogStore, database: Database
) -> None:
    """The first reading of a large Prefect takes minutes, and the page showed what was there as if it were all."""
    on = stage(ONLY_EVENTS)
    assert not on.feed.status().complete
    await on.feed.sweep()
    assert on.feed.status().complete

    first, second = (
        FeedTurn(FeedLease(database, name=name), beat_every=1, clock=lambda: datetime.now(UTC)) for name in ("a", "b")
    )
    async with first.held():
        assert not first.was_swept
        await first.swept()
    async with second.held():
        assert second.was_swept


async def test_a_server_that_goes_away_is_reported_and_recovery_is_by_itself(stage: Callable[[Pace], Stage]) -> None:
    on = stage(QUICK)
    async with on.running():
        run = on.prefect.put(running())
        await on.until_job(run.id, lambda job: job is not None)
        on.prefect.go_down()
        await on.until(lambda: _is(on.feed, "down"))
        status = on.feed.status()
        assert not status.ready
        assert status.behind_seconds > 0
        assert "not reachable" in status.reasons[0]
        done = replace(moved(run, "COMPLETED"), ended_at=run.created_at)
        on.prefect.put(done)
        on.prefect.come_back()
        await on.until(on.is_listening)
        await on.until_job(run.id, lambda job: job is not None and job.status == "completed")


async def _is(feed: Feed, prefect: str) -> bool:
    return feed.status().prefect == prefect


async def test_a_server_that_is_silent_for_too_long_counts_as_away(stage: Callable[[Pace], Stage]) -> None:
    """A frozen server refuses nothing: no reading fails, and none comes back."""
    on = stage(replace(QUICK, stale=0.0))
    task = asyncio.create_task(on.feed.run())
    await on.until(lambda: _says(on.feed, "Prefect has not answered for 0 s"))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _says(feed: Feed, reason: str) -> bool:
    status = feed.status()
    return status.prefect == "down" and reason in status.reasons


class Stumbling(FakePrefect):
    """Fails once in a way that is no part of the seam."""

    def __init__(self) -> None:
        super().__init__()
        self.stumbled = False

    async def active_runs(self, *, due_before: datetime, at: Bookmark = START) -> RunPage:
        if not self.stumbled:
            self.stumbled = True
            raise RuntimeError("nobody foresaw this")
        return await super().active_runs(due_before=due_before, at=at)


async def test_a_failure_that_nobody_foresaw_does_not_end_the_feed(
    index: JobIndex, logs: LogStore, caplog: pytest.LogCaptureFixture
) -> None:
    on = Stage(index, logs, await index.version(), QUICK, Stumbling())
    async with on.running():
        run = on.prefect.put(running())
        await on.until_job(run.id, lambda job: job is not None)
    assert "nobody foresaw this" in caplog.text


async def test_before_the_first_reading_the_feed_does_not_claim_to_be_ready(stage: Callable[[Pace], Stage]) -> None:
    status = stage(QUICK).feed.status()
    assert (status.prefect, status.ready) == ("down", False)
    assert "the first reading of all jobs is not finished" in status.reasons


async def test_a_reading_that_fails_leaves_the_jobs_as_they_are(stage: Callable[[Pace], Stage]) -> None:
    """A server that is away must never look like one whose runs were all deleted."""
    on = stage(ONLY_EVENTS)
    run = on.prefect.put(running())
    await on.feed.sweep()
    on.prefect.go_down()
    for reading in (on.feed.sweep, on.feed.reconcile_active):
        with pytest.raises(PrefectUnavailable):
            await reading()
    assert await on.index.get(run.id) is not None


async def test_the_events_told_while_the_adapter_was_away_are_replayed(stage: Callable[[Pace], Stage]) -> None:
    on = stage(replace(ONLY_EVENTS, second_replay=0.01))
    await on.index.set_events_read_until(datetime.now(UTC))
    run = on.prefect.put(completed())
    async with on.running():
        await on.until_job(run.id, lambda job: job is not None and job.status == "completed")
