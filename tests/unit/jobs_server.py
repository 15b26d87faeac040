"""The jobs API of the contract at httpx's transport seam: jobs and lines in memory, and answers told in advance.

`additive` off makes it a server of the bare contract: no versions, no change feed, no numbered lines.
"""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx

from prefect_jobs.client import Client, Pace

Body = dict[str, Any]
START = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def read(self) -> float:
        return self.now


class Stream(httpx.SyncByteStream):
    """Chunks of an answer; an exception among them breaks the connection."""

    def __init__(self, chunks: list[bytes | Exception]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def problem(status: int, detail: str, **headers: str) -> httpx.Response:
    """A refusal in the contract's shape."""
    return httpx.Response(status, json={"title": "…", "status": status, "detail": detail}, headers=headers)


class JobsServer:
    """What the client speaks to."""

    def __init__(self, *, additive: bool = True) -> None:
        self.additive = additive
        self.jobs: dict[str, Body] = {}
        self.lines: dict[str, list[Body]] = defaultdict(list)
        self.asked: list[httpx.Request] = []
        self.planned: deque[httpx.Response | Exception] = deque()
        """What the next requests get, whatever they ask."""
        self.feeds: deque[list[bytes | Exception]] = deque()
        """What each connection to the change feed brings; without one the feed is refused."""
        self.before: Callable[[httpx.Request], None] = lambda _request: None
        """Called before each answer: the world goes on while the client asks."""
        self.clock = Clock()
        self.log_state: Body = {}
        """What the answers about logs say further: `complete`, `as_of`."""

    def client(self, api_key: str | None = None) -> Client:
        """A client of this server that never really waits."""
        pace = Pace(sleep=self.clock.sleep, clock=self.clock.read, look=0.2)
        return Client("http://jobs.test", api_key, pace=pace, transport=httpx.MockTransport(self._answer))

    def put(self, job_id: str, status: str = "pending", **fields: Any) -> Body:
        """Store a job, or its newest state."""
        known = self.jobs.get(job_id) or {
            "job_id": job_id, "job_type": "export", "progress": 0, "message": None, "started_at": None,
            "completed_at": None, "result": None, "error": None, "created_at": START.isoformat(),
        }  # fmt: skip
        job = {**known, "status": status, **fields}
        if self.additive:
            job |= {"state": fields.get("state", status), "version": known.get("version", 100) + 1}
        self.jobs[job_id] = job
        return job

    def log(self, job_id: str, *messages: str, level: str = "INFO", at: datetime | None = None) -> list[Body]:
        """Store lines, a millisecond apart unless they are told a time."""
        for message in messages:
            seq = len(self.lines[job_id]) + 1
            moment = at or START + timedelta(milliseconds=seq)
            line = {"timestamp": moment.isoformat().replace("+00:00", "Z"), "level": level, "message": message}
            self.lines[job_id].append({**line, "context": None, **({"seq": seq} if self.additive else {})})
        return self.lines[job_id][-len(messages) :]

    def paths(self) -> list[str]:
        """What was asked: `GET /api/jobs`."""
        return [f"{request.method} {request.url.path}" for request in self.asked]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.before(request)
        if self.planned:
            planned = self.planned.popleft()
            if isinstance(planned, Exception):
                raise planned
            return planned
        match [unquote(part) for part in request.url.raw_path.decode().partition("?")[0].strip("/").split("/")]:
            case ["api", "jobs", "search"]:
                return self._search(request)
            case ["api", "jobs", "changes"] if self.feeds:
                return httpx.Response(
                    200, headers={"content-type": "text/event-stream"}, stream=Stream(self.feeds.popleft())
                )
            case ["api", "jobs", job_id] if job_id in self.jobs:
                return self._one(request, job_id)
            case ["api", "jobs", job_id, "logs"] if job_id in self.jobs:
                return self._logs(request, job_id)
            case ["api", "jobs", job_id, *_]:
                return problem(404, f"No job found with ID: {job_id}")
            case _:
                return problem(404, "Not Found")

    def _one(self, request: httpx.Request, job_id: str) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=self.jobs[job_id])
        del self.jobs[job_id]
        return httpx.Response(200, json={"job_id": job_id, "status": "deleted", "message": "Job deleted"})

    def _search(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        limit, offset = int(asked["limit"]), int(asked["offset"])
        before = asked.get("created_before", "9")
        found = [job for job in self.jobs.values() if job["created_at"] <= before]
        found.sort(key=lambda job: job["created_at"], reverse=True)
        if asked.get("q", "").startswith("id:"):
            found = [job for job in found if self.additive and job["job_id"].startswith(asked["q"][3:])]
        page = found[offset : offset + limit]
        more = offset + len(page) < len(found)
        meta = {"total": len(found), "limit": limit, "offset": offset, "has_more": more}
        facets: Body = {"by_status": {}, "by_type": {}}
        return httpx.Response(200, json={"data": page, "meta": meta, "aggregations": facets})

    def _logs(self, request: httpx.Request, job_id: str) -> httpx.Response:
        asked = request.url.params
        limit = int(asked.get("limit", 1000))
        since = datetime.fromisoformat(asked.get("since", START.isoformat()))
        found = [line for line in self.lines[job_id] if datetime.fromisoformat(line["timestamp"]) >= since]
        more: Body = {}
        if self.additive:
            found = [line for line in found if line["seq"] > int(asked.get("after", 0))]
            found = [line for line in found if asked.get("contains", "").lower() in line["message"].lower()]
            found = found[::-1] if asked.get("order") == "desc" else found
            more = {"total_lines": len(self.lines[job_id]), **self.log_state}
        page = found[:limit]
        body = {"job_id": job_id, "logs": page, "total": len(page), "has_more": len(found) > limit, **more}
        return httpx.Response(200, json=body)


def event(kind: str, version: int | None, data: Body) -> bytes:
    """A server-sent event."""
    place = "" if version is None else f"id: {version}\n"
    return f"event: {kind}\n{place}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
