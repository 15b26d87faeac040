"""Each viewer sees what his own session may see, so each has a hub of his own: all his tabs share it.

A hub lives as long as somebody uses it and a little longer, so that a reload finds it warm, and ends with its session.
Where nobody signs in there is one hub for everybody, which lives as long as the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from prefect_jobs_ui.adapter import Adapter, AdapterError, SignedOut, Viewer
from prefect_jobs_ui.cards import card_of
from prefect_jobs_ui.hub import EVERYTHING, FIRST_PAGE, FirstPage, Hub
from prefect_jobs_ui.list_filter import ListFilter

KEPT_SECONDS = 60.0
"""How long a hub without tabs is kept."""
LOOK_EVERY = 15.0
FIRST_PAGE_WITHIN = 1.0
"""Seconds that the first page of somebody who has just signed in may delay his page."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of the page: who makes it, and the hub that knows his jobs."""

    viewer: Viewer
    hub: Hub
    shown: ListFilter = EVERYTHING
    first: FirstPage | None = None
    """What the filter of the page's address shows; None where the hub knows it, or nobody could say in time."""
    presented: str | None = None
    """The token of the request's cookie, whether the API knows it or not."""
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    """What else the page's address says."""


VISIT: ContextVar[Visit] = ContextVar("visit")
"""The visit that this request belongs to; the guard sets it. (What Bokeh keeps of a request goes to the browser.)"""


class _Kept:
    def __init__(self, hub: Hub, used: float) -> None:
        self.hub = hub
        self.used = used
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        async with self.hub.running():
            await self.hub.over.wait()


class Viewers:
    """The hubs of all viewers."""

    def __init__(self, adapter: Adapter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._adapter = adapter
        self._clock = clock
        self._kept: dict[str | None, _Kept] = {}

    @property
    def hubs(self) -> int:
        """How many hubs there are."""
        return len(self._kept)

    @property
    def tabs(self) -> int:
        """How many tabs listen."""
        return sum(kept.hub.tabs for kept in self._kept.values())

    async def visit(self, token: str | None, shown: ListFilter = EVERYTHING) -> Visit:
        """The visit of who has this session, and the first rows of the list he asks for.

        Raises:
            SignedOut: the API asks for a session, and this is none.
        """
        try:
            viewer = await self._adapter.viewer(token)
        except SignedOut:
            raise
        except AdapterError:
            # The API is away. Who is known here sees what was known; anybody else what everybody may see.
            viewer = Viewer(role="", token=token if token in self._kept else None)
        hub = self._hub(viewer.token)
        if viewer.token is not None:
            await hub.known(within=FIRST_PAGE_WITHIN)
        first = await _first_page(hub, shown) if shown.is_active else None
        return Visit(viewer, hub, shown, first, presented=token)

    def _hub(self, token: str | None) -> Hub:
        kept = self._kept.get(token)
        if kept is None or kept.hub.over.is_set():
            kept = self._kept[token] = _Kept(Hub(self._adapter.acting_for(token)), self._clock())
        kept.used = self._clock()
        return kept.hub

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Keep hubs while the block runs."""
        self._hub(None)
        sweeper = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, *(self._drop(token) for token in tuple(self._kept)), return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.sweep()

    async def sweep(self) -> None:
        """Let go of the hubs that ended, or that nobody used for a while."""
        now = self._clock()
        for token, kept in tuple(self._kept.items()):
            if kept.hub.used:
                kept.used = now
            unused = token is not None and now - kept.used >= KEPT_SECONDS
            if kept.hub.over.is_set() or unused:
                await self._drop(token)

    async def _drop(self, token: str | None) -> None:
        task = self._kept.pop(token).task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _first_page(hub: Hub, shown: ListFilter) -> FirstPage | None:
    try:
        async with asyncio.timeout(FIRST_PAGE_WITHIN):
            page = await hub.adapter.search(shown, limit=FIRST_PAGE)
    except (AdapterError, TimeoutError):
        return None  # the tab asks again, and says what is wrong
    return FirstPage(tuple(card_of(job) for job in page.jobs), page.total, exact=page.exact)
