"""States that a real stack cannot be put into cheaply: the jobs API of the contract, from memory, told what to say."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, StreamingResponse

from tests.ui.job_routes import JobRoutes
from tests.ui.log_double import by_level, matches, page

Job = dict[str, Any]


def job(job_id: str, status: str = "pending", *, age: float = 60.0, **fields: Any) -> Job:
    """A job on the wire, created `age` seconds ago."""
    created = datetime.now(UTC) - timedelta(seconds=age)
    started = None if status == "pending" else (created + timedelta(seconds=1)).isoformat()
    ended = (created + timedelta(seconds=32)).isoformat() if status in ("completed", "failed") else None
    known: Job = {
        "job_id": job_id, "job_type": "export", "status": status, "state": status, "progress": 0, "message": None,
        "created_at": created.isoformat(), "started_at": started, "completed_at": ended, "result": None, "error": None,
    }  # fmt: skip
    return {**known, "progress": 100 if status == "completed" else 0, **fields}


def job_type(name: str, title: str = "", schema: dict[str, Any] | None = None, *, can_start: bool = True) -> Job:
    """A type of jobs as the server lists it."""
    return {
        "name": name, "title": title or name.capitalize(), "description": f"What {name} does",
        "parameter_schema": schema, "deployments": [{"id": "1", "name": "api"}], "can_start": can_start,
    }  # fmt: skip


@dataclass
class ContractDouble:
    """Jobs, lines and the feed. Everything is changed from the server's own loop (see the `double` fixture)."""

    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    lines: dict[str, list[Job]] = field(default_factory=lambda: defaultdict(list[Job]))
    reasons: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Why jobs wait."""
    version: int = 0
    failing: bool = False
    status: dict[str, Any] = field(default_factory=lambda: {"prefect": "up", "behind_seconds": 0.0})
    readers: set[asyncio.Queue[str | None]] = field(default_factory=set[asyncio.Queue[str | None]])
    refuse_logs: bool = False
    incomplete_logs: set[str] = field(default_factory=set[str])
    """The jobs whose logs are still being copied."""
    log_sockets: dict[str, list[WebSocket]] = field(default_factory=lambda: defaultdict(list[WebSocket]))
    asked_logs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What was asked of logs, in order."""
    keys: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Names and roles by API key; with none, nobody signs in."""
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    asked_as: list[str] = field(default_factory=list[str])
    """Who asked for something, by name, in order."""
    asked: list[str] = field(default_factory=list[str])
    """Names of the routes that were asked, in order."""
    searches: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    timelines: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    acted: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What was done to which job."""
    started: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    start_errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    gates: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    """Routes by name whose answers wait for an event."""
    refusing: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """Routes by name that refuse, with status and detail."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """What `/detail` says of a job beyond the plain form."""
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    """What else happened to jobs, beside the changes of their status."""
    cut_histories: set[str] = field(default_factory=set[str])
    types: list[dict[str, Any]] = field(default_factory=lambda: [job_type("export", "Export"), job_type("cleanup")])
    buckets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    below: int = 0
    """So many completed jobs below those that are stored: for lists that are too long to be stored."""
    counted_at_most: int | None = None
    """From how many hits of a text on the total is a lower bound."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def ordered(self) -> list[Job]:
        """All jobs, newest first."""
        return sorted(self.jobs.values(), key=lambda job: (job["created_at"], job["job_id"]), reverse=True)

    def put(self, job: Job) -> None:
        """Store a job's newest state and tell the feed."""
        self.version += 1
        job["version"] = self.version
        self.jobs[job["job_id"]] = job
        self._tell(self._job_event(job))

    def change(self, job_id: str, **fields: Any) -> None:
        """Change some fields of a job."""
        self.put({**self.jobs[job_id], **fields})

    def complete(self, job_id: str, *, result: Any = None) -> None:
        """Let a job that runs come to its end."""
        ended = datetime.now(UTC).isoformat()
        self.change(job_id, status="completed", state="completed", progress=100, completed_at=ended, result=result)

    def delete(self, job_id: str) -> None:
        """Remove a job."""
        self.version += 1
        del self.jobs[job_id]
        self._tell(f"event: deleted\nid: {self.version}\ndata: {json.dumps({'job_id': job_id})}\n\n")

    def rebuild(self, *jobs: Job) -> None:
        """Begin a new index with these jobs, counting versions from 1 again."""
        self.jobs.clear()
        for version, job in enumerate(jobs, 1):
            self.jobs[job["job_id"]] = {**job, "version": version}
        self.version = len(jobs)
        self._tell(f"event: reset\nid: {self.version}\ndata: {{}}\n\n")

    def say_status(self, **status: Any) -> None:
        """Say how the feed is."""
        self.status.update(status)
        self._tell(self._status_event())

    def store_lines(self, job_id: str, *messages: str, level: str = "INFO") -> list[Job]:
        """Store log lines of a job without telling anybody."""
        new: list[Job] = []
        for message in messages:
            seq = len(self.lines[job_id]) + 1
            stamp = (datetime(2026, 3, 4, 8, 15, tzinfo=UTC) + timedelta(milliseconds=37 * seq)).isoformat()
            new.append(
                {"timestamp": stamp, "level": level, "message": message, "context": None, "seq": seq, "id": str(seq)}
            )
            self.lines[job_id].append(new[-1])
        return new

    async def log(self, job_id: str, *messages: str, level: str = "INFO") -> None:
        """Store log lines and send them to whoever follows the job."""
        for line in self.store_lines(job_id, *messages, level=level):
            for socket in self.log_sockets[job_id]:
                await socket.send_json({"type": "log", "data": line})

    async def say_position(self, job_id: str) -> None:
        """Tell the followers of a job that they have every line."""
        for socket in tuple(self.log_sockets[job_id]):
            await socket.send_json(self._position(job_id, complete=True))

    def _position(self, job_id: str, *, complete: bool) -> dict[str, Any]:
        lines = self.lines[job_id]
        last = lines[-1]["seq"] if lines else 0
        return {"type": "position", "seq": last, "total_lines": len(lines), "complete": complete}

    async def drop_log_sockets(self) -> None:
        """Cut every log connection."""
        for sockets in self.log_sockets.values():
            for socket in tuple(sockets):
                await socket.close(1012)

    def end_sessions(self) -> None:
        """End every session, and the streams it opened, as an API does whose sessions expire."""
        self.sessions.clear()
        self.end_streams()

    def end_streams(self) -> None:
        """End every reader's feed, as a stopping server does."""
        for reader in self.readers:
            reader.put_nowait(None)

    def app(self) -> FastAPI:
        """The routes of the contract that the page asks."""
        app = FastAPI()
        app.middleware("http")(self._ask_who)
        app.add_api_route("/api/session", self._sign_in, methods=["POST"])
        app.add_api_route("/api/session", self._sign_out, methods=["DELETE"], status_code=204)
        app.add_api_route("/api/session", self._who)
        app.add_api_route("/api/jobs", self._list)
        app.add_api_route("/api/jobs/changes", self._changes)
        JobRoutes(self).add_to(app)
        app.add_api_route("/api/jobs/{job_id}", self._job)
        app.add_api_route("/api/jobs/{job_id}/logs", self._logs)
        app.add_api_route("/api/jobs/{job_id}/logs/download", self._download)
        app.add_api_route("/api/exports/{name}", self._export)
        app.add_api_websocket_route("/ws/jobs/{job_id}/logs", self._follow)
        return app

    async def _ask_who(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if self.keys and "/api/" in path and not (path.endswith("/session") and request.method != "GET"):
            who = self.sessions.get(request.cookies.get("prefect_jobs_session", ""))
            if who is None:
                return JSONResponse({"detail": "API key required."}, 401)
            self.asked_as.append(who[0])
        return await answer(request)

    async def _who(self, request: Request) -> dict[str, Any]:
        if not self.keys:
            return {"name": None, "role": "admin", "sign_in": False}
        name, role = self.sessions[request.cookies["prefect_jobs_session"]]
        return {"name": name, "role": role, "sign_in": True}

    async def _sign_in(self, body: dict[str, str], response: Response) -> dict[str, Any]:
        if body["api_key"] == "too-often":
            raise HTTPException(429, headers={"Retry-After": "42"})
        if body["api_key"] not in self.keys:
            raise HTTPException(401, "Invalid API key")
        token = f"session-{len(self.sessions) + 1}-of-{body['api_key']}"
        self.sessions[token] = self.keys[body["api_key"]]
        response.set_cookie("prefect_jobs_session", token, httponly=True, samesite="strict")
        return {}

    async def _sign_out(self, request: Request, response: Response) -> None:
        self.sessions.pop(request.cookies.get("prefect_jobs_session", ""), None)
        response.delete_cookie("prefect_jobs_session", httponly=True, samesite="strict")

    def _tell(self, text: str) -> None:
        for reader in self.readers:
            reader.put_nowait(text)

    def _job_event(self, job: Job) -> str:
        told = {key: value for key, value in job.items() if key != "result"}
        return f"event: job\nid: {job['version']}\ndata: {json.dumps(told)}\n\n"

    def _status_event(self) -> str:
        return f"event: status\ndata: {json.dumps({**self.status, 'version': self.version})}\n\n"

    def _check(self) -> None:
        if self.failing:
            raise HTTPException(500, "planned failure")

    async def _list(self, limit: int = 50, offset: int = 0) -> dict[str, Any]:
        self._check()
        ordered = self.ordered()
        page = ordered[offset : offset + limit]
        pagination = {
            "total": len(ordered),
            "limit": limit,
            "offset": offset,
            "has_more": offset + len(page) < len(ordered),
        }
        return {"items": page, "pagination": pagination}

    async def _job(self, job_id: str) -> Job:
        if "job" in self.gates:
            await self.gates["job"].wait()
        if "job" in self.refusing:
            raise HTTPException(*self.refusing["job"])
        self._check()
        if job_id not in self.jobs:
            raise HTTPException(404, f"No job found with ID: {job_id}")
        return self.jobs[job_id]

    async def _logs(
        self, job_id: str, level: str = "", contains: str = "", since: str = "", after: int | None = None,
        before: int | None = None, order: str = "asc", limit: int = 1000,
    ) -> dict[str, Any]:  # fmt: skip
        query = {"level": level, "contains": contains, "since": since, "after": after, "before": before}
        if "logs" in self.gates:
            await self.gates["logs"].wait()
        self.asked_logs.append({"job_id": job_id, "order": order, "limit": limit, **query})
        self._check()
        stored = self.lines[job_id]
        shown, has_more = page(stored, level=level, contains=contains, since=since.replace("Z", "+00:00"), after=after,
                               before=before, order=order, limit=limit)  # fmt: skip
        complete = job_id not in self.incomplete_logs
        return {
            "job_id": job_id, "logs": shown, "total": len(shown), "has_more": has_more, "total_lines": len(stored),
            "complete": complete, "as_of": None, "by_level": by_level(stored),
        }  # fmt: skip

    async def _download(self, job_id: str, level: str = "", contains: str = "", format: str = "txt") -> Response:
        lines = [line for line in self.lines[job_id] if matches(line, level, contains)]
        text = "".join(f"{line['timestamp']} {line['level']:<7} {line['message']}\n" for line in lines)
        return Response(
            text,
            media_type="text/plain",
            headers={"Content-Disposition": f'attachment; filename="{job_id}.{format}"'},
        )

    async def _export(self, name: str) -> Response:
        return Response(
            "a,b\r\n", media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    async def _changes(self, after: int | None = None) -> StreamingResponse:
        self._check()

        async def stream() -> AsyncIterator[str]:
            queue: asyncio.Queue[str | None] = asyncio.Queue()
            self.readers.add(queue)
            try:
                for job in list(self.jobs.values()) if after is not None else []:
                    if job["version"] > (after or 0):
                        yield self._job_event(job)
                yield self._status_event()
                while (text := await queue.get()) is not None:
                    yield text
            finally:
                self.readers.discard(queue)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def _follow(self, websocket: WebSocket, job_id: str, after: int = 0) -> None:
        if self.refuse_logs:
            await websocket.close(1008)
            return
        await websocket.accept()
        stored = self.lines[job_id]
        for line in stored:
            if line["seq"] > after:
                await websocket.send_json({"type": "log", "data": line})
        self.log_sockets[job_id].append(websocket)
        await websocket.send_json(self._position(job_id, complete=False))
        try:
            while True:
                await websocket.receive_text()
        except (WebSocketDisconnect, RuntimeError):  # closed by the page, or by `drop_log_sockets`
            pass
        finally:
            self.log_sockets[job_id].remove(websocket)
