"""However many logs are watched, one subscription at Prefect tells of their lines."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import pytest

from prefect_jobs import log_wakeups
from prefect_jobs.changes import ChangeHub
from prefect_jobs.gateway.fake import LOG_BACKLOG, FakePrefect, completed, running
from prefect_jobs.log_tail import LogTails, TailPace
from prefect_jobs.log_wakeups import LogWakeups
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.store import JobIndex, LogStore

NEVER = 1e6
BY_NEWS_ONLY = TailPace(poll=NEVER, poll_without_socket=NEVER, prove_every=NEVER, breath=0.0)
"""Nothing is read by the clock: what is read was announced."""
AT_ONCE = {"settle": 0.0, "renew_every": 0.0, "retry": 0.01}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.002)


class Counted(FakePrefect):
    """Counts how many subscriptions to log lines were open at one time."""

    asked = 0
    most = 0
    opened = 0
    refuses = False

    @asynccontextmanager
    async def log_wakeups(self, *run_ids: str) -> AsyncGenerator[AsyncIterator[str]]:
        self.asked += 1
        if self.refuses:
            raise ConnectionRefusedError
        async with super().log_wakeups(*run_ids) as announced:
            self.opened += 1
            self.most = max(self.most, len(self.log_subscriptions))
            yield announced


class Listeners:
    """Who listens to which log, and how often each was woken."""

    def __init__(self, prefect: FakePrefect) -> None:
        self.wakeups = LogWakeups(prefect, **AT_ONCE)
        self.woken: dict[str, int] = {}

    @contextmanager
    def to(self, job_id: str) -> Generator[None]:
        self.woken[job_id] = 0

        def wake() -> None:
            self.woken[job_id] += 1

        self.wakeups.add(job_id, wake)
        try:
            yield
        finally:
            self.wakeups.drop(job_id)


async def test_three_hundred_watched_logs_are_one_subscription_and_each_hears_of_its_own_lines() -> None:
    """Each held a socket of its own: with 110 the embedded server answered nobody any more."""
    prefect = Counted()
    listeners = Listeners(prefect)
    jobs = [str(number) for number in range(300)]
    with ExitStack() as stack:
        for job_id in jobs:
            stack.enter_context(listeners.to(job_id))
        await until(lambda: all(map(listeners.wakeups.hears, jobs)))
        assert len(prefect.log_subscriptions) == 1
        for job_id in jobs:
            before = dict(listeners.woken)
            prefect.log(job_id, "a line")
            await until(lambda job_id=job_id, before=before: listeners.woken[job_id] > before[job_id])
            assert [other for other in jobs if listeners.woken[other] > before[other]] == [job_id]
    assert prefect.most <= 2  # the next one listens before the one before ends
    await until(lambda: not prefect.log_subscriptions)
    await listeners.wakeups.close()


async def test_a_subscription_that_is_lost_is_made_anew_and_costs_no_line(index: JobIndex, logs: LogStore) -> None:
    prefect = Counted()
    runs = [prefect.put(running()) for _ in range(10)]
    await index.apply(runs, now=runs[0].created_at)
    wakeups = LogWakeups(prefect, **AT_ONCE)
    tails = LogTails(prefect, index, logs, pace=BY_NEWS_ONLY, budget=ReadBudget(NEVER), wakeups=wakeups)

    async def every_one_has(*texts: str) -> None:
        async with asyncio.timeout(60):
            for run in runs:
                while [line.message for line in await logs.behind(run.id, 0, limit=9)] != list(texts):
                    await asyncio.sleep(0.01)

    async with AsyncExitStack() as stack:
        for run in runs:
            await stack.enter_async_context(tails.watch(run.id))
        await until(lambda: all(wakeups.hears(run.id) for run in runs))
        for run in runs:
            prefect.log(run.id, "first")
        await every_one_has("first")

        prefect.refuses = True
        prefect.lose_log_subscriptions()
        await until(lambda: not prefect.log_subscriptions and not wakeups.hears(runs[0].id))
        for run in runs:
            prefect.log(run.id, "said while nobody listened")
        prefect.refuses = False
        await every_one_has("first", "said while nobody listened")
        assert len(prefect.log_subscriptions) == 1
        for run in runs:
            prefect.log(run.id, "last")
        await every_one_has("first", "said while nobody listened", "last")
    await tails.close()


async def test_nothing_is_announced_to_nobody_while_the_subscription_is_renewed() -> None:
    prefect = Counted()
    listeners = Listeners(prefect)
    with ExitStack() as stack:
        stack.enter_context(listeners.to("first"))
        await until(lambda: listeners.wakeups.hears("first"))
        before = listeners.woken["first"]
        for number in range(50):
            stack.enter_context(listeners.to(f"other {number}"))
            prefect.log("first", "a line")
            await asyncio.sleep(0)
        await until(lambda: listeners.wakeups.hears("other 49"))
        await until(lambda: listeners.woken["first"] >= before + 50)
        assert prefect.opened > 1
    await listeners.wakeups.close()


async def test_when_nobody_watches_any_more_nothing_is_held_at_prefect() -> None:
    prefect = Counted()
    listeners = Listeners(prefect)
    for _ in range(3):
        with listeners.to("one"), listeners.to("two"):
            await until(lambda: listeners.wakeups.hears("two"))
        await until(lambda: not prefect.log_subscriptions)
    await listeners.wakeups.close()


async def test_logs_that_are_not_watched_any_more_are_left_out_of_the_next_subscription(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_wakeups, "LEFT_MOST", 5)
    prefect = Counted()
    listeners = Listeners(prefect)
    with listeners.to("stays"):
        with ExitStack() as others:
            for number in range(20):
                others.enter_context(listeners.to(str(number)))
            await until(lambda: listeners.wakeups.hears("19"))
        with listeners.to("comes"):
            await until(lambda: listeners.wakeups.hears("comes") and not listeners.wakeups.hears("19"))
            await until(lambda: [one.run_ids for one in prefect.log_subscriptions] == [{"stays", "comes"}])
    await listeners.wakeups.close()


async def test_a_server_that_does_not_let_us_listen_is_not_asked_without_a_pause() -> None:
    prefect = Counted()
    prefect.refuses = True
    wakeups = LogWakeups(prefect, settle=0.0, renew_every=0.0, retry=NEVER)
    wakeups.add("one", lambda: None)
    await until(lambda: prefect.asked == 1)
    for number in range(20):
        wakeups.add(str(number), lambda: None)
        await asyncio.sleep(0)
    assert prefect.asked == 1
    await wakeups.close()


async def test_after_more_lines_at_once_than_prefect_announces_everybody_looks_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes while 256 wait is dropped, also the only line of a quiet job."""
    monkeypatch.setattr(log_wakeups, "BURST_SECONDS", 0.05)
    prefect = Counted()
    listeners = Listeners(prefect)
    with listeners.to("loud"), listeners.to("quiet"):
        await until(lambda: listeners.wakeups.hears("quiet"))
        before = listeners.woken["quiet"]
        for _ in range(LOG_BACKLOG):
            prefect.log("loud", "a line")
        prefect.log("quiet", "the only line")
        await until(lambda: listeners.woken["quiet"] > before)
    await listeners.wakeups.close()


