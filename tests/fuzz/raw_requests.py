"""Requests as bytes, of which many are none: whatever a stranger can send to the port, sockets and files included.

Each case is made from its number alone, so that case 4711 is the same tomorrow.
"""

import base64
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

from prefect_jobs.api.session import COOKIE

KNOWN_ID = b"5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"

PAGE_PATHS = (
    b"/jobs", b"/jobs/", b"/jobs/ws", b"/jobs/alive", b"/jobs/autoload.js", b"/jobs/metadata",
    b"/jobs/assets/page.css", b"/jobs/assets/", b"/jobs/assets/{junk}", b"/jobs/{junk}", b"/jobs/static/{junk}", b"/",
    b"/index", b"/favicon.ico",
)  # fmt: skip
STATIC_PATHS = (
    b"/static/js/bokeh.min.js", b"/static/js/{junk}", b"/static/{junk}", b"/static/extensions/panel/{junk}",
    b"/static/extensions/{junk}/{junk}", b"/static-offline-docs/swagger-ui.css", b"/static-offline-docs/{junk}",
    b"/components/prefect_jobs_ui.components/JobList/{junk}", b"/components/prefect_jobs_ui.components/{junk}",
    b"/components/os/{junk}", b"/components/{junk}/{junk}/{junk}", b"/docs", b"/docs/oauth2-redirect",
    b"/openapi.json", b"/docs/{junk}", b"/redoc",
)  # fmt: skip
SOCKET_PATHS = (b"/ws/system", b"/ws/jobs/{job_id}/logs", b"/jobs/ws", b"/ws/{junk}", b"/api/jobs/changes", b"/jobs")
ODD_TARGETS = (
    b"*", b"http://127.0.0.1/api/jobs", b"http://[/", b"http://evil.example/jobs", b"//", b"//[", b"//evil/jobs",
    b"/%", b"/%zz", b"/.", b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/jobs/assets/..%2f..%2fguard.py",
    b"", b"\xff", b"/\xc3\xa4", b"/a b", b"?", b"?q=1", b"#", b"/#x", b"127.0.0.1:80", b"/" + b"a" * 3000,
    b"/" + b"/" * 500, b"/\\", b"/jobs?" + b"a=1&" * 3000, b"/jobs%00", b"/jobs\x00", b"/api/jobs%0d%0aX: y",
    b"/api//jobs", b"/api/jobs/%2e%2e",
)  # fmt: skip
JUNK = (
    b"", b"%ED%A0%80", b"%00", b"%FF", b"%FF%FE", b"%C0%80", b"%F4%90%80%80", b"%E2%80%AE", b"%D9%A1%D9%A2",
    b"%F0%9F%98%80", b"..", b"..%2f..%2f", b"%2e%2e%2f", b"....//", b"a" * 300, b"-1", b"0", b"1e999", b"nan",
    b"-inf", b"9" * 19, b"9" * 400, b"-" + b"9" * 30, b"0x10", b"1_000", b"1.5", b"true", b"null", b"%7B%7D", b"%5B",
    b"[", b"]", b"{", b"'", b"%22", b"%25", b"%", b"+", b"%0A", b"%0d%0aX:y", b"%7F", b"%C2%85", b"*", b"(", b"\\",
    b"%5c", b"a:b", b"id:", b"created:>", b"duration:<1e400s", b"created:<999999999999999d", b"param.:", b"-", b"--",
    b"%22%22", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00%2B14:00", b"0000-00-00", b"99999-01-01",
    b"-0001-01-01T00:00Z", b"2026-02-30", b"2026-01-01T25:00:00Z", b"9999-12-31T23:59:59.999999Z", b"0001-01-01",
    b"1701122500123", b"20251225211453Z", b"2026-W01-1", b"2026-03-04T08:15:00+99:99", b"%E2%91%A0", b"UTC",
    b"Mars/Olympus", b"completed", b"export", b"desc", b"created_at", b"json", b"minute", b"day", KNOWN_ID,
)  # fmt: skip
HEADER_JUNK = (
    b"", b"9" * 5000, b"\xb2",
    b"[", b"]", b"http://[", b"x" * 3000, b"\xff\xfe", b"\xe4\xf6", b"\xc3\xa4", b"\x01", b"a\tb", b"null",
    b"-1", b"9" * 30, b"1, 2", b"bytes=0-", b"bytes=-1", b"bytes=9-1", b"bytes=0-0,2-3",
    b"bytes=" + b"0-0," * 200 + b"1-", b"bytes=x-y", b"bytes=99999999999999999999-", b"lines=0-1", b'"x"', b'W/"x"',
    b"*", b'W/"', b"Thu, 01 Jan 1970", b"Fri, 31 Dec 9999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 -2359",
    b"Thu, 32 Foo 20260 99:99:99 GMT", b"text/html", b"application/json; charset=nope",
    b"multipart/form-data; boundary=", b"identity", b"gzip;q=nan", b"deflate, br", b"a=b; c", b'a="', b"=;=;",
    b"\xd9\xa1\xd9\xa2", b"chunked", b"chunked, chunked", b"100-continue", b"h2c", b"websocket",
    b"keep-alive, Upgrade", b"close", b"127.0.0.1", b"::1", b"unknown, 1.2.3.4:x", b"https", b"%00",
)  # fmt: skip
HEADERS = (
    b"Origin", b"Cookie", b"X-API-Key", b"X-Request-ID", b"Range", b"If-Range", b"If-None-Match",
    b"If-Modified-Since", b"Last-Event-ID", b"Accept", b"Accept-Encoding", b"Accept-Language", b"Content-Type",
    b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"Connection", b"Idempotency-Key",
    b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Forwarded", b"Authorization", b"Referer",
    b"User-Agent", b"Host", b"Bokeh-Session-Id", b"HTTP2-Settings", b"TE", b"Trailer", b"Sec-Fetch-Site",
    b"X-HTTP-Method-Override", b"\xe4", b"a b", b"", b"X" * 500, b"traceparent", b"baggage",
)  # fmt: skip
METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS")
ODD_METHODS = (
    b"TRACE", b"CONNECT", b"BREW", b"get", b"PROPFIND", b"PRI", b"", b"G\x00T", b"\xff", b"A" * 100, b"M-SEARCH",
    b"GET GET",
)  # fmt: skip
VERSIONS = (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.1 x", b"http/1.1", b"", b"HTTP/1.\xff")
BODIES = (
    b"", b"{", b"null", b"[]", b"{}", b'""', b"NaN", b"[1e999]", b"1" * 5000, b"[" * 5000, b'{"a":' * 2000,
    b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"job_type":"export","job_type":1}', b'{"job_type":"\\u0000"}',
    b'{"job_type":"\\ud800"}', b'{"job_type":"export","parameters":{"x":NaN}}',
    b'{"job_type":"export","run_at":"9999-12-31T23:59:59-14:00"}',
    b'{"job_type":"export","parameters":{"a":99999999999999999999999}}', b'{"api_key":"x"}', b'{"api_key":{}}',
    b'{"job_ids":[1e3]}', b'{"job_ids":["x"],"action":"cancel"}',
    b'{"filter":{"created_after":"0001-01-01T00:00+14:00"}}',
    b'{"start_date":"0001-01-01T00:00:00+23:59","end_date":"9999-12-31T23:59:59-23:59"}', b"a=b&c=d", b"--x\r\n\r\n",
    b'{"limit":9223372036854775808}', b'{"confirm":true,"token":"\\ud800\\udc00"}', b"PK\x03\x04junk",
    b"\x1f\x8bjunk",
)  # fmt: skip
FRAMES = (
    b"ping", b"{", b"null", b"[]", b'{"type":1}', b'{"type":"ping"}', b'{"type":"' + b"x" * 100 + b'"}', b"\xff\xfe",
    b"[" * 3000, b'{"msgid":"1","msgtype":"PATCH-DOC"}', b"{}", b'{"events":[]}', b'{"msgtype":"PULL-DOC-REQ"}', b"",
    b"\x00",
)  # fmt: skip


