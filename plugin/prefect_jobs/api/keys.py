"""The door of the API when keys are on (contract 1.1, 16.8): who asks, and which role his request takes.

One table says what takes which role. A route that it does not name takes `viewer` to read and `operator` to change
something, so that a new route is never open by oversight. Two things depend on the job and are asked in their routes:
purging, and a DELETE that aborts.
"""

import asyncio
import contextlib
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_jobs.api.caller import ANYBODY, SCOPE_KEY, Caller
from prefect_jobs.api.origin import POLICY_VIOLATION, SAFE_METHODS, close_socket
from prefect_jobs.api.problems import KEY_REQUIRED, problem_answer
from prefect_jobs.api.session import COOKIE
from prefect_jobs.api.sign_in import SignIns, TooManyAttempts
from prefect_jobs.api_keys import Role

SUBPROTOCOL = "api-key."
"""What a socket's offered protocol begins with when it carries a key."""
SESSION = "/api/session"
STREAMS = frozenset({"/api/jobs/changes"})
"""Answers without an end: one that a session opened ends with it."""


class Rule(NamedTuple):
    """Requests of these paths take this role, None being nobody's in particular; `unsafe`: only those that change."""

    paths: re.Pattern[str]
    role: Role | None
    unsafe: bool = False


RULES = (
    # Scripts and load balancers ask these; /readyz gives its reasons only to who may read.
    Rule(re.compile(r"/(healthz|readyz)$"), None),
    Rule(re.compile(r"/api/session$"), None),
    # The page asks for a session itself: it answers with its form.
    Rule(re.compile(r"/(jobs|static|components)(/.*)?$"), None),
    Rule(re.compile(r"/api/jobs/bulk(-cancel)?(/.*)?$"), "admin", unsafe=True),
    Rule(re.compile(r"/api/jobs/[^/]+/abort$"), "admin", unsafe=True),
    Rule(re.compile(r"/api/backup/[^/]+$"), "admin", unsafe=True),  # deletes one, or restores one
)


def role_for(method: str, path: str) -> Role | None:
    """The role that a request takes; None when it takes none. A socket counts as GET."""
    unsafe = method not in SAFE_METHODS
    for rule in RULES:
        if rule.paths.match(path) and (unsafe or not rule.unsafe):
            return rule.role
    return "operator" if unsafe else "viewer"


class Credentials(NamedTuple):
    """What a request says about who asks: a key, or else the token of a session."""

    key: str | None
    token: str | None

    @classmethod
    def of(cls, scope: Scope) -> "Credentials":
        """Read them from the header, the address, a socket's offered protocols, or the cookie."""
        headers = Headers(scope=scope)
        key = headers.get("x-api-key")
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        places = ("api_key", "token") if scope["type"] == "websocket" else ("api_key",)
        for place in places:
            if key is None and place in query:
                key = query[place][0]
        if key is None and (offered := _offered_key(scope)):
            key = offered.removeprefix(SUBPROTOCOL)
        return cls(key, session_token(headers))


def session_token(headers: Headers) -> str | None:
    """The token in the session's cookie."""
    cookies: SimpleCookie = SimpleCookie()
    for line in headers.getlist("cookie"):
        # One cookie that cannot be read, of another application on this host, must not hide ours.
        for item in line.split(";"):
            with contextlib.suppress(CookieError):
                cookies.load(item)
    return cookies[COOKIE].value if COOKIE in cookies else None


class KeyGuard:
    """ASGI middleware that finds the caller, and lets through only what his role may do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            send = _answering_the_offer(scope, send)
        sign_ins: SignIns = scope["app"].state.adapter.sign_ins
        if not sign_ins.required:
            scope[SCOPE_KEY] = ANYBODY
            return await self._app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        needed = role_for(scope.get("method", "GET"), path)
        credentials = Credentials.of(scope)
        caller = scope[SCOPE_KEY] = None
        try:
            caller = scope[SCOPE_KEY] = await _caller(sign_ins, credentials, address_of(scope))
        except TooManyAttempts as error:
            if needed is not None or path == SESSION:
                again = {"Retry-After": str(error.seconds)}
                return await _refuse(scope, receive, send, 429, str(error), again)
        if needed is None:
            return await self._app(scope, receive, send)
        if caller is None:
            detail = KEY_REQUIRED if credentials.key is None else "Invalid API key"
            return await _refuse(scope, receive, send, 401, detail)
        if not caller.may(needed):
            return await _refuse(scope, receive, send, 403, caller.refusal(needed))
        endless = scope["type"] == "websocket" or scope["path"] in STREAMS
        if credentials.key is None and credentials.token is not None and endless:
            return await self._while_signed_in(sign_ins, credentials.token, scope, receive, send)
        return await self._app(scope, receive, send)

    async def _while_signed_in(self, sign_ins: SignIns, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until the session is over: a socket must not go on for who has signed out."""
        serving = asyncio.ensure_future(self._serve(scope, receive, send))
        over = asyncio.ensure_future(sign_ins.until_over(token))
        try:
            await asyncio.wait({serving, over}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                return await serving
            serving.cancel()
            await asyncio.wait({serving})
            last: Message = {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "Signed out"}
            if scope["type"] == "http":
                last = {"type": "http.response.body", "body": b"", "more_body": False}
            # The client may have left at the same moment.
            with contextlib.suppress(RuntimeError, OSError):
                await send(last)
        finally:
            for task in (serving, over):
                task.cancel()
            await asyncio.gather(serving, over, return_exceptions=True)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def address_of(scope: Scope) -> str:
    """Where a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


async def _caller(sign_ins: SignIns, credentials: Credentials, address: str) -> Caller | None:
    if credentials.key is not None:
        return sign_ins.caller_of_key(credentials.key, address=address)
    return None if credentials.token is None else await sign_ins.caller_of_token(credentials.token)


def _offered_key(scope: Scope) -> str | None:
    return next((item for item in scope.get("subprotocols", ()) if item.startswith(SUBPROTOCOL)), None)


def _answering_the_offer(scope: Scope, send: Send) -> Send:
    """A browser gives up a socket whose offered protocols nobody chose: choose the one that carried the key."""
    offered = _offered_key(scope)
    if offered is None:
        return send

    async def choosing(message: Message) -> None:
        if message["type"] == "websocket.accept" and not message.get("subprotocol"):
            message = {**message, "subprotocol": offered}
        await send(message)

    return choosing


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    if scope["type"] == "websocket":
        return await close_socket(receive, send, detail)
    await problem_answer(scope, status, detail, headers)(scope, receive, send)
