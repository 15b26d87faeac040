"""Every open tab wants to know every change, but the jobs API should be asked once, not once per tab.

The hub is the one reader of the change feed for all tabs of one viewer, which is everybody where nobody signs in. It
keeps the newest jobs and the total in memory, so that
a new tab is drawn without a request, and tells each tab what changed. It starts before the API answers, survives its
restarts and resumes by version.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from prefect_jobs_ui.adapter import (
    Adapter,
    AdapterError,
    AdapterUnavailable,
    FeedEvent,
    JobsPage,
    SignedOut,
)
from prefect_jobs_ui.cards import JobCard, card_of
from prefect_jobs_ui.feed_health import FeedHealth, health_of
from prefect_jobs_ui.job_window import JobWindow
from prefect_jobs_ui.list_filter import Counts, ListFilter
from prefect_jobs_ui.wire import JobResponse

FIRST_PAGE = 50
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
# The total is asked again this long after jobs came or went: a burst of a hundred new jobs costs one request.
RECOUNT_SECONDS = 0.5
RELOAD_SECONDS = 2.0
EVERYTHING = ListFilter()
NO_COUNTS = Counts({}, {})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The newest jobs, how many there are in all, and how many of each status and type."""

    cards: tuple[JobCard, ...]
    total: int
    counts: Counts = NO_COUNTS
    exact: bool = True


class Listener(Protocol):
    """A tab, as the hub sees it."""

    def on_job(self, card: JobCard, job: JobResponse) -> None:
        """A job is new or has changed; `job` is its wire form without the result."""
        ...

    def on_deleted(self, job_id: str) -> None:
        """A job is gone."""
        ...

    def on_first_page(self) -> None:
        """The newest jobs were read again: `hub.page` or `hub.failure` is new."""
        ...

    def on_rebuilt(self) -> None:
        """The index begins anew: nothing known before counts, versions and line numbers included."""
        ...

    def on_counts(self) -> None:
        """`hub.page`'s total and counts were asked again."""
        ...

    def on_health(self) -> None:
        """`hub.health` is new."""
        ...

    def on_signed_out(self) -> None:
        """The viewer's session is over: nothing more will be told."""
        ...


