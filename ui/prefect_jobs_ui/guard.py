"""What Panel's and Bokeh's routes leave open, closed before a request reaches them.

Three holes: bokeh-fastapi never calls its own origin check, so any site a user visits could open the page's socket;
Panel's component route imports whichever module its URL names; and browsers keep the bundle without asking again, so
that an upgrade would draw new data with old code. The answers also carry a policy that keeps the browser on this host.

And it is the page's door: where the API asks for a session, who has none gets the form to sign in, and no socket.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_jobs_ui.adapter import SESSION_COOKIE, SignedOut
from prefect_jobs_ui.hub import EVERYTHING
from prefect_jobs_ui.list_filter import ListFilter
from prefect_jobs_ui.viewers import VISIT, Viewers

# Bokeh starts its document from inline scripts and installs inline styles; Panel imports components through blob URLs.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors"
)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d+)?/?")


def content_security_policy(frame_origins: Sequence[str] = ()) -> str:
    """What the browser may load for the page, and whose pages may show it in a frame.

    Raises:
        ValueError: one of them is no origin.
    """
    for origin in frame_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"This is no origin, a scheme and a host: {origin!r}")
    return " ".join([_POLICY, "'self'", *(origin.rstrip("/") for origin in frame_origins)])


class PageGuard:
    """ASGI middleware in front of the page's own routes; everything else passes untouched.

    `sign_in_form` draws the form; it is told whether the visitor had a session, which must be over then.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        components: str,
        viewers: Viewers,
        sign_in_form: Callable[[bool], str],
        allowed_origins: Sequence[str] = (),
        policy: str = content_security_policy(),
    ) -> None:
        self._app = app
        self._viewers = viewers
        self._headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        self._form = sign_in_form
        self._open = (f"{path}/assets/", f"{path}/alive")
        self._page = path
        self._socket = f"{path}/ws"
        self._components = components
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what must not pass, and mark what may not be kept."""
        path = _route_path(scope)
        if scope["type"] == "websocket" and path == self._socket and not self._may_open(Headers(scope=scope)):
            await receive()  # the connect message; closing before accepting answers 403
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http" and path.startswith("/components/"):
            if path.startswith(self._components):
                await self._app(scope, receive, _with_headers(send, {"Cache-Control": "no-cache"}))
            else:
                await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)
        elif scope["type"] == "http" and path == self._page:
            await self._visit(scope, receive, _with_headers(send, self._headers))
        elif path.startswith(f"{self._page}/") and not path.startswith(self._open):
            await self._visit(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a viewer in; the document that is made for him reads from `VISIT` who he is."""
        token = _session_token(Headers(scope=scope))
        try:
            visit = await self._viewers.visit(token, _filter_of(scope))
        except SignedOut:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            else:
                form = self._form(token is not None)
                await HTMLResponse(form, 401)(scope, receive, _with_headers(send, self._headers))
            return
        VISIT.set(visit)
        await self._app(scope, receive, send)

    def _may_open(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:  # no browser: nobody's cookies or network position can be borrowed
            return True
        host = headers.get("host", "").lower()
        return origin.lower() in self._origins or (bool(host) and urlsplit(origin).netloc.lower() == host)


def _filter_of(scope: Scope) -> ListFilter:
    if scope["type"] != "http":  # a tab's socket: its list is asked for by the tab
        return EVERYTHING
    return ListFilter.of_query(bytes(scope.get("query_string", b"")).decode("latin-1"))


def _session_token(headers: Headers) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    for item in ";".join(headers.getlist("cookie")).split(";"):
        with contextlib.suppress(CookieError):  # of another application on this host
            cookies.load(item)
    return cookies[SESSION_COOKIE].value if SESSION_COOKIE in cookies else None


def _route_path(scope: Scope) -> str:
    path = str(scope.get("path", ""))
    root = str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = MutableHeaders(scope=message)
            for name, value in headers.items():
                kept[name] = value
        await send(message)

    return send_with_headers
