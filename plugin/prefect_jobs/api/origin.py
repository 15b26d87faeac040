"""No other site may use this server through a visitor's browser.

A page of any site can send requests to a server on loopback, open its sockets, and, by pointing its own name at
127.0.0.1, even look like the same site (DNS rebinding). So every request must name a host that is ours, and every
unsafe method and every socket an ``Origin`` that is ours, where there is one: programs that are no browser send none.

Both are text of a stranger. What cannot be read as a host or an origin is refused before anything behind would try.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from prefect_jobs.api.problems import problem_answer
from prefect_jobs.settings import LOOPBACK_HOSTS

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
POLICY_VIOLATION = 1008
# A name or an IPv4 address, or an IPv6 address in brackets, and a port (RFC 9110, 7.2), in ASCII.
_HOST = re.compile(
    r"(?P<name>[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~%-]+)?\])(?::(?P<port>\d{0,5}))?", re.ASCII
)


def _host_name(host: str) -> str | None:
    """The name that this ``Host`` says, without brackets; None where it cannot be read."""
    found = _HOST.fullmatch(host)
    if found is None or int(found["port"] or 0) > 65_535:
        return None
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:  # in brackets, but no address
        return None


def _site(origin: str) -> str | None:
    """The host and port of this ``Origin``, empty where it has none (`null`); None where it cannot be read."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


class OriginGuard:
    """ASGI middleware that lets through only what comes from the server's own pages, or from no page.

    Args:
        app: the application behind it.
        bound_host: the address the server listens on. On loopback, only loopback names and the hosts of the allowed
            origins are accepted as ``Host``; on any other address every name is.
        allowed_origins: further origins, such as ``https://ops.example.org``.
    """

    def __init__(self, app: ASGIApp, *, bound_host: str, allowed_origins: Iterable[str] = ()) -> None:
        self._app = app
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        known = LOOPBACK_HOSTS | {urlsplit(origin).hostname or "" for origin in self._origins}
        self._hosts = known if bound_host in LOOPBACK_HOSTS else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            hosts, origin = headers.getlist("host"), headers.get("origin")
            host = hosts[0] if hosts else ""
            name, site = _host_name(host), None if origin is None else _site(origin)
            if name is None or len(hosts) > 1:
                return await self._refuse(scope, receive, send, 400, "The Host header cannot be read")
            if origin is not None and site is None:
                return await self._refuse(scope, receive, send, 400, "The Origin header cannot be read")
            if self._hosts is not None and name not in self._hosts:
                return await self._refuse(scope, receive, send, 403, f"Host {host!r} is not served here")
            guarded = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
            if guarded and origin is not None and origin.lower() not in self._origins and site != host.lower():
                return await self._refuse(scope, receive, send, 403, f"Origin {origin!r} may not use this server")
        return await self._app(scope, receive, send)

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
        if scope["type"] == "websocket":
            return await close_socket(receive, send, detail)
        await problem_answer(scope, status, detail)(scope, receive, send)


async def close_socket(receive: Receive, send: Send, reason: str) -> None:
    """Accept a socket and close it with 1008: of one that is refused, the browser's script would not see why."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason[:120]})