class Hub:
    """The shared knowledge of all tabs. `page` is None until the list was read once; `failure` says why."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.failure: str | None = None
        self.health = FeedHealth()
        self._window: JobWindow | None = None
        self._total = 0
        self._counts = NO_COUNTS
        self._version: int | None = None
        self._listeners: set[Listener] = set()
        self._users = 0
        self._recount_wanted = asyncio.Event()
        self._known = asyncio.Event()
        self.over = asyncio.Event()
        """Set when the API tells this viewer nothing any more."""

    @property
    def page(self) -> FirstPage | None:
        """The newest jobs as known now."""
        return None if self._window is None else FirstPage(self._window.cards, self._total, self._counts)

    @property
    def tabs(self) -> int:
        """How many tabs listen."""
        return len(self._listeners)

    @property
    def used(self) -> bool:
        """Whether somebody has a socket open, or listens."""
        return bool(self._users or self._listeners)

    @contextlib.contextmanager
    def in_use(self) -> Generator[None]:
        """Keep this hub while the block runs: what a sign-in opened must hear of its end."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    def join(self, listener: Listener) -> None:
        """Tell `listener` of every change from now on."""
        self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        """Tell `listener` nothing more."""
        self._listeners.discard(listener)

    async def known(self, *, within: float) -> None:
        """Wait until the first page is read, or could not be, at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._known.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Follow the feed while the block runs."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._recount())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self) -> None:
        """Read the newest jobs again and tell every tab. A failure keeps what was known."""
        try:
            page = await self.adapter.search(EVERYTHING, limit=FIRST_PAGE, counts=True)
        except SignedOut:
            return self._end()
        except AdapterError as error:
            self.failure = str(error)
            self._recount_wanted.set()  # which tries again
        else:
            self.failure = None
            self._window = JobWindow((card_of(job) for job in page.jobs), FIRST_PAGE)
            self._take_counts(page)
        self._known.set()
        for listener in tuple(self._listeners):
            listener.on_first_page()

    def _end(self) -> None:
        if not self.over.is_set():
            self._window = None
            self.over.set()
            self._known.set()
            for listener in tuple(self._listeners):
                listener.on_signed_out()

    async def _follow(self) -> None:
        failures = 0
        while not self.over.is_set():
            try:
                async for event in self.adapter.changes(self._version):
                    failures = 0
                    await self._take(event)
            except SignedOut:
                return self._end()
            except AdapterUnavailable as error:
                logger.debug("The change feed is away: %s", error)
            except Exception:  # one event that nobody foresaw must not stop the feed of every tab
                logger.exception("An event of the change feed could not be read")
            # Losing the feed once is a restart of the API or a slow answer; twice in a row is worth a sentence.
            if failures == 1 and self._window is not None:
                self._set_health(replace(self.health, api_answers=False))
            if self._window is None and failures == len(RETRY_SECONDS):
                await self.reload()
            await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    async def _take(self, event: FeedEvent) -> None:
        # A status tells the newest version, not the last one sent: it is only where a first reader begins.
        if event.kind != "status" or self._version is None:
            self._version = event.version
        if event.kind == "status":
            self._set_health(health_of(event.data))
        if event.kind == "reset":
            for listener in tuple(self._listeners):
                listener.on_rebuilt()
        if event.kind == "reset" or self._window is None:
            await self.reload()
        if event.kind == "job":
            self._take_job(event.data)
        elif event.kind == "deleted":
            self._take_deleted(str(event.data.get("job_id", "")))

    def _take_job(self, data: dict[str, Any]) -> None:
        job: JobResponse = data  # pyright: ignore[reportAssignmentType]  # the wire is read leniently, key by key
        card = card_of(job)
        if card.state == "scheduled":  # prepared ahead for a schedule: no job yet (contract 16.1)
            self._take_deleted(card.job_id)
            return
        if self._window is not None:
            known = self._window.get(card.job_id)
            if known is None or known.look != card.look:
                self._recount_wanted.set()
            self._window.put(card, is_complete=self._total <= len(self._window))
        for listener in tuple(self._listeners):
            listener.on_job(card, job)

    def _take_deleted(self, job_id: str) -> None:
        if self._window is not None:
            self._window.drop(job_id)
        self._recount_wanted.set()
        for listener in tuple(self._listeners):
            listener.on_deleted(job_id)

    def _set_health(self, health: FeedHealth) -> None:
        if health != self.health:
            self.health = health
            for listener in tuple(self._listeners):
                listener.on_health()

    async def _recount(self) -> None:
        """Keep the total exact, and the window full, after jobs came or went."""
        failed = False
        while True:
            await self._recount_wanted.wait()
            await asyncio.sleep(RELOAD_SECONDS if failed or self.failure is not None else RECOUNT_SECONDS)
            self._recount_wanted.clear()
            if self.failure is not None:
                await self.reload()
                continue
            try:
                page = await self.adapter.search(EVERYTHING, limit=FIRST_PAGE, counts=True)
            except AdapterError as error:
                logger.debug("The total could not be asked: %s", error)
                failed = True
                self._recount_wanted.set()
                continue
            failed = False
            self._take_counts(page)
            for job in page.jobs:
                self._refill(job)
            for listener in tuple(self._listeners):
                listener.on_counts()

    def _take_counts(self, page: JobsPage) -> None:
        self._total = page.total
        self._counts = page.counts or NO_COUNTS

    def _refill(self, job: JobResponse) -> None:
        card = card_of(job)
        if self._window is not None and self._window.put(card, is_complete=True):
            for listener in tuple(self._listeners):
                listener.on_job(card, job)
