"""No other site may use this server through a visitor's browser.

A page of any site can send requests to a server on loopback, open its sockets, and, by pointing its own name at
127.0.0.1, even look like the same site (DNS rebinding). So every request must name a host that is ours, and every
unsafe method and every socket an ``Origin`` that is ours, where there is one: programs that are no browser send none.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from prefect_jobs.api.problems import problem_answer
from prefect_jobs.settings import LOOPBACK_HOSTS

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
POLICY_VIOLATION = 1008


def _host_name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower()


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
        known = LOOPBACK_HOSTS | {_host_name(urlsplit(origin).netloc) for origin in self._origins}
        self._hosts = known if bound_host in LOOPBACK_HOSTS else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if self._hosts is not None and _host_name(host) not in self._hosts:
                return await self._refuse(scope, receive, send, f"Host {host!r} is not served here")
            origin = headers.get("origin")
            guarded = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
            if guarded and origin is not None and not self._is_ours(origin, host):
                return await self._refuse(scope, receive, send, f"Origin {origin!r} may not use this server")
        return await self._app(scope, receive, send)

    def _is_ours(self, origin: str, host: str) -> bool:
        return origin.lower() in self._origins or urlsplit(origin).netloc.lower() == host.lower()

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, detail: str) -> None:
        if scope["type"] == "websocket":
            return await close_socket(receive, send, detail)
        await problem_answer(scope, 403, detail)(scope, receive, send)


async def close_socket(receive: Receive, send: Send, reason: str) -> None:
    """Accept a socket and close it with 1008: of one that is refused, the browser's script would not see why."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason[:120]})