async def test_a_watched_log_that_is_settled_is_not_subscribed_to_until_its_job_runs_again(
    index: JobIndex, logs: LogStore
) -> None:
    prefect = Counted()
    run = prefect.put(completed())
    assert run.ended_at is not None
    await index.apply([run], now=run.created_at)
    wakeups = LogWakeups(prefect, **AT_ONCE)
    tails = LogTails(prefect, index, logs, pace=BY_NEWS_ONLY, budget=ReadBudget(NEVER), wakeups=wakeups)
    await logs.note_whole(run.id, run.ended_at, settled_for=run.ended_at)
    hub = ChangeHub(index.followed)
    heeding = asyncio.create_task(tails.heed(hub))
    async with tails.watch(run.id):
        await asyncio.sleep(0.05)
        assert prefect.opened == 0
        again = prefect.put(running(id=run.id, run_count=2))
        prefect.log(run.id, "of the second attempt")
        hub.publish(await index.apply([again], now=again.created_at))
        await until(lambda: wakeups.hears(run.id))
    hub.close()
    await heeding
    await tails.close()


async def test_with_many_watched_logs_each_waits_the_longer_for_what_nobody_announced(
    index: JobIndex, logs: LogStore
) -> None:
    """Each was read every second: 300 of them asked 300 questions a second, of the 40 that may be asked."""
    prefect = FakePrefect()
    runs = [prefect.put(running()) for _ in range(50)]
    await index.apply(runs, now=runs[0].created_at)
    budget = ReadBudget(200)
    pace = TailPace(poll=0.01, poll_without_socket=0.01, prove_every=0.01, breath=0.0)
    tails = LogTails(prefect, index, logs, pace=pace, budget=budget)
    async with AsyncExitStack() as stack:
        for run in runs:
            await stack.enter_async_context(tails.watch(run.id))
        await asyncio.sleep(0.5)
        assert not budget.overdrawn
        before = prefect.requests
        await asyncio.sleep(1.0)
        assert prefect.requests - before < 200
    await tails.close()
