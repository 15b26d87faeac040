"""Two adapters on one database, each with its own way to one Prefect: what each says, and which of them reads."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed, Pace
from prefect_jobs.gateway import START, Bookmark, Run, RunPage
from prefect_jobs.gateway.fake import FakePrefect, completed, running
from prefect_jobs.store import FeedLease, JobIndex, LogStore, StoreUnavailable, open_database
from prefect_jobs.store.database import Database

PACE = Pace(
    reconcile=0.02,
    sweep=1e6,
    retry=0.01,
    second_replay=0.02,
    follow=0.02,
    beat=0.02,
    probe=0.05,
    ask=0.02,
    unable=0.3,
    steady=0.15,
    stale=2.0,
)
LONG_AGO = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


@dataclass
class Replica:
    """One adapter's feed and its way to Prefect."""

    prefect: FakePrefect
    index: JobIndex
    database: Database
    feed: Feed

    @property
    def is_ready(self) -> bool:
        return self.feed.status().ready

    async def knows(self, job_id: str) -> bool:
        return await self.index.get(job_id) is not None

    async def learns_of(self, job_id: str) -> None:
        async with asyncio.timeout(20):
            while not await self.knows(job_id):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def replica(url: str, prefect: FakePrefect, *, pace: Pace = PACE) -> AsyncGenerator[Replica]:
    async with open_database(url) as database:
        index, logs = await JobIndex.open(database), LogStore(database)
        hub = ChangeHub(index.followed)
        feed = Feed(prefect, index, logs, hub, lease=FeedLease(database), pace=pace)
        task = asyncio.create_task(feed.run())
        try:
            yield Replica(prefect, index, database, feed)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool], *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def two(url: str) -> AsyncGenerator[tuple[Replica, Replica]]:
    """The one that holds the feed, and the one that follows; both are ready."""
    prefect = FakePrefect()
    async with AsyncExitStack() as stack:
        holder = await stack.enter_async_context(replica(url, prefect))
        await until(lambda: holder.is_ready and holder.feed.holding)
        follower = await stack.enter_async_context(replica(url, prefect.other_door()))
        await until(lambda: follower.is_ready)
        assert not follower.feed.holding
        yield holder, follower


async def test_a_follower_whose_own_way_to_prefect_is_cut_does_not_repeat_that_the_holder_is_fine(
    database_url: str,
) -> None:
    """It said ready for 53 s, while whoever it was asked to create a job got 503."""
    async with two(database_url) as (holder, follower):
        follower.prefect.go_down()
        await until(lambda: not follower.is_ready)
        status = follower.feed.status()
        assert status.prefect == "down"
        assert "not reachable" in status.reasons[0]
        assert status.behind_seconds == 0  # the holder reads on: what is shown is right
        assert follower.feed.feed_part().up
        assert holder.is_ready
        assert holder.feed.holding

        follower.prefect.come_back()
        await until(lambda: follower.is_ready)
        assert follower.feed.status().reasons == ()


async def test_a_holder_that_cannot_read_prefect_is_relieved_by_a_replica_that_can(database_url: str) -> None:
    async with two(database_url) as (holder, follower):
        holder.prefect.go_down()
        await until(lambda: follower.feed.holding and not holder.feed.holding)
        run = follower.prefect.put(running())
        await follower.learns_of(run.id)
        await until(lambda: follower.is_ready)
        # The other one knows what it is told, and that it cannot reach Prefect itself.
        await until(lambda: holder.feed.feed_part().up)
        assert holder.feed.status().prefect == "down"
        await holder.learns_of(run.id)
        # It is not given back when both can read again.
        holder.prefect.come_back()
        await until(lambda: holder.is_ready)
        await asyncio.sleep(3 * PACE.unable)
        assert follower.feed.holding


async def test_the_feed_stays_where_it_is_while_nobody_can_read_prefect(database_url: str) -> None:
    async with two(database_url) as (holder, follower):
        for one in (holder, follower):
            one.prefect.go_down()
        await until(lambda: not holder.is_ready and not follower.is_ready)
        for _ in range(40):
            await asyncio.sleep(PACE.unable / 10)
            assert (holder.feed.holding, follower.feed.holding) == (True, False)
        for one in (holder, follower):
            one.prefect.come_back()
        await until(lambda: holder.is_ready and follower.is_ready)
        await asyncio.sleep(3 * PACE.steady)
        assert (holder.feed.holding, follower.feed.holding) == (True, False)


