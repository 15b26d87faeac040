"""HTTP for a process that must stay small: `http.client` alone would double its memory.

One request, one connection. Everything that is no clear answer (nothing there, too slow, overloaded, garbage) is
`Unclear`, and may be tried again.
"""

import json
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANSWER_LIMIT = 5.0
"""Seconds that a call may take."""
LONGEST_ANSWER = 16 * 1024 * 1024
_OVERLOADED = (408, 425, 429)


class Unclear(OSError):
    """Nobody gave a clear answer."""


class Refused(Exception):
    """The server answered with a client error."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:200]!r}")
        self.status = status
        self.body = body


class HttpApi:
    """A server's API by its address, such as ``http://127.0.0.1:4200/api``.

    ``trust`` is the file of certificates to believe in; an empty one believes in every certificate.
    """

    def __init__(self, url: str, headers: "Mapping[str, str]", *, trust: str | None = None) -> None:
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        if scheme not in ("http", "https") or not authority:
            raise ValueError(f"expected an address that begins with http:// or https://, got {url!r}")
        host, port = _host_and_port(authority.rpartition("@")[2])
        self._host = host
        self._port = port or (443 if scheme == "https" else 80)
        self._tls = scheme == "https"
        self._trust = trust
        self._path = (slash + path).rstrip("/")
        fields = {"Host": authority, "Accept": "application/json", "Connection": "close", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    def call(self, method: str, path: str, body: object = None, headers: "Mapping[str, str] | None" = None) -> "Any":
        """Ask and wait for the answer's JSON. Raises `Unclear` and `Refused`."""
        return self.begin(method, path, body, headers).finish(time.monotonic() + ANSWER_LIMIT)

    def begin(
        self, method: str, path: str, body: object = None, headers: "Mapping[str, str] | None" = None
    ) -> "Pending":
        """Ask, and leave the answer for later. Raises `Unclear`."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {self._path}{path} HTTP/1.1\r\n{self._head}"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        try:
            connection = socket.create_connection((self._host, self._port), timeout=ANSWER_LIMIT)
        except OSError as error:
            raise Unclear(str(error)) from error
        try:
            if self._tls:
                connection = self._secured(connection)
            connection.sendall(head.encode("latin-1") + b"\r\n" + content)
        except (OSError, UnicodeError) as error:
            connection.close()
            raise Unclear(str(error)) from error
        return Pending(connection)

    def _secured(self, connection: socket.socket) -> socket.socket:
        import ssl  # two megabytes that a server on loopback does not need

        context = ssl.create_default_context(cafile=self._trust or None)
        if self._trust == "":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(connection, server_hostname=self._host)


class Pending:
    """A question on its way; its `fileno` becomes readable with the answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._connection.fileno()

    def close(self) -> None:
        """Forget the answer."""
        self._connection.close()

    def finish(self, deadline: float) -> "Any":
        """The answer's JSON, None for an empty one. Raises `Unclear` and `Refused`."""
        try:
            status, body = _parse(self._read(deadline))
        except (OSError, ValueError, IndexError) as error:
            raise Unclear(str(error) or type(error).__name__) from error
        finally:
            self.close()
        if status >= 500 or status in _OVERLOADED or status < 200:
            raise Unclear(f"the answer was {status}")
        if status >= 300:
            raise Refused(status, body)
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise Unclear(str(error)) from error

    def _read(self, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            self._connection.settimeout(left)
            part = self._connection.recv(65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > LONGEST_ANSWER:
                raise ValueError("the answer does not end")


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):  # an IPv6 address
        host, _, port = authority[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = authority.partition(":")
    return host, int(port) if port else None


def _parse(answer: bytes) -> tuple[int, bytes]:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        raise ValueError("the answer broke off")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ", 2)[1])
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return status, _without_chunks(body)
    if (length := fields.get("content-length")) is not None and len(body) != int(length):
        raise ValueError("the answer broke off")
    return status, body


def _without_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, found, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16) if found else -1
        if length < 0 or len(rest) < length:
            raise ValueError("the answer broke off")
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2 :]
