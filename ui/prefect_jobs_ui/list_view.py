"""A tab's list kept in step: with the filter the user chose, the rows he looks at, and every change of the feed.

Small changes go to the browser as edits at once. What only the API can say (which job a text finds, what lies below a
window) is asked again, at most a few times a second, and always for the newest wish: who scrolls through a million
jobs does not wait for the rows he passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from prefect_jobs_ui.adapter import AdapterError, SearchRefused, SignedOut
from prefect_jobs_ui.cards import JobCard, card_of
from prefect_jobs_ui.hub import FIRST_PAGE, FirstPage, Hub
from prefect_jobs_ui.list_filter import Counts, ListFilter
from prefect_jobs_ui.list_window import Edit, ListWindow

MOST_ROWS = 300
"""Rows that one question asks for: three screens of the tallest display."""
ASK_AGAIN_SECONDS = 0.5
"""Pause before a list is asked again because something changed."""
AFTER_FAILURE_SECONDS = 2.0


class ListView:
    """The list of one tab. `say` sends a message to its drawing."""

    def __init__(self, hub: Hub, *, say: Callable[[dict[str, Any]], None], on_signed_out: Callable[[], None]) -> None:
        self._hub = hub
        self._say = say
        self._on_signed_out = on_signed_out
        self._window = ListWindow(ListFilter())
        self._wanted = (0, FIRST_PAGE)
        self._shown = False
        self._held = False
        self._newer = 0
        self._counts: Counts | None = None
        self._asks: asyncio.Task[None] | None = None
        self._again: asyncio.Task[None] | None = None
        self._ask_wanted = False
        self._failed = False
        self._came_meanwhile: list[JobCard] = []

    def close(self) -> None:
        """Ask nothing more."""
        for task in (self._asks, self._again):
            if task is not None:
                task.cancel()

    async def settled(self) -> None:
        """Wait until what was asked is answered."""
        if self._asks is not None:
            await asyncio.wait([self._asks])

    # What the user does.

    def show(self, chosen: ListFilter) -> None:
        """Show the jobs of this filter from the top."""
        self._window = ListWindow(chosen)
        self._wanted = (0, FIRST_PAGE)
        self._shown = False
        self._newer = 0
        self.reload()

    def want(self, first: int, last: int) -> None:
        """Have these rows; `last` is not included."""
        first = max(0, first)
        self._wanted = (first, min(max(last, first + 1), first + MOST_ROWS))
        loaded = self._window.start <= first and (last <= self._window.end or self._window.end >= self._window.total)
        if self._shown and not loaded:
            self._ask()

    def hold(self, held: bool) -> None:
        """Keep new jobs out of the list while it is being read, or let them in."""
        self._held = held
        if held:
            self._window.hold()
        elif self._window.anchor is not None:
            self._window.release()
            self._newer = 0
            self.reload()

    # What the hub tells.

    def take(self, card: JobCard) -> None:
        """A job has changed."""
        if self._asks is not None:
            self._came_meanwhile.append(card)
        if self._shown:
            self._send(self._window.take(card))
            self._later()

    def drop(self, job_id: str) -> None:
        """A job is gone."""
        if self._shown:
            self._send(self._window.drop(job_id))

    def counted(self) -> None:
        """The hub has counted anew: where its counts have changed, rows that nobody sees may have come or gone."""
        page = self._hub.page
        counts = None if page is None else page.counts
        changed, self._counts = counts != self._counts, counts
        if not self._shown or page is None or not changed:
            return
        window = self._window
        if not window.filter.is_active and window.anchor is None:
            if window.start == 0 and not self._fits(page):
                self._take_hub_page(page)
            elif window.total != page.total:
                window.total = page.total
                self._send([], always=True)
        else:
            window.unsure = True
            self._later()

    def reload(self) -> None:
        """Read the list again."""
        page, failure = self._hub.page, self._hub.failure
        window = self._window
        if page is None:
            self._say({"kind": "phase", "phase": "loading" if failure is None else "failed", "failure": failure})
        elif not window.filter.is_active and window.anchor is None and self._wanted[0] == 0:
            self._take_hub_page(page)
        else:
            self._ask()

    def reading_ended(self) -> None:
        """All jobs are known now: an empty list is one."""
        if self._shown and not self._window.total:
            self._send([], always=True)

    def forget(self) -> None:
        """The index begins anew: nothing known counts any more, versions included."""
        self._window = ListWindow(self._window.filter)
        self._shown = False

    # How it is brought into step.

    def _fits(self, page: FirstPage) -> bool:
        mine = self._window.cards[: len(page.cards)]
        return self._window.total == page.total and [c.job_id for c in mine] == [c.job_id for c in page.cards]

    def _take_hub_page(self, page: FirstPage) -> None:
        """The newest jobs are known without asking; only who looks further down asks."""
        self._window.replace(page.cards, start=0, total=page.total)
        self._send_rows()
        if self._wanted[1] > len(page.cards) and page.total > len(page.cards):
            self._ask()

    def _ask(self) -> None:
        self._ask_wanted = True
        if self._asks is None:
            self._asks = asyncio.get_running_loop().create_task(self._answer())

    def _later(self) -> None:
        if self._window.unsure and self._again is None:
            self._again = asyncio.get_running_loop().create_task(self._ask_later())

    async def _ask_later(self) -> None:
        try:
            await asyncio.sleep(AFTER_FAILURE_SECONDS if self._failed else ASK_AGAIN_SECONDS)
            await self.settled()
        finally:
            self._again = None
        if self._window.unsure:
            self._ask()

    async def _answer(self) -> None:
        try:
            while self._ask_wanted:
                self._ask_wanted = False
                await self._answer_once()
            self._failed = False
        except SignedOut:
            self._on_signed_out()
        except SearchRefused as error:
            self._say({"kind": "phase", "phase": "refused", "failure": str(error)})
        except AdapterError as error:
            if not self._shown:
                self._say({"kind": "phase", "phase": "failed", "failure": str(error)})
            self._window.unsure = self._failed = True
        finally:
            self._asks = None
            self._came_meanwhile.clear()
            if self._ask_wanted:
                self._ask()
        self._later()

    async def _answer_once(self) -> None:
        window, (first, last) = self._window, self._wanted
        until = None if window.anchor is None else window.anchor.created_at
        self._came_meanwhile.clear()
        page = await self._hub.adapter.search(window.filter, limit=last - first, offset=first, created_before=until)
        newer = len(window.kept_back)
        if until is not None and window.filter.q:
            newer = (await self._hub.adapter.search(window.filter, limit=1)).total - page.total
        if window is not self._window or until != (None if window.anchor is None else window.anchor.created_at):
            return  # the user has gone on: what he wants now was asked for
        window.replace((card_of(job) for job in page.jobs), start=first, total=page.total, exact=page.exact)
        for card in self._came_meanwhile:
            window.take(card)
        self._newer = max(0, newer)
        self._send_rows()

    def _send_rows(self) -> None:
        self._shown = True
        window = self._window
        if self._held:  # another list is under the same pointer
            window.hold()
        cards = [card.to_json() for card in window.cards]
        self._say({"kind": "rows", "start": window.start, "cards": cards, **self._state()})

    def _send(self, edits: list[Edit], *, always: bool = False) -> None:
        newer = self._newer if self._window.filter.q else len(self._window.kept_back)
        if edits or always or newer != self._newer:
            self._newer = newer
            self._say({"kind": "edits", "edits": [edit.to_json() for edit in edits], **self._state()})

    def _state(self) -> dict[str, Any]:
        window = self._window
        return {
            "total": window.total,
            "exact": window.total_is_exact,
            "newer": self._newer,
            "filtered": window.filter.is_active,
            "reading": not self._hub.health.complete,
        }
