"""One line of JSON for each request, and an id that ties it to what the client saw and to the server's log.

A line names the path's template, never the path or its query: those hold ids, search words and keys. Whatever else
writes to the log (uvicorn, websockets, httpx) may quote an address; ``MaskSecrets`` blackens the keys in it.
"""

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_jobs.api.caller import SCOPE_KEY, Caller
from prefect_jobs.api.metrics import Metrics, known_method, route_template
from prefect_jobs.api.problems import REQUEST_ID

access = logging.getLogger("prefect_jobs.access")

HEADER = "X-Request-ID"
_GOOD_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
ABNORMAL = 1006
"""The code of a socket that ended without a closing frame."""

MASK = "***"
_SECRETS = re.compile(
    r"((?:\bapi_key|\btoken|\bprefect_jobs_session)=)[^&\s\"';,]+"
    r"|(\bapi-key\.)[A-Za-z0-9._~+-]+"
    r"|(\bx-api-key\"?'?\s*[:=,]\s*b?[\"']?)[^\s\"',;]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text with every key and session token in it replaced by stars."""
    return _SECRETS.sub(lambda found: next(group for group in found.groups() if group) + MASK, text)


class MaskSecrets(logging.Filter):
    """Blackens keys in what passes a handler, whoever wrote it, tracebacks included."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything pass, without secrets."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return True  # the handler complains about such a record itself
        if (clean := masked(message)) != message:
            record.msg, record.args = clean, None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = masked(record.exc_text)
        return True


def write_logs_without_secrets() -> None:
    """Send the access log to standard output, and blacken the keys in what any handler of this process writes."""
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    access.addHandler(lines)
    access.setLevel(logging.INFO)
    access.propagate = False
    known = [logging.getLogger(name) for name in ("", *logging.Logger.manager.loggerDict)]
    handlers = {handler for logger in known for handler in logger.handlers}
    # What nobody handles is written by the last resort.
    for handler in (*handlers, *filter(None, [logging.lastResort])):
        handler.addFilter(MaskSecrets())


class AccessLog:
    """ASGI middleware around everything: names each request, measures it, and writes its line at its end."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, writes: bool = True) -> None:
        self._app = app
        self._metrics = metrics
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        asked = Headers(scope=scope).get(HEADER, "")
        scope[REQUEST_ID] = asked if _GOOD_ID.fullmatch(asked) else uuid4().hex
        on_socket = scope["type"] == "websocket"
        status = ABNORMAL if on_socket else 500
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept"):
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = scope[REQUEST_ID]
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        async def hearing() -> Message:
            nonlocal status
            message = await receive()
            if message["type"] == "websocket.disconnect" and status == ABNORMAL:
                status = message.get("code", ABNORMAL)
            return message

        if on_socket:
            self._metrics.sockets.inc()
        try:
            await self._app(scope, hearing if on_socket else receive, noting)
        finally:
            seconds = time.perf_counter() - began
            if on_socket:
                self._metrics.sockets.dec()
            else:
                self._metrics.observe(scope, status, seconds)
            if self._writes:
                self._write(scope, status, seconds)

    @staticmethod
    def _write(scope: Scope, status: int, seconds: float) -> None:
        caller: Caller | None = scope.get(SCOPE_KEY)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": "WEBSOCKET" if scope["type"] == "websocket" else known_method(scope),
            "route": route_template(scope),
            "status": status,
            "ms": round(seconds * 1000, 2),
            "request_id": scope[REQUEST_ID],
            "caller": caller.name if caller else None,
        }
        access.info("%s", json.dumps(line, ensure_ascii=False))
