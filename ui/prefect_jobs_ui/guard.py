"""What Panel's and Bokeh's routes leave open, closed before a request reaches them.

bokeh-fastapi never calls its own origin check, so any site a user visits could open the page's socket; browsers keep
the bundle without asking again, so that an upgrade would draw new data with old code; and a host or an address that
cannot be read ends in a traceback. Every answer, files and refusals too, says which type it has and who may frame it,
and carries a policy that keeps the browser on this host.

And it is the page's door: where the API asks for a session, who has none gets the form to sign in, and no socket.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_jobs_ui.adapter import SESSION_COOKIE, SignedOut
from prefect_jobs_ui.list_filter import ListFilter
from prefect_jobs_ui.viewers import VISIT, Viewers

# Bokeh starts its document from inline scripts and installs inline styles; Panel imports components through blob URLs.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors"
)
# What an API can have given: anything else has no place in the header that asks it.
_TOKEN = re.compile(r"[\w.~+/=-]{1,200}", re.ASCII)
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
        viewers: Viewers,
        sign_in_form: Callable[[bool], str],
        allowed_origins: Sequence[str] = (),
        policy: str = content_security_policy(),
    ) -> None:
        self._app = app
        self._viewers = viewers
        self._headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        if policy.endswith("frame-ancestors 'self'"):  # which browsers of long ago do not know
            self._headers["X-Frame-Options"] = "SAMEORIGIN"
        self._form = sign_in_form
        self._page = path
        # Where the page's answers come from, and how long a browser may keep them; the first that fits counts.
        self._ours: tuple[tuple[str, str | None], ...] = (
            (f"{path}/assets/", None),
            (f"{path}/", "no-store"),
            ("/components/", "no-cache"),
            ("/static/", None),
        )
        self._open = (f"{path}/assets/", f"{path}/alive")
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what must not pass, and mark what may not be kept."""
        path = _route_path(scope)
        ours = next((keep for begin, keep in self._ours if f"{path}/".startswith(begin)), "")
        if scope["type"] not in ("http", "websocket") or ours == "":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        send = _with_headers(send, self._headers if ours is None else {**self._headers, "Cache-Control": ours})
        if not _readable(headers.get("host", "")) or "\0" in path:
            return await _refuse(scope, receive, send, 400, "The address or the host of this request cannot be read.")
        if scope["type"] == "websocket" and not self._may_open(headers):
            return await _refuse(scope, receive, send, 403, "")
        if (path == self._page or path.startswith(f"{self._page}/")) and not path.startswith(self._open):
            return await self._visit(scope, receive, send)
        await self._app(scope, receive, send)

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a viewer in; the document that is made for him reads from `VISIT` who he is."""
        token = _session_token(Headers(scope=scope))
        said = _arguments(scope)
        try:
            visit = await self._viewers.visit(
                token, ListFilter.of_words(said.get("q"), said.get("status"), said.get("type"))
            )
        except SignedOut:
            if scope["type"] == "websocket":
                return await _refuse(scope, receive, send, 403, "")
            return await HTMLResponse(self._form(token is not None), 401)(scope, receive, send)
        VISIT.set(replace(visit, arguments=said))
        await self._app(scope, receive, send)

    def _may_open(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:  # no browser: nobody's cookies or network position can be borrowed
            return True
        scheme, _, named = origin.lower().partition("://")
        host = headers.get("host", "").lower()
        return origin.lower() in self._origins or (scheme in ("http", "https") and bool(host) and named == host)


def _arguments(scope: Scope) -> Mapping[str, str]:
    """What the page's address says. A tab's socket says nothing there: its list is asked for by the tab."""
    if scope["type"] != "http":
        return {}
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    return dict(reversed(parse_qsl(query)))  # of a name that stands there twice the first counts, as in browsers


def _session_token(headers: Headers) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    for item in ";".join(headers.getlist("cookie")).split(";"):
        with contextlib.suppress(CookieError):  # of another application on this host
            cookies.load(item)
    token = cookies[SESSION_COOKIE].value if SESSION_COOKIE in cookies else ""
    return token if _TOKEN.fullmatch(token) else None


def _readable(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").port is not False
    except ValueError:
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, said: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # the connect message; closing before accepting answers 403
        return await send({"type": "websocket.close", "code": 1008})
    await PlainTextResponse(said, status)(scope, receive, send)


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
