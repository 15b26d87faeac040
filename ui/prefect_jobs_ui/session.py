"""One open tab: what it shows, held in Python, and the few messages by which its drawing in the browser follows.

The browser's drawing asks for the list once it can hear (`ready`), because messages sent before that are lost; from
then on it gets edits. Small things (total, notice, the selected job) are parameters, which Panel keeps in step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from prefect_jobs_ui.adapter import AdapterError, JobMissing, JobResponse, SignedOut, Viewer
from prefect_jobs_ui.cards import JobCard, card_of
from prefect_jobs_ui.components import JobDetail, JobList, Toolbar
from prefect_jobs_ui.feed_health import notice
from prefect_jobs_ui.hub import FIRST_PAGE, Hub
from prefect_jobs_ui.job_window import Edit, JobWindow, Put

LONGEST_JOB_ID = 200
ENDED = frozenset({"completed", "failed"})
ASK_AGAIN_SECONDS = 5.0
"""Why a job waits changes without a change of the job: a worker comes, another job ends."""


def who(viewer: Viewer) -> str:
    """The viewer as the header names him; empty where nobody signs in, and nobody can sign out."""
    return "" if viewer.token is None else f"{viewer.name} ({viewer.role})"


class PageSession:
    """The state of one tab. Lives from the page's request until its socket is gone."""

    def __init__(self, hub: Hub, viewer: Viewer | None = None) -> None:
        self._hub = hub
        self._window: JobWindow | None = None
        self._selected: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.Task[None] | None = None
        self.toolbar = Toolbar(on_message=self._on_message, who=who(viewer or Viewer()))
        self.list = JobList(on_message=self._on_message)
        self.detail = JobDetail(on_message=self._on_message)
        self._show_counts()

    def close(self) -> None:
        """Release everything: the tab is gone."""
        self._hub.leave(self)
        for task in self._tasks:
            task.cancel()

    # What the hub tells.

    def on_job(self, card: JobCard, job: JobResponse) -> None:
        """Send the one changed card, and the detail if it is this job's."""
        if self._window is not None:
            self._send_edits(self._window.put(card, is_complete=not self._has_more))
        if card.job_id == self._selected:
            self._detail_changed(job)

    def on_deleted(self, job_id: str) -> None:
        """Take the card away, and the detail if it was this job's."""
        if self._window is not None:
            self._send_edits(self._window.drop(job_id))
        if job_id == self._selected:
            self.detail.param.update(phase="missing", job=None)

    def on_first_page(self) -> None:
        """Send the list as it is now, and read the shown job again too."""
        self._send_window()
        if self._selected is not None:
            self._spawn(self._load_detail(self._selected))

    def on_rebuilt(self) -> None:
        """Forget what was shown; the newest jobs come next."""
        self._window = None
        self.detail.param.update(phase="none" if self._selected is None else "loading", job=None)

    def on_total(self) -> None:
        """Show the new total."""
        self._show_counts()

    def on_health(self) -> None:
        """Show or hide the notice about the feed."""
        self._show_counts()

    def on_signed_out(self) -> None:
        """Let the browser ask for the page again: it gets the form to sign in."""
        self.toolbar.signed_out = True

    # What the browser asks.

    def _on_message(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        said = cast("dict[str, object]", message)
        match said.get("kind"):
            case "ready":
                self._hub.join(self)
                if self._hub.over.is_set():  # while the page was on its way
                    self.on_signed_out()
                self._send_window()
            case "refresh" if not self.toolbar.refreshing:
                self._spawn(self._refresh())
            case "more":
                self._spawn(self._more())
            case "select":
                job_id = said.get("job_id")
                if job_id is None or (isinstance(job_id, str) and 0 < len(job_id) <= LONGEST_JOB_ID):
                    self._select(job_id)
            case _:
                pass

    def _select(self, job_id: str | None) -> None:
        self._selected = job_id
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self.detail.waits_for = ""
        if job_id is None:
            self.detail.param.update(phase="none", job=None)
            return
        self.detail.param.update(phase="loading", job=None)
        self._spawn(self._load_detail(job_id))

    async def _load_detail(self, job_id: str) -> None:
        try:
            job = await self._hub.adapter.job(job_id)
        except JobMissing:
            found: dict[str, Any] = {"phase": "missing", "job": None}
        except SignedOut:
            self.on_signed_out()
            return
        except AdapterError as error:
            found = {"phase": "failed", "job": None, "failure": str(error)}
        else:
            found = {"phase": "ready", "job": dict(job)}
        if job_id == self._selected and not self._shows_newer(found["job"]):
            self.detail.param.update(**found)
            self._tell_why_it_waits()

    def _tell_why_it_waits(self) -> None:
        """Say why the shown job waits, from now on and as long as it does."""
        if self._shows_pending() and (self._waiting is None or self._waiting.done()):
            self._waiting = self._spawn(self._ask_why_it_waits())

    async def _ask_why_it_waits(self) -> None:
        while (job_id := self._selected) is not None and self._shows_pending():
            try:
                reason = await self._hub.adapter.pending_reason(job_id)
            except AdapterError:  # the page says elsewhere that the API does not answer
                reason = ""
            if job_id == self._selected and self._shows_pending():
                self.detail.waits_for = reason
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _shows_pending(self) -> bool:
        return self.detail.job is not None and self.detail.job.get("status") == "pending"

    def _shows_newer(self, job: dict[str, Any] | None) -> bool:
        shown = self.detail.job
        return job is not None and shown is not None and _version(shown) > _version(job)

    def _detail_changed(self, job: JobResponse) -> None:
        shown = self.detail.job
        if shown is None:  # it was missing, or is still being read
            self._spawn(self._load_detail(str(job.get("job_id"))))
            return
        if self._shows_newer(cast("dict[str, Any]", job)):
            return
        ended = job.get("status") in ENDED
        # The feed leaves the result out: keep the one that is shown, and ask for it when the job has just ended.
        result = shown.get("result") if ended else None
        self.detail.param.update(phase="ready", job={**shown, **job, "result": result})
        self._tell_why_it_waits()  # it may have been queued again
        if ended and shown.get("status") not in ENDED:
            self._spawn(self._load_detail(str(job.get("job_id"))))

    async def _refresh(self) -> None:
        self.toolbar.refreshing = True
        try:
            await self._hub.reload()
        finally:
            self.toolbar.refreshing = False

    async def _more(self) -> None:
        if self._window is None or not self._has_more:
            return
        try:
            # One job of overlap, so that one that went meanwhile leaves no gap.
            page = await self._hub.adapter.list_jobs(limit=FIRST_PAGE + 1, offset=max(0, len(self._window) - 1))
        except AdapterError:
            self.list.say({"kind": "more_failed"})
            return
        self._window.limit += FIRST_PAGE
        edits = [edit for job in page.jobs for edit in self._window.put(card_of(job), is_complete=True)]
        self._send_edits(edits)

    # What the browser is sent.

    @property
    def _has_more(self) -> bool:
        page = self._hub.page
        return page is not None and self._window is not None and len(self._window) < page.total

    def _send_window(self) -> None:
        page = self._hub.page
        self._show_counts()
        if page is None:
            failure = self._hub.failure
            self.list.say({"kind": "phase", "phase": "loading" if failure is None else "failed", "failure": failure})
            return
        limit = FIRST_PAGE if self._window is None else self._window.limit
        kept = () if self._window is None else self._window.cards[FIRST_PAGE:]
        fresh = {card.job_id for card in page.cards}
        oldest = page.cards[-1].sort_key if len(page.cards) == FIRST_PAGE else None
        below = (card for card in kept if oldest is not None and card.job_id not in fresh and card.sort_key < oldest)
        self._window = JobWindow((*page.cards, *below), limit)
        cards = [card.to_json() for card in self._window.cards]
        self.list.has_more = self._has_more
        self.list.say({"kind": "window", "cards": cards})

    def _send_edits(self, edits: list[Edit]) -> None:
        if not edits:
            return
        said = [
            {"put": edit.card.to_json(), "at": edit.at} if isinstance(edit, Put) else {"drop": edit.job_id}
            for edit in edits
        ]
        self.list.has_more = self._has_more
        self.list.say({"kind": "edits", "edits": said})

    def _show_counts(self) -> None:
        page = self._hub.page
        self.toolbar.param.update(total=None if page is None else page.total, notice=self._notice())
        self.list.has_more = self._has_more

    def _notice(self) -> str:
        said = notice(self._hub.health)
        if not said and self._hub.failure is not None and self._hub.page is not None:
            said = f"The list could not be read again: {self._hub.failure}"
        return said

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _version(job: dict[str, Any]) -> int:
    return int(job.get("version") or 0)
