"""Everything the page knows comes over HTTP from the jobs API, so every way it can fail is translated here, once.

AdapterError
├── AdapterUnavailable   nobody answered, or the answer was no contract answer
├── SignedOut            the API asks for a session, and this one is over or none
├── JobMissing           the API answered that there is no such job
└── SearchRefused        the API cannot read what was searched for
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast
from urllib.parse import quote

import httpx

from prefect_jobs_ui.event_stream import read_events
from prefect_jobs_ui.list_filter import Counts, ListFilter
from prefect_jobs_ui.texts import text
from prefect_jobs_ui.wire import JobResponse

# The feed says `status` every 15 s: twice that without a word means that the connection is dead.
FEED_SILENCE_SECONDS = 35.0
# Who looks at the page is asked with each page: an API that hangs must not keep the page from saying so.
WHO_SECONDS = 3.0
SESSION_COOKIE = "prefect_jobs_session"


class AdapterError(Exception):
    """The jobs API did not give what was asked."""


class AdapterUnavailable(AdapterError):
    """The jobs API cannot be reached."""


class SignedOut(AdapterError):
    """Nobody is signed in, or no longer."""


class JobMissing(AdapterError):
    """No job found with this ID."""


class SearchRefused(AdapterError):
    """The search cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at the page. `token` is his session at the API; None where nobody signs in, and may do everything."""

    name: str | None = None
    role: str = "admin"
    token: str | None = None


@dataclass(frozen=True, slots=True)
class JobsPage:
    """One page of a search, newest first, how many match (a lower bound unless `exact`), and the counts of all jobs."""

    jobs: tuple[JobResponse, ...]
    total: int
    exact: bool = True
    counts: Counts | None = None


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the change feed (contract 16.3); `version` is where to resume after it."""

    kind: Literal["job", "deleted", "status", "reset"]
    data: dict[str, Any]
    version: int | None


class Adapter:
    """The jobs API at one address, as one viewer may use it: with his session, and never with one of the page's own.

    Every method raises `AdapterUnavailable` when the API does not answer as agreed, and `SignedOut` when it asks who
    this is.
    """

    def __init__(self, client: httpx.AsyncClient, token: str | None = None) -> None:
        self._client = client
        self._headers = {} if token is None else {"Cookie": f"{SESSION_COOKIE}={token}"}

    def acting_for(self, token: str | None) -> Adapter:
        """The same API with this viewer's session. It shares the connections, and is not closed by itself."""
        return Adapter(self._client, token)

    @classmethod
    def at(cls, api_url: str) -> Self:
        """An adapter client for `api_url`; close it with `aclose`."""
        # trust_env off: the API is a neighbour, often this very process; a proxy of the machine must not come between.
        return cls(httpx.AsyncClient(base_url=api_url.rstrip("/"), timeout=15.0, trust_env=False))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def viewer(self, token: str | None) -> Viewer:
        """Who has this session; one without a name where nobody signs in, or the API knows no sessions."""
        asking = self.acting_for(token)
        try:
            body = await asking._get("/api/session", {}, WHO_SECONDS)
        except JobMissing:  # a server of the bare contract
            return Viewer()
        return Viewer(body.get("name"), str(body.get("role")), token) if body.get("sign_in") else Viewer()

    async def search(
        self, shown: ListFilter, *, limit: int, offset: int = 0, created_before: str | None = None, counts: bool = False
    ) -> JobsPage:
        """Read `limit` of the jobs that match from `offset` on, newest first; with `counts` count all jobs too.

        Raises:
            SearchRefused: the text cannot be read.
        """
        params: dict[str, str | int] = {**shown.params, "limit": limit, "offset": offset}
        if created_before is not None:
            params["created_before"] = created_before
        if counts:
            params["facets"] = "unfiltered"
        body = await self._get("/api/jobs/search", params)
        try:
            meta, facets = body["meta"], body["aggregations"]
            return JobsPage(
                tuple(body["data"]),
                int(meta["total"]),
                meta.get("total_is_exact") is not False,
                Counts.of_facets(facets.get("unfiltered") or facets) if counts else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AdapterUnavailable(text("api.unreadable-list")) from error

    async def job(self, job_id: str) -> JobResponse:
        """Read one job with its result; `JobMissing` when there is none."""
        return cast(JobResponse, await self._get(f"/api/jobs/{quote(job_id, safe='')}", {}))

    async def changes(self, after: int | None) -> AsyncIterator[FeedEvent]:
        """Follow the change feed from `after` on, or from now. Ends by `AdapterUnavailable` or by the API's own end."""
        params = {} if after is None else {"after": after}
        timeout = httpx.Timeout(15.0, read=FEED_SILENCE_SECONDS)
        try:
            async with self._client.stream(
                "GET", "/api/jobs/changes", params=params, timeout=timeout, headers=self._headers
            ) as response:
                if response.status_code == 401:
                    raise SignedOut("Nobody is signed in.")
                if not response.is_success:
                    raise AdapterUnavailable(f"The change feed answered {response.status_code}.")
                async for event in read_events(response.aiter_bytes()):
                    if event.event in ("job", "deleted", "status", "reset"):
                        yield _feed_event(event.event, event.data, event.id)
        except (httpx.HTTPError, ValueError) as error:
            raise AdapterUnavailable(_reason(error)) from error

    async def _get(self, path: str, params: Mapping[str, str | int], timeout: float = 15.0) -> dict[str, Any]:
        try:
            response = await self._client.get(path, params=params, headers=self._headers, timeout=timeout)
            if response.status_code == 401:
                raise SignedOut("Nobody is signed in.")
            if response.status_code == 404:
                raise JobMissing(path)
            if response.status_code == 422 and (said := _refusal(response.json())):
                raise SearchRefused(said)
            if not response.is_success:
                raise AdapterUnavailable(text("api.answered", status=str(response.status_code)))
            return cast("dict[str, Any]", response.json())
        except (httpx.HTTPError, ValueError) as error:
            raise AdapterUnavailable(_reason(error)) from error


def _feed_event(kind: Literal["job", "deleted", "status", "reset"], data: str, event_id: str | None) -> FeedEvent:
    body = cast("dict[str, Any]", json.loads(data))
    version = event_id if event_id is not None else body.get("version")
    return FeedEvent(kind, body, None if version is None else int(version))


def _refusal(body: Any) -> str | None:
    """What a validation error says of the search text (contract 1.2)."""
    try:
        errors = body["error"]["errors"]
        return next((str(error["message"]) for error in errors if error["field"] == "query.q"), None)
    except (KeyError, TypeError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return text("api.late")
    if isinstance(error, httpx.TransportError):
        return text("api.away")
    return text("api.unreadable")
