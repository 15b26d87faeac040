"""Connections that ask nothing must not keep others from asking.

Uvicorn waits for the head of a request for ever, and for a client to take its answer too, and a process may hold only
so many descriptors: with as many silent connections nobody else is answered, and no database is opened either. So a
head must be whole in time, an answer must be taken in time, and there is a limit of connections below the limit of
descriptors. At the limit a new connection takes the place of the one that has kept the server waiting for longest; only
where every connection is being served it is told to come again.
"""

import asyncio
import json
import logging
import resource
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from prefect_jobs.settings import Settings

logger = logging.getLogger(__name__)

HEAD_BYTES = 64 * 1024
"""Bytes of a head that is not whole yet. A whole one has the limits of `limits.py`."""
SOCKET_FRAME = 2**20
"""Bytes that a client may send on a socket at a time."""
NO_TEXT = 1007
DESCRIPTORS_MOST = 65_536
"""Descriptors that this process asks for: where a machine allows a billion, nobody wants tables of that size."""
BACKLOG = 2048
"""Connections that the system keeps until they are let in. All of them are let in at once, before one is looked at."""
DESCRIPTORS_SPARE = 128 + BACKLOG
"""Descriptors for everything else: those just let in, databases, Prefect, files. Of a small limit, a quarter."""
PARTING = 5.0
"""Seconds that the last words on a connection may take to be read."""
SAID_AGAIN = 60.0
"""Seconds in which one and the same thing is said once in the log."""

Wait = Literal["silent", "idle", "leaving", "stalled"]
"""What the server waits for: a first request, a further one, an end, an answer being taken. The first goes first."""
_WAITS: tuple[Wait, ...] = ("silent", "idle", "leaving", "stalled")


def raise_descriptor_limit() -> int:
    """Let this process hold as many descriptors as it may, and say how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MOST if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def spare_descriptors(descriptors: int) -> int:
    """How many of so many descriptors are left to everything that is no connection."""
    return min(DESCRIPTORS_SPARE, descriptors // 4)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection may keep the server waiting, in seconds, and how many there may be."""

    head: float = 15.0
    answer: float = 60.0
    connections: int = 10_000

    @classmethod
    def of(cls, settings: Settings) -> "Patience":
        """What the settings say."""
        return cls(settings.head_timeout, settings.send_timeout, settings.connection_limit)


class Door:
    """What the connections of one server share: how many there are, and which of them keep it waiting."""

    def __init__(self, patience: Patience, *, descriptors: int) -> None:
        self.patience = patience
        self._beyond = descriptors - spare_descriptors(descriptors)
        self._most = patience.connections
        self._open: set[Connection] = set()
        self._waiting: dict[Wait, dict[Connection, None]] = {wait: {} for wait in _WAITS}
        self._said: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: "Connection", descriptor: int) -> bool:
        """One more connection; False where there is no place for it, which it must be told."""
        self._open.add(connection)
        # The system gives out the smallest number that is free, so it tells how many are in use, whoever uses them.
        # Where they run short, as many connections as there are now are the most, until half of them are gone.
        if descriptor >= self._beyond:
            self._most = min(self._most, len(self._open) - 1)
        elif len(self._open) < self._most // 2:
            self._most = self.patience.connections
        if len(self._open) <= self._most:
            return True
        what = "connections" if self._most == self.patience.connections else "descriptors"
        self.say(
            f"The limit of {what} is reached with {len(self._open)} connections: those that ask nothing make room for "
            "new ones (PREFECT_JOBS_CONNECTION_LIMIT, ulimit -n)"
        )
        for wait in _WAITS:
            for other in self._waiting[wait]:
                if other is not connection:
                    other.drop()
                    return True
        return False

    def leave(self, connection: "Connection") -> None:
        """One connection less."""
        self._open.discard(connection)
        self.waits(connection, None)

    def waits(self, connection: "Connection", what: Wait | None) -> None:
        """Note that from now on the server waits for this from that client, or for nothing."""
        for waiting in self._waiting.values():
            waiting.pop(connection, None)
        if what is not None and connection in self._open:
            self._waiting[what][connection] = None

    def say(self, text: str) -> None:
        """Warn of something that may happen a thousand times a second."""
        kind, now = text.partition(" with ")[0], time.monotonic()
        if now - self._said.get(kind, -SAID_AGAIN) >= SAID_AGAIN:
            self._said[kind] = now
            logger.warning("%s", text)


