"""What a request may be at most, checked before any route reads it; docs/settings.md has the table.

Besides size there is text that no database takes (NUL) or no answer can repeat (half of a surrogate pair), numbers that
JSON has no word for, and control characters in a path, by which a rule about paths could be passed. Refusing them here
means that no route has to think of them.

The head is looked at before the caller's key and the body after it: a stranger's megabyte is not even read. Reading a
large one takes a tenth of a second, so it is done beside the event loop.

Files that are sent along are the exception (`FILE_ROUTES`): their route takes them as they arrive, and limits them.
"""

import asyncio
import json
import math
import re
from collections.abc import Generator
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_jobs.api.origin import SAFE_METHODS, close_socket
from prefect_jobs.api.problems import FieldError, invalid_answer, problem_answer

PATH_BYTES = 2_048
QUERY_BYTES = 8_192
QUERY_ITEMS = 100
QUERY_VALUE = 2_000
QUERY_VALUES = {"q": 1_000}
"""Characters of a query parameter, where it has a limit of its own."""
HEADERS = 100
HEADER_BYTES = 32 * 1024
BODY_BYTES = 2**20
BODY_WITHIN = 30.0
"""Seconds that a client may take to send its body."""
AT_ONCE = 16 * 1024
"""Bytes of JSON that are looked through on the event loop."""
DEPTH = 100
TEXT = 100_000
ITEMS = 30_000
VALUES = 50_000
"""Values in one JSON body, all levels together."""
FILE_ROUTES = frozenset({"/api/events/import", "/api/backup/restore"})
"""Routes whose body is a file, which is not read here."""


class Refused(NamedTuple):
    """Why a request goes no further: a problem of this status, or, without one, an invalid field."""

    detail: str
    status: int | None = None
    field: str = ""


_BAD = re.compile("[\0\ud800-\udfff]")


def _bad_text(text: str) -> str | None:
    found = _BAD.search(text)
    if found is None:
        return None
    return "Text must not contain " + ("NUL" if found[0] == "\0" else "half of a surrogate pair")


def refused_head(scope: Scope) -> Refused | None:
    """Why the first line and the headers of a request are refused, or None."""
    path, query = str(scope["path"]), bytes(scope.get("query_string", b""))
    if len(scope.get("raw_path") or path.encode("utf-8", "surrogatepass")) > PATH_BYTES:
        return Refused(f"The path has more than {PATH_BYTES} bytes", 414)
    if len(query) > QUERY_BYTES:
        return Refused(f"The query string has more than {QUERY_BYTES} bytes", 414)
    headers = scope["headers"]
    if len(headers) > HEADERS or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES:
        return Refused(f"The request has more than {HEADERS} headers, or more than {HEADER_BYTES} bytes of them", 431)
    if any(character < " " or character == "\x7f" for character in path) or _bad_text(path):
        return Refused("The path must not contain control characters", field="path")
    return _refused_query(query)


def _refused_query(query: bytes) -> Refused | None:
    # `latin-1` never fails; what the bytes mean is decided by the escapes, as Starlette does it.
    items = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if len(items) > QUERY_ITEMS:
        return Refused(f"The query has more than {QUERY_ITEMS} parameters", field="query")
    for name, value in items:
        field = f"query.{name[:50]}".replace("\0", "")
        longest = QUERY_VALUES.get(name, QUERY_VALUE)
        if len(value) > longest:
            return Refused(f"Text should have at most {longest} characters", field=field)
        if problem := _bad_text(name) or _bad_text(value):
            return Refused(problem, field=field)
    return None


