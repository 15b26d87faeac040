"""The log socket (contract 9): one open connection that gives frames, and whose failures are ours."""

import re
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from prefect_jobs import __version__
from prefect_jobs.client.connection import Connection
from prefect_jobs.client.errors import NotReachable

# What a subprotocol's name may consist of (RFC 9110, token).
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
LARGEST_FRAME = 64 * 2**20  # a log line has no limit of its own


class LogSocket:
    """An open socket; close it by leaving its ``with`` block."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    @classmethod
    def open(cls, connection: Connection, path: str) -> Self:
        """Connect to a path of the server, with its API key as subprotocol (or header, if no subprotocol can hold it).

        Raises:
            NotReachable: there is no connection.
        """
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        key = connection.api_key
        offered = [Subprotocol(f"api-key.{key}")] if key and _TOKEN.fullmatch(key) else None
        try:
            return cls(
                connect(
                    socket_url(connection.base_url, path),
                    subprotocols=offered,
                    additional_headers={"X-API-Key": key} if key and not offered else None,
                    user_agent_header=f"prefect-jobs/{__version__}",
                    proxy=True if connection.through_proxy else None,
                    open_timeout=connection.pace.connect,
                    close_timeout=0.1,  # who stops reading must not wait for the rest
                    max_size=LARGEST_FRAME,
                )
            )
        except (WebSocketException, OSError) as error:
            raise NotReachable(f"The log socket at {connection.base_url} cannot be opened: {error}") from error

    def receive(self, timeout: float) -> str | None:
        """The next frame, or None when there was none for so many seconds.

        Raises:
            NotReachable: the connection is gone.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            frame = self._socket.recv(timeout=timeout)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise NotReachable(f"The log socket was closed: {error}") from error
        return frame if isinstance(frame, str) else ""

    def send(self, text: str) -> None:
        """Send a frame.

        Raises:
            NotReachable: the connection is gone.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            self._socket.send(text)
        except ConnectionClosed as error:
            raise NotReachable(f"The log socket was closed: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def socket_url(base_url: str, path: str) -> str:
    """The socket's address beside an address of HTTP."""
    address = urlsplit(base_url)
    scheme = "wss" if address.scheme == "https" else "ws"
    return f"{scheme}://{address.netloc}{address.path}{path}"
