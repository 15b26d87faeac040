"""Live log lines over a WebSocket (contract 9, 16.5).

A viewer gets what is stored from ``after`` on and then follows, by the number of the last line it was sent: a viewer
that reads slowly holds back nobody, and no line can be sent twice or left out.
"""

import asyncio
import contextlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.wire import level_name, with_offset
from prefect_jobs.store import StoredLine

router = APIRouter()

PING_EVERY = 30.0
IDLE_LIMIT = 300.0
POSITION_EVERY = 5.0
PAGE = 500
PREVIEW = 100
SUPPORTED_TYPES = ("ping", "pong", "subscribe", "unsubscribe")


class ClientFrame(BaseModel):
    """A frame from the client; further fields are allowed and ignored."""

    type: str = Field(min_length=1, max_length=50)


def _error(code: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "error", "error": code, "message": message, "details": details}


def answer_to(text: str) -> dict[str, Any] | None:
    """The frame that answers this one from the client, or None when none is due."""
    if text.strip().lower() == "ping":
        return {"type": "pong"}
    try:
        data = json.loads(text)
    except ValueError:
        return _error("invalid_json", "Message must be valid JSON", {"raw_data_preview": text[:PREVIEW]})
    try:
        kind = ClientFrame.model_validate(data).type.lower()
    except ValidationError as error:
        problems = [
            {"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]}
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        return _error("invalid_message_format", "Message must have a type", {"validation_errors": problems})
    if kind == "ping":
        return {"type": "pong"}
    if kind in SUPPORTED_TYPES:
        return None
    return _error("unknown_message_type", f"Unknown message type: {kind}", {"supported_types": list(SUPPORTED_TYPES)})


def log_frame(line: StoredLine) -> dict[str, Any]:
    """The frame of one stored line: the same bytes each time it is sent."""
    return {
        "type": "log",
        "data": {
            "timestamp": with_offset(line.timestamp),
            "level": level_name(line.level),
            "message": line.message,
            "context": None,
            "attempt_number": line.attempt,
            "seq": line.seq,
            "id": line.line_id,
        },
    }


class Viewer:
    """One open log socket."""

    def __init__(self, socket: WebSocket, adapter: Adapter, job_id: str, after: int) -> None:
        self._socket = socket
        self._adapter = adapter
        self._job_id = job_id
        self._sent = after
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Send lines and answer frames until the client leaves."""
        tasks = [
            asyncio.create_task(work(), name=f"log viewer of {self._job_id}")
            for work in (self._send_lines, self._answer, self._ping)
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            error = task.exception()
            # A client that is gone is no error, however the server noticed.
            if error is not None and not isinstance(error, (WebSocketDisconnect, RuntimeError)):
                raise error

    async def _send(self, frame: dict[str, Any]) -> None:
        async with self._sending:
            await self._socket.send_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def _send_lines(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._adapter.tails.watch(self._job_id) as watch:
            position_due = loop.time()
            while True:
                news = watch.mark()
                while lines := await self._adapter.logs.behind(self._job_id, self._sent, limit=PAGE):
                    for line in lines:
                        await self._send(log_frame(line))
                    self._sent = lines[-1].seq
                if loop.time() >= position_due:
                    await self._send(await self._position())
                    position_due = loop.time() + POSITION_EVERY
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, position_due - loop.time())):
                        await news.wait()

    async def _position(self) -> dict[str, Any]:
        total = (await self._adapter.logs.position(self._job_id)).last_seq
        job = await self._adapter.index.get(self._job_id)
        settled = await self._adapter.logs.settled(self._job_id)
        complete = job is not None and settled is not None and settled == job.completed_at
        return {"type": "position", "seq": self._sent, "total_lines": total, "complete": complete}

    async def _answer(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_LIMIT):
                    text = await self._socket.receive_text()
            except TimeoutError:
                await self._socket.close(1000, "Idle timeout")
                return
            except KeyError:
                answer: dict[str, Any] | None = _error("invalid_json", "Message must be text", None)
            else:
                answer = answer_to(text)
            if answer is not None:
                await self._send(answer)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY)
            await self._send({"type": "ping"})


@router.websocket("/ws/jobs/{job_id}/logs")
async def job_logs(
    socket: WebSocket, adapter: TheAdapter, job_id: str, after: Annotated[int, Query(ge=0, le=2**31)] = 0
) -> None:
    """Replay a job's stored lines behind ``after``, then follow its log."""
    await socket.accept()
    await Viewer(socket, adapter, job_id, after).serve()