def refused_json(body: bytes) -> Refused | None:
    """Why a JSON body is refused, or None; a body that is no JSON is left to its route."""
    try:
        data = json.loads(body)
    except RecursionError:
        return Refused(f"JSON may be {DEPTH} levels deep", field="body")
    except ValueError as error:
        # Python reads no integer of more than 4,300 digits; routes need not know that.
        return Refused("A number has too many digits", field="body") if "digits" in str(error) else None
    for number, place in enumerate(_walk(data)):
        if number >= VALUES:
            return Refused(f"JSON should hold at most {VALUES} values", field="body")
        if problem := _bad_value(place.value) or (place.depth > DEPTH and f"JSON may be {DEPTH} levels deep"):
            field = place.name()[:200]
            return Refused(problem, field="body" if _bad_text(field) else field)
    return None


class _Place(NamedTuple):
    """A value in a JSON body, and where it stands."""

    value: object
    key: str | int
    depth: int
    around: "_Place | None"

    def name(self) -> str:
        parts, place = list[str](), self
        while place is not None:
            parts.append(str(place.key))
            place = place.around
        return ".".join(parts[::-1][: DEPTH + 1])


def _bad_value(value: object) -> str | None:
    if isinstance(value, str):
        return _bad_text(value) or (f"Text should have at most {TEXT} characters" if len(value) > TEXT else None)
    if isinstance(value, float) and not math.isfinite(value):
        return "A number must be finite"
    if isinstance(value, (list, dict)) and len(cast("list[Any]", value)) > ITEMS:
        return f"A list or an object should have at most {ITEMS} items"
    if isinstance(value, dict):
        return next((bad for key in cast("dict[str, Any]", value) if (bad := _bad_text(key))), None)
    return None


def _walk(data: object) -> Generator[_Place]:
    """Every value in it; without recursion, which hostile depth would exhaust."""
    waiting = [_Place(data, "body", 0, None)]
    while waiting:
        place = waiting.pop()
        yield place
        value, deeper = place.value, place.depth + 1
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            waiting.extend(_Place(item, key, deeper, place) for key, item in items)
        elif isinstance(value, list):
            waiting.extend(_Place(item, at, deeper, place) for at, item in enumerate(cast("list[object]", value)))


class HeadLimits:
    """ASGI middleware that refuses a head that is too large or holds what nothing behind it can take."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        refused = refused_head(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await close_socket(receive, send, refused.detail)
        return await _answer(scope, refused)(scope, receive, send)


class Limits:
    """ASGI middleware that refuses a body that is too large or holds what nothing behind it can take."""

    def __init__(self, app: ASGIApp, *, body_within: float = BODY_WITHIN) -> None:
        self._app = app
        self._body_within = body_within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or _is_file(scope):
            return await self._app(scope, receive, send)
        body, refused = await self._read(scope, receive)
        if refused is not None:
            return await _answer(scope, refused)(scope, receive, send)
        if body is not None:  # else the client left
            await self._app(scope, _again(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> tuple[bytes | None, Refused | None]:
        too_large = Refused(f"The body has more than {BODY_BYTES} bytes", 413)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:20]) > BODY_BYTES:
            return None, too_large
        parts, size = list[bytes](), 0
        try:
            async with asyncio.timeout(self._body_within):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None, None
                    part = message.get("body", b"")
                    size += len(part)
                    if size > BODY_BYTES:
                        return None, too_large
                    parts.append(part)
                    more = message.get("more_body", False)
        except TimeoutError:
            return None, Refused(f"The body did not arrive within {self._body_within:g} s", 408)
        body = b"".join(parts)
        if len(body) > AT_ONCE:
            return body, await asyncio.to_thread(refused_json, body)
        return body, refused_json(body) if body else None


def _is_file(scope: Scope) -> bool:
    return scope["path"].removeprefix(scope.get("root_path", "")) in FILE_ROUTES


def _answer(scope: Scope, refused: Refused) -> ASGIApp:
    if refused.status is None:
        return invalid_answer(scope, [FieldError(field=refused.field, message=refused.detail, value=None)])
    # What is left of the request is not read: the connection cannot be used again.
    return problem_answer(scope, refused.status, refused.detail, {"Connection": "close"})


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    told = False

    async def receive_again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
