"""One open tab: what it shows, held in Python, and the few messages by which its drawing in the browser follows.

The browser's drawing asks for the list once it can hear (`ready`), because messages sent before that are lost; from
then on it gets edits. Small things (counts, notice, the selected job) are parameters, which Panel keeps in step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, cast

from prefect_jobs_ui.adapter import AdapterError, JobMissing, SignedOut, Viewer
from prefect_jobs_ui.cards import JobCard
from prefect_jobs_ui.components import JobDetail, JobList, Toolbar
from prefect_jobs_ui.feed_health import notice
from prefect_jobs_ui.hub import Hub
from prefect_jobs_ui.list_filter import ListFilter
from prefect_jobs_ui.list_view import ListView
from prefect_jobs_ui.texts import text
from prefect_jobs_ui.wire import JobResponse

LONGEST_JOB_ID = 200
ENDED = frozenset({"completed", "failed"})
READ_AGAIN_SECONDS = 3.0
"""How long until a job that could not be read is asked for again."""


def who(viewer: Viewer) -> str:
    """The viewer as the header names him; empty where nobody signs in, and nobody can sign out."""
    return "" if viewer.token is None else f"{viewer.name} ({viewer.role})"


class PageSession:
    """The state of one tab. Lives from the page's request until its socket is gone."""

    def __init__(self, hub: Hub, viewer: Viewer | None = None) -> None:
        viewer = viewer or Viewer()
        self._hub = hub
        self._selected: str | None = None
        self._readings = 0
        self._away_since = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.toolbar = Toolbar(on_message=self._on_message, who=who(viewer), role=viewer.role)
        self.list = JobList(on_message=self._on_message)
        self.detail = JobDetail(on_message=self._on_message)
        self.view = ListView(hub, say=self.list.say, on_signed_out=self.on_signed_out)
        self._show_counts()

    def close(self) -> None:
        """Release everything: the tab is gone."""
        self._hub.leave(self)
        self.view.close()
        for task in self._tasks:
            task.cancel()

    # What the hub tells.

    def on_job(self, card: JobCard, job: JobResponse) -> None:
        """Send the one changed card, and the detail if it is this job's."""
        self.view.take(card)
        if card.job_id == self._selected:
            self._detail_changed(job)

    def on_deleted(self, job_id: str) -> None:
        """Take the card away, and the detail if it was this job's."""
        self.view.drop(job_id)
        if job_id == self._selected:
            self._show_detail("missing")

    def on_first_page(self) -> None:
        """Show the list as it is now, and read the shown job again too."""
        self.view.reload()
        self._show_counts()
        if self._selected is not None:
            self._spawn(self._load_detail(self._selected))

    def on_rebuilt(self) -> None:
        """Forget what was shown; the jobs come next."""
        self.view.forget()
        self._show_detail("none" if self._selected is None else "loading")

    def on_counts(self) -> None:
        """Show the new counts."""
        self.view.counted()
        self._show_counts()

    def on_health(self) -> None:
        """Show or hide the notice about the feed, and read again what could not be read while the API was away."""
        self._show_counts()
        if self._hub.health.complete:
            self.view.reading_ended()
        if self._selected is not None and self.detail.phase == "failed" and self._hub.health.api_answers:
            self._spawn(self._load_detail(self._selected))

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
                self._show_counts()
                self.view.show(_filter_of(said))
            case "filter":
                self.view.show(_filter_of(said))
            case "rows":
                first, last = said.get("first"), said.get("last")
                if isinstance(first, int) and isinstance(last, int):
                    self.view.want(first, last)
            case "hold":
                self.view.hold(said.get("held") is True)
            case "refresh" if not self.toolbar.refreshing:
                self._spawn(self._refresh())
            case "select":
                job_id = said.get("job_id")
                if job_id is None or (isinstance(job_id, str) and 0 < len(job_id) <= LONGEST_JOB_ID):
                    self._select(job_id)
            case _:
                pass

    def _select(self, job_id: str | None) -> None:
        self._selected = job_id
        if job_id is None:
            self._show_detail("none")
            return
        self._show_detail("loading")
        self._spawn(self._load_detail(job_id))

    async def _load_detail(self, job_id: str) -> None:
        """Read the selected job until that succeeds, or a later reading began. What is shown of it stays meanwhile."""
        self._readings += 1
        mine = self._readings
        while True:
            try:
                found: dict[str, Any] | None = dict(await self._hub.adapter.job(job_id))
            except JobMissing:
                found = None
            except SignedOut:
                self.on_signed_out()
                return
            except AdapterError as error:
                if job_id == self._selected and self.detail.phase != "ready":
                    self._show_detail("failed", failure=str(error))
                await asyncio.sleep(READ_AGAIN_SECONDS)
                if mine == self._readings and job_id == self._selected:
                    continue
                return
            break
        if job_id == self._selected and not self._shows_newer(found):
            self._show_detail("missing" if found is None else "ready", found)

    def _show_detail(self, phase: str, job: dict[str, Any] | None = None, failure: str = "") -> None:
        self.detail.param.update(phase=phase, job_id=self._selected or "", job=job, failure=failure)

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
        self._show_detail("ready", {**shown, **job, "result": result})
        if ended and shown.get("status") not in ENDED:
            self._spawn(self._load_detail(str(job.get("job_id"))))

    async def _refresh(self) -> None:
        self.toolbar.refreshing = True
        try:
            await self._hub.reload()
            await self.view.settled()
        finally:
            self.toolbar.refreshing = False

    # What the browser is shown.

    def _show_counts(self) -> None:
        page = self._hub.page
        counts = None if page is None else {"total": page.total, **page.counts.to_json()}
        if self._hub.health.api_answers and self._hub.failure is None:
            self._away_since = 0.0
        elif not self._away_since:
            self._away_since = time.time()
        self.toolbar.param.update(counts=counts, notice=self._notice(), known_at=self._away_since * 1000)

    def _notice(self) -> str:
        said = notice(self._hub.health, 0 if self._hub.page is None else self._hub.page.total)
        if not said and self._hub.failure is not None and self._hub.page is not None:
            said = text("feed.stale", reason=self._hub.failure)
        return said

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _filter_of(said: dict[str, object]) -> ListFilter:
    return ListFilter.of_words(said.get("q"), said.get("status"), said.get("job_type"))


def _version(job: dict[str, Any]) -> int:
    return int(job.get("version") or 0)