async def test_a_follower_says_how_far_behind_the_index_is_when_the_holder_does(database_url: str) -> None:
    async with two(database_url) as (holder, follower):
        for one in (holder, follower):
            one.prefect.go_down()
        await until(lambda: not follower.feed.feed_part().up)
        before = follower.feed.status().behind_seconds
        assert before > 0
        await until(lambda: follower.feed.status().behind_seconds > before)
        assert any("the adapter that holds the feed" in reason for reason in follower.feed.status().reasons)


async def test_the_word_of_a_holder_that_is_not_seen_to_live_counts_for_nothing(database_url: str) -> None:
    """A holder on another machine died while nobody followed; what it had said last was repeated as true."""
    async with open_database(database_url) as database:
        dead = FeedLease(database, name="elsewhere 1 - aaaa")
        said: dict[str, Any] = {"prefect": "up", "behind_seconds": 0.0, "ready": True, "reasons": [], "complete": True}
        async with replica(database_url, FakePrefect(), pace=PACE) as first:
            await until(lambda: first.is_ready)
        assert (await dead.take(now=datetime.now(UTC)))[0]
        assert await dead.beat(said, right_at=None, now=datetime.now(UTC))
        async with replica(database_url, FakePrefect(), pace=PACE) as other:
            await until(lambda: other.feed.prefect_part().up)
            await asyncio.sleep(5 * PACE.ask)
            assert not other.is_ready
            assert any("nothing was heard yet" in reason for reason in other.feed.status().reasons)
            assert await dead.beat(said, right_at=None, now=datetime.now(UTC))
            await until(lambda: other.is_ready)


async def test_after_an_outage_it_is_ready_only_when_what_ended_meanwhile_is_known(database_url: str) -> None:
    """It was ready, zero seconds behind, before the sweep that found three runs that had come and gone."""
    prefect = FakePrefect()
    async with replica(database_url, prefect) as one:
        await until(lambda: one.is_ready)
        for _ in range(3):
            prefect.go_down()
            await until(lambda: not one.is_ready)
            runs = [completed() for _ in range(3)]
            for run in runs:
                prefect.put_silently(run)
            prefect.come_back()
            seen_behind = False
            while not (status := one.feed.status()).ready:
                seen_behind = seen_behind or status.behind_seconds > 0
                assert status.behind_seconds > 0
                await asyncio.sleep(0)
            assert seen_behind
            assert status.behind_seconds == 0
            assert [await one.knows(run.id) for run in runs] == [True] * 3


class BreaksOff(FakePrefect):
    """Goes away in the middle of a sweep, once, when a run has come in front of the place where the sweep is."""

    late: Run | None = None
    pages = -1

    async def all_runs(self, *, at: Bookmark = START) -> RunPage:
        self.pages += 1
        if self.pages == 1 and self.late is None:
            self.late = completed(created_at=LONG_AGO)
            self.put_silently(self.late)
            self.go_down()
        return await super().all_runs(at=at)


async def test_a_sweep_that_an_outage_interrupted_is_not_the_one_that_follows_it(database_url: str) -> None:
    """It goes on where it was, and so has passed by what came in front of that meanwhile."""
    prefect = BreaksOff([completed(created_at=LONG_AGO + timedelta(minutes=number)) for number in range(450)])
    async with replica(database_url, prefect) as one:
        await until(lambda: prefect.late is not None)
        assert not one.is_ready
        prefect.come_back()
        await until(lambda: one.is_ready)
        assert prefect.late is not None
        assert await one.knows(prefect.late.id)


async def test_an_index_database_that_is_away_is_named_and_prefect_is_not_blamed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = FakePrefect()
    async with replica(database_url, prefect) as one:
        await until(lambda: one.is_ready)
        await one.database.prove()
        assert one.database.part().up
        engine = one.database._engine  # pyright: ignore[reportPrivateUsage]

        def refuse() -> None:
            raise StoreUnavailable

        with monkeypatch.context() as patch:
            for name in ("_engine", "_writer"):
                patch.setattr(one.database, name, _Away(refuse))
            await one.database.prove()
            await until(lambda: not one.feed.feed_part().up)
            assert one.database.part().reasons[0].startswith("the index database cannot be read")
            await asyncio.sleep(10 * PACE.probe)
            assert one.feed.prefect_part().up
            assert one.feed.status().prefect == "up"
            assert "The database is not reachable" in one.feed.feed_part().reasons[0]
        assert one.database._engine is engine  # pyright: ignore[reportPrivateUsage]
        await until(lambda: one.is_ready)
        await one.database.prove()
        assert one.database.part().up


@dataclass
class _Away:
    """An engine whose every connection is refused."""

    refuse: Callable[[], None]

    def connect(self) -> None:
        self.refuse()
