"""The change feed: every change of any job, as server-sent events (contract 16.3)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.problems import ErrorAnswer
from prefect_jobs.store import Change

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

STATUS_EVERY = 15.0
STATUS_CHECK = 1.0
PAGE = 500


def _event(adapter: Adapter, change: Change) -> ServerSentEvent:
    if change.job is None:
        return ServerSentEvent(event="deleted", id=str(change.version), data={"job_id": change.job_id})
    data = adapter.response(change.job).model_dump(mode="json", exclude={"result"})
    return ServerSentEvent(event="job", id=str(change.version), data=data)


def _last_of_each(changes: list[Change]) -> list[Change]:
    latest = {change.job_id: change for change in changes}
    return sorted(latest.values(), key=lambda change: change.version)


class ChangeReader:
    """One reader's place in the feed."""

    def __init__(self, adapter: Adapter, after: int) -> None:
        self._adapter = adapter
        self._at = after

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Every event from this place on, until the server stops."""
        loop = asyncio.get_running_loop()
        known: tuple[object, ...] = ()
        due = 0.0
        while not self._adapter.hub.closed:
            changes = await self._next()
            if changes is None:
                # What this reader knows is too old, or from another index: it must read everything again.
                self._at = self._adapter.hub.version
                yield ServerSentEvent(event="reset", id=str(self._at), data={})
                continue
            for change in _last_of_each(changes):
                if change.job is None or change.job.state != "scheduled":
                    yield _event(self._adapter, change)
            if changes:
                self._at = changes[-1].version
                continue
            status = self._adapter.feed.status()
            said = status.prefect, status.complete, status.behind_seconds > 0
            if loop.time() >= due or said != known:
                known = said
                told: dict[str, Any] = {
                    "prefect": status.prefect,
                    "behind_seconds": status.behind_seconds,
                    "complete": status.complete,
                    "version": self._adapter.hub.version,
                }
                due = loop.time() + STATUS_EVERY
                yield ServerSentEvent(event="status", data=told)
            await self._adapter.hub.wait(self._at, timeout=min(STATUS_CHECK, max(0.0, due - loop.time())))

    async def _next(self) -> list[Change] | None:
        changes = self._adapter.hub.after(self._at)
        if changes is None:
            return await self._adapter.index.changes_after(self._at, limit=PAGE)
        return None if self._at > self._adapter.hub.version else changes


@router.get("/changes", response_class=EventSourceResponse)
async def changes(
    request: Request,
    adapter: TheAdapter,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="Resume behind this version.")] = None,
    last_event_id: Annotated[str | None, Header(description="What a browser sends to resume.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow every change of any job. Without `after` and `Last-Event-ID` the feed starts now."""
    if after is None and last_event_id is not None and last_event_id.isdecimal():
        # Python reads no number of more than 4,300 digits.
        after = min(int(last_event_id[:20]), 2**62)
    async for event in ChangeReader(adapter, adapter.hub.version if after is None else after).events():
        yield event