class Connection:
    """What connections of both protocols have in common: a place at the door, and a client that must read."""

    door: Door
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _unread: asyncio.TimerHandle | None = None
    _parting: asyncio.TimerHandle | None = None

    def drop(self) -> None:
        """End this connection at once, whatever is on its way."""
        self.door.leave(self)
        self.transport.abort()

    def part(self) -> None:
        """End this connection when the client has read what it was sent, but soon."""
        self.transport.close()
        self._parted(PARTING)

    def gone(self) -> None:
        """Forget this connection."""
        self.door.leave(self)
        for timer in (self._unread, self._parting):
            if timer is not None:
                timer.cancel()
        self._unread = self._parting = None

    def _parted(self, patience: float) -> None:
        """Closed by us, it stays open until the client has read what it was sent."""
        self.door.waits(self, "leaving")
        if self._parting is None:
            self._parting = self.loop.call_later(patience, self.transport.abort)

    def _reads_nothing(self) -> None:
        self.door.waits(self, "stalled")
        self._unread = self.loop.call_later(self.door.patience.answer, self._unread_for_long)

    def _reads(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
            self.door.waits(self, None)

    def _unread_for_long(self) -> None:
        self.door.say(f"An answer was not taken for {self.door.patience.answer:g} s: its connection is closed")
        self.drop()


class HttpConnection(Connection, HttpToolsProtocol):
    """Uvicorn's protocol with an end to its patience."""

    _head_due: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = False
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn
        """See asyncio."""
        super().connection_made(transport)
        if not self.door.enter(self, transport.get_extra_info("socket").fileno()):
            return self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections - try again shortly")
        self.door.waits(self, "silent")
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.gone()
        self._head_is_whole()
        if self._answering is not None:
            # Uvicorn tells the last request of a pipeline, which need not have begun.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                detail = f"The request's head has more than {HEAD_BYTES} bytes"
                self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        if not self._serving:
            # A head is on its way, or what is left of a body that nobody wants any more.
            self._await_head()

    @property
    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]  # None at first

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        self._head_is_whole()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See httptools."""
        super().on_message_complete()
        if self._serving:
            self.door.waits(self, None)

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._parted(self.door.patience.answer)
        elif not self.pipeline:
            self.door.waits(self, "idle")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """See uvicorn. What is written to a connection that just ended is an error, in the log with its traceback."""
        self._answering = cycle

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            async def send_where_heard(message: Any) -> None:
                if self.transport.is_closing() and not cycle.response_complete:
                    cycle.disconnected = True
                await send(message)

            await app(scope, receive, send_where_heard)

        super()._start_asgi_task(cycle, serve)

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn."""
        self.door.leave(self)
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn."""
        self.refuse(HTTPStatus.BAD_REQUEST, "The request cannot be read")

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn."""
        if not self.transport.is_closing():
            self.part()

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._reads_nothing()

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        self._reads()

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer without the application, and end the connection."""
        self._head_is_whole()
        if self._serving:
            return self.drop()  # another answer is on its way: this one would stand in the middle of it
        problem = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            "instance": "",
        }
        body = json.dumps(problem).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
            *([(b"retry-after", b"1")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        ]
        lines = [STATUS_LINE[status], *(name + b": " + value + b"\r\n" for name, value in headers)]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.part()

    def _await_head(self) -> None:
        if self._head_due is None and self.timeout_keep_alive_task is None:
            self._head_due = self.loop.call_later(self.door.patience.head, self._head_overdue)

    def _head_is_whole(self) -> None:
        self._head_bytes = 0
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _head_overdue(self) -> None:
        self._head_due = None
        if not self._in_head:
            return self.part()  # browsers open connections ahead: nothing to tell
        patience = self.door.patience.head
        self.door.say(f"A request's head was not whole within {patience:g} s: its connection is closed")
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, f"The request's head was not whole within {patience:g} s")


class SocketConnection(Connection, WebSocketsSansIOProtocol):
    """Uvicorn's protocol for WebSockets with an end to its patience."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)
        self.door.enter(self, -1)  # its descriptor was let in already

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.gone()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._reads_nothing()

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        self._reads()

    async def send(self, message: Any) -> None:
        """See ASGI."""
        if self.transport.is_closing() and not self.close_sent:
            self.disconnected = True
        await super().send(message)
        if message["type"] == "websocket.close":
            self._parted(self.close_timeout + PARTING)

    def handle_connect(self, event: Request) -> None:
        """See uvicorn. Its library repeats a header that it does not like, and stumbles over what is no text in it."""
        try:
            super().handle_connect(event)
        except UnicodeError:
            self._unreadable()

    def data_received(self, data: bytes) -> None:
        """See asyncio. Of a head that its library cannot read, uvicorn hears nothing, and waits for ever."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._unreadable()

    def handle_parser_exception(self) -> None:
        """See uvicorn, which takes it for granted that the handshake is over when a frame comes."""
        if self.conn.close_sent is None:
            return self.drop()
        super().handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        """See uvicorn, which tells of text that is none with a traceback."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.frames = []
            if self.conn.state is State.OPEN:
                self.conn.send_close(NO_TEXT)
                super().handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def _unreadable(self) -> None:
        if self.transport.is_closing():
            return
        self.handshake_complete = self.close_sent = True
        self.transport.write(STATUS_LINE[400] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.part()


def server_config(app: ASGIApp, settings: Settings, *, grace: int) -> uvicorn.Config:
    """How uvicorn serves: with patience for no stranger, and with `grace` seconds for those it serves when it stops."""
    descriptors = raise_descriptor_limit()
    door = {"door": Door(Patience.of(settings), descriptors=descriptors)}
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=type("Http", (HttpConnection,), door),
        ws=type("Socket", (SocketConnection,), door),
        lifespan="on",
        access_log=False,
        log_level="warning",
        # Whoever reaches the port could say that they are anybody else: only proxies that were named are believed.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        backlog=min(BACKLOG, spare_descriptors(descriptors) // 2),
        timeout_graceful_shutdown=grace,
        ws_max_size=SOCKET_FRAME,
    )
