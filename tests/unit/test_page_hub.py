"""One reader of the feed for all tabs: what it remembers, whom it tells, and how it gets over outages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

import prefect_jobs_ui.hub
from prefect_jobs_ui.adapter import Adapter, AdapterUnavailable, FeedEvent, JobsPage
from prefect_jobs_ui.cards import JobCard, card_of
from prefect_jobs_ui.hub import Hub
from prefect_jobs_ui.list_filter import Counts, ListFilter
from prefect_jobs_ui.wire import JobResponse


class ScriptedAdapter(Adapter):
    """An adapter whose feed and list a test writes; `None` in the feed ends the connection."""

    def __init__(self) -> None:
        super().__init__(httpx.AsyncClient())
        self.jobs: list[JobResponse] = []
        self.down = False
        self.feed: asyncio.Queue[FeedEvent | None] = asyncio.Queue()
        self.resumed: list[int | None] = []
        self.lists = 0

    async def search(
        self, shown: ListFilter, *, limit: int, offset: int = 0, created_before: str | None = None, counts: bool = False
    ) -> JobsPage:
        self.lists += 1
        if self.down:
            raise AdapterUnavailable("The jobs API cannot be reached.")
        found = [job for job in self.jobs if shown.matches(card_of(job)) is not False]
        looks = Counter(card_of(job).look for job in self.jobs)
        return JobsPage(tuple(found[offset : offset + limit]), len(found), counts=Counts(looks, {}) if counts else None)

    async def changes(self, after: int | None) -> AsyncIterator[FeedEvent]:
        if self.down:
            raise AdapterUnavailable("The jobs API cannot be reached.")
        self.resumed.append(after)
        yield FeedEvent("status", {"prefect": "up", "behind_seconds": 0}, 0)
        while (event := await self.feed.get()) is not None:
            yield event


class Tab:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.news = asyncio.Event()

    def _tell(self, word: str) -> None:
        self.told.append(word)
        self.news.set()

    def on_job(self, card: JobCard, job: JobResponse) -> None:
        self._tell(f"job {card.job_id} {card.progress}")

    def on_deleted(self, job_id: str) -> None:
        self._tell(f"deleted {job_id}")

    def on_first_page(self) -> None:
        self._tell("page")

    def on_rebuilt(self) -> None:
        self._tell("rebuilt")

    def on_counts(self) -> None:
        self._tell("counts")

    def on_health(self) -> None:
        self._tell("health")

    def on_signed_out(self) -> None:
        self._tell("signed out")

    async def hear(self, word: str) -> None:
        async with asyncio.timeout(5):
            while word not in self.told:
                self.news.clear()
                await self.news.wait()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]  # a fixture
    for name in ("RECOUNT_SECONDS", "RELOAD_SECONDS"):
        monkeypatch.setattr(prefect_jobs_ui.hub, name, 0.001)
    monkeypatch.setattr(prefect_jobs_ui.hub, "RETRY_SECONDS", (0.001, 0.001))


def job(job_id: str, *, second: int = 1, progress: int = 0, version: int = 1, state: str = "running") -> JobResponse:
    created = f"2026-03-04T08:00:{second:02}+00:00"
    return {
        "job_id": job_id, "created_at": created, "progress": progress, "version": version,
        "status": "running", "state": state,
    }  # fmt: skip


def changed(job: JobResponse) -> FeedEvent:
    return FeedEvent("job", cast("dict[str, Any]", job), job.get("version"))


async def test_the_list_is_read_once_the_feed_is_open_so_that_no_change_falls_between() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    adapter.jobs = [job("one")]
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")

    assert adapter.resumed == [None]
    assert hub.page is not None
    assert [card.job_id for card in hub.page.cards] == ["one"]


async def test_a_change_is_told_to_every_tab_and_a_tab_that_left_hears_nothing() -> None:
    adapter, tab, other, gone = ScriptedAdapter(), Tab(), Tab(), Tab()
    adapter.jobs = [job("one")]
    hub = Hub(adapter)
    for listener in (tab, other, gone):
        hub.join(listener)
    hub.leave(gone)
    async with hub.running():
        await adapter.feed.put(changed(job("one", progress=40, version=2)))
        await tab.hear("job one 40")
        await other.hear("job one 40")

    assert gone.told == []
    assert hub.page is not None
    assert hub.page.cards[0].progress == 40


async def test_a_lost_feed_resumes_behind_the_last_version_it_delivered() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await adapter.feed.put(changed(job("one", version=41)))
        # A status names the newest version, which may not have been sent yet.
        await adapter.feed.put(FeedEvent("status", {"prefect": "down"}, 99))
        await adapter.feed.put(None)
        await adapter.feed.put(changed(job("two", version=42)))
        await tab.hear("job two 0")

    assert adapter.resumed == [None, 41]


async def test_jobs_that_come_and_go_are_counted_again_in_one_request() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")
        adapter.jobs = [job(f"job-{number}", second=number) for number in range(9)]
        for number in range(9):
            adapter.feed.put_nowait(changed(adapter.jobs[number]))
        await tab.hear("counts")

    assert hub.page is not None
    assert hub.page.total == 9
    assert adapter.lists <= 4


async def test_a_count_that_failed_is_asked_for_again() -> None:
    """The feed lived, the one question failed, and the total stayed wrong until the next job came or went."""
    adapter, tab = ScriptedAdapter(), Tab()
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")
        asked = adapter.lists
        adapter.jobs = [job("one")]
        adapter.down = True
        adapter.feed.put_nowait(changed(adapter.jobs[0]))
        async with asyncio.timeout(5):
            while adapter.lists == asked:
                await asyncio.sleep(0)
        adapter.down = False
        await tab.hear("counts")

    assert hub.page is not None
    assert hub.page.total == 1


async def test_a_run_prepared_ahead_for_a_schedule_is_no_job() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")
        await adapter.feed.put(changed(job("ahead", state="scheduled")))
        await tab.hear("deleted ahead")

    assert hub.page is not None
    assert hub.page.cards == ()


async def test_a_reset_makes_every_tab_forget_and_reads_the_list_anew() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    adapter.jobs = [job("old", version=900)]
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")
        adapter.jobs = [job("new", version=1)]
        tab.told.clear()
        await adapter.feed.put(FeedEvent("reset", {}, 1))
        await tab.hear("page")

    assert tab.told[:2] == ["rebuilt", "page"]
    assert hub.page is not None
    assert [card.job_id for card in hub.page.cards] == ["new"]


async def test_an_api_that_is_away_is_said_and_taken_back() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")
        adapter.down = True
        await adapter.feed.put(None)
        await tab.hear("health")
        assert not hub.health.api_answers
        tab.told.clear()
        adapter.down = False
        await tab.hear("health")
        assert hub.health.api_answers


async def test_an_api_that_never_answered_is_a_failure_until_it_does() -> None:
    adapter, tab = ScriptedAdapter(), Tab()
    adapter.down = True
    hub = Hub(adapter)
    hub.join(tab)
    async with hub.running():
        await tab.hear("page")
        assert hub.page is None
        assert hub.failure == "The jobs API cannot be reached."
        adapter.down = False
        async with asyncio.timeout(5):
            while hub.page is None:
                tab.news.clear()
                await tab.news.wait()

    assert hub.failure is None