@dataclass(frozen=True)
class RawRequest:
    """What is sent: a head and perhaps a body at first, then, when a socket was opened, its frames."""

    with_keys: bool
    """Whether to the server that asks for keys."""
    data: bytes
    frames: Sequence[bytes] = field(default=())


def raw_request(number: int, schema: dict[str, Any], session: str, key: str) -> RawRequest:
    """The case of this number; some use a good key, or a good session, where one is asked for."""
    return _Maker(random.Random(number), schema, session, key).request()


class _Maker:
    def __init__(self, dice: random.Random, schema: dict[str, Any], session: str, key: str) -> None:
        self._dice = dice
        self._operations = [
            (path, method, [item["name"] for item in operation.get("parameters", ())])
            for path, methods in sorted(schema["paths"].items())
            for method, operation in sorted(methods.items())
        ]
        self._session = session
        self._key = key

    def request(self) -> RawRequest:
        dice = self._dice
        with_keys = dice.random() < 0.5
        identity = self._identity() if with_keys and dice.random() < 0.6 else []
        kind = dice.random()
        if kind < 0.15:
            return self._socket(with_keys, identity)
        method, target = dice.choice(METHODS), b""
        if kind < 0.25:
            target = dice.choice(ODD_TARGETS)
        elif kind < 0.35:
            target = self._filled(dice.choice(PAGE_PATHS)) + self._query(
                [b"q", b"status", b"type", b"job", b"view", b"embed", b"bokeh-session-id", b"bokeh_session_id"]
            )
        elif kind < 0.5:
            target = self._filled(dice.choice(STATIC_PATHS)) + self._query([b"v", b"x"])
        else:
            path, name, parameters = dice.choice(self._operations)
            method = name.upper().encode() if dice.random() < 0.8 else method
            target = self._filled(path.encode()) + self._query([item.encode() for item in parameters] or [b"x"])
        if dice.random() < 0.04:
            method = dice.choice(ODD_METHODS)
        version = b"HTTP/1.1" if dice.random() < 0.97 else dice.choice(VERSIONS)
        body = b"" if method in (b"GET", b"HEAD") and dice.random() < 0.95 else dice.choice(BODIES)
        headers = [(b"Host", b"127.0.0.1"), *identity, *self._junk_headers()]
        if body or dice.random() < 0.1:
            headers += [(b"Content-Length", str(len(body)).encode()), (b"Content-Type", b"application/json")]
        return RawRequest(with_keys, self._head(method, target, version, headers) + body)

    def _socket(self, with_keys: bool, identity: list[tuple[bytes, bytes]]) -> RawRequest:
        dice = self._dice
        target = self._filled(dice.choice(SOCKET_PATHS)) + self._query([b"after", b"api_key", b"token"])
        nonce = base64.b64encode(dice.randbytes(16))
        headers = [
            (b"Host", b"127.0.0.1"),
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Key", nonce),
            *identity,
        ]
        for name in (b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Key", b"Origin"):
            if dice.random() < 0.2:
                headers.append((name, dice.choice(HEADER_JUNK)))
        if dice.random() < 0.3:
            offered = dice.choice(
                (b"bokeh, junk", b"bokeh, e30.junk", b"api-key." + dice.choice(HEADER_JUNK), b"bokeh")
            )
            headers.append((b"Sec-WebSocket-Protocol", offered))
        if dice.random() < 0.1:
            headers.append((dice.choice(HEADERS), dice.choice(HEADER_JUNK)))
        frames = [self._frame() for _ in range(dice.randint(0, 4))]
        return RawRequest(with_keys, self._head(b"GET", target, b"HTTP/1.1", headers), frames)

    def _frame(self) -> bytes:
        dice = self._dice
        if dice.random() < 0.1:
            return dice.randbytes(dice.randint(1, 40))
        opcode = dice.choice((1, 1, 1, 2, 8, 9, 10, 0))
        payload = dice.choice(FRAMES) if opcode != 8 else struct.pack("!H", dice.choice((1000, 1005, 9, 4999, 65535)))
        mask = dice.randbytes(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        size = len(payload)
        length = struct.pack("!B", 128 | size) if size < 126 else struct.pack("!BH", 128 | 126, size)
        return struct.pack("!B", (128 if dice.random() < 0.9 else 0) | opcode) + length + mask + masked

    def _identity(self) -> list[tuple[bytes, bytes]]:
        if self._dice.random() < 0.5:
            return [(b"X-API-Key", self._key.encode())]
        return [(b"Cookie", f"{COOKIE}={self._session}".encode())]

    def _junk_headers(self) -> list[tuple[bytes, bytes]]:
        dice = self._dice
        count = dice.choice((0, 0, 1, 1, 2, 3, 5)) if dice.random() < 0.98 else 150
        return [(dice.choice(HEADERS), dice.choice(HEADER_JUNK)) for _ in range(count)]

    def _head(self, method: bytes, target: bytes, version: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
        if self._dice.random() < 0.03:
            headers = [(name, self._dice.choice(HEADER_JUNK) if name == b"Host" else value) for name, value in headers]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return b" ".join(part for part in (method, target, version)) + b"\r\n" + lines + b"\r\n"

    def _filled(self, path: bytes) -> bytes:
        dice = self._dice
        while b"{" in path:
            before, _, rest = path.partition(b"{")
            name, _, after = rest.partition(b"}")
            known = name == b"job_id" and dice.random() < 0.4
            path = before + (KNOWN_ID if known else self._value().replace(b"{", b"%7B")) + after
        return path

    def _query(self, names: list[bytes]) -> bytes:
        dice = self._dice
        if dice.random() < 0.3:
            return b""
        pairs = [
            (dice.choice(names) if dice.random() < 0.95 else dice.choice(JUNK)) + b"=" + self._value()
            for _ in range(dice.randint(1, 3))
        ]
        return b"?" + b"&".join(pairs)

    def _value(self) -> bytes:
        dice = self._dice
        if dice.random() < 0.1:
            return quote_from_bytes(dice.randbytes(dice.randint(1, 12))).encode()
        return dice.choice(JUNK)
