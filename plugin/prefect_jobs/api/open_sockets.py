"""What every socket of the API does beside its own frames (contract 9): pings, answers to the client's frames, the
idle rule, an end when the server stops.

A client that does not take what it is sent holds up its own socket only: sending waits for it, in a task of its own,
and so long only; what it has not been sent yet is kept for nobody.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

NORMAL = 1000
GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013
PREVIEW = 100
SUPPORTED_TYPES = ("ping", "pong", "subscribe", "unsubscribe")
CLOSE_WITHIN = 1.0
"""Seconds that a closing frame may take: a client that takes nothing takes no such frame either."""


@dataclass(frozen=True, slots=True)
class SocketPace:
    """The times of a socket, in seconds."""

    ping_every: float = 30.0
    idle_limit: float = 300.0
    position_every: float = 5.0
    send_limit: float = 30.0
    """How long a frame may wait for a client that does not read. Then its socket is closed with 1013."""


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
    except (ValueError, RecursionError):
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


def as_text(frame: dict[str, Any]) -> str:
    """A frame as it goes over a socket."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


class OpenSockets:
    """The sockets that are open now, so that a server that stops can say goodbye to them."""

    def __init__(self, pace: SocketPace | None = None) -> None:
        self.pace = pace or SocketPace()
        self.closing = asyncio.Event()
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    def __len__(self) -> int:
        return self._open

    def close(self) -> None:
        """Let every socket end with 1001."""
        self.closing.set()

    async def wait_closed(self, timeout: float) -> None:
        """Wait until the last socket has said goodbye, but no longer than so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._none_open.wait()

    def enter(self) -> None:
        """One more is open."""
        self._open += 1
        self._none_open.clear()

    def leave(self) -> None:
        """One is open no more."""
        self._open -= 1
        if self._open == 0:
            self._none_open.set()


class TooSlow(Exception):
    """The client does not take what it is sent."""


class OpenSocket:
    """One accepted socket."""

    def __init__(self, socket: WebSocket, sockets: OpenSockets) -> None:
        self._socket = socket
        self._sockets = sockets
        self._pace = sockets.pace
        self._sending = asyncio.Lock()

    async def send(self, frame: dict[str, Any]) -> None:
        """Send a frame.

        Raises:
            TooSlow: the client does not take it.
        """
        await self.send_text(as_text(frame))

    async def send_text(self, text: str) -> None:
        """Send a frame that is text already; see ``send``."""
        try:
            async with asyncio.timeout(self._pace.send_limit), self._sending:
                await self._socket.send_text(text)
        except TimeoutError as error:
            raise TooSlow from error

    async def serve(self, *works: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Accept the socket, do these works and answer frames, until the client leaves or the server stops."""
        await self._socket.accept()
        self._sockets.enter()
        tasks = [asyncio.create_task(work()) for work in (*works, self._answer, self._ping, self._goodbye)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end([error for task in done if (error := task.exception())])
        finally:
            for task in tasks:
                task.cancel()
            self._sockets.leave()

    async def _end(self, errors: list[BaseException]) -> None:
        for error in errors:
            if isinstance(error, TooSlow):
                await self._close(TRY_AGAIN_LATER, "Too slow")
            # A client that is gone is no error, however the server noticed.
            elif not isinstance(error, (WebSocketDisconnect, RuntimeError)):
                raise error

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._socket.close(code, reason)

    async def _answer(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._pace.idle_limit):
                    text = await self._socket.receive_text()
            except TimeoutError:
                await self._close(NORMAL, "Idle timeout")
                return
            except KeyError:
                answer: dict[str, Any] | None = _error("invalid_json", "Message must be text")
            else:
                answer = answer_to(text)
            if answer is not None:
                await self.send(answer)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._pace.ping_every)
            await self.send({"type": "ping"})

    async def _goodbye(self) -> None:
        await self._sockets.closing.wait()
        await self._close(GOING_AWAY, "The server stops")
