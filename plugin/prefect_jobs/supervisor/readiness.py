"""When a child may be counted on. Two ways, the child's choice: it answers over HTTP, or it says so itself."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from prefect_jobs.notify import NOTIFY_SOCKET, READY

LOOK_EVERY = 0.1  # seconds
ANSWER_WITHIN = 2.0


@dataclass(frozen=True)
class AnswersHttp:
    """Ready when a GET of this URL answers 200."""

    url: str

    @contextmanager
    def watch(self) -> Generator["_HttpWatch"]:
        """Nothing to prepare."""
        yield _HttpWatch(self.url)


@dataclass(frozen=True)
class SaysReady:
    """Ready when it says so on the socket named in `NOTIFY_SOCKET`."""

    @contextmanager
    def watch(self) -> Generator["_NotifyWatch"]:
        """A socket for one child, gone with the context."""
        with (
            tempfile.TemporaryDirectory(prefix="prefect-jobs-") as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link,
        ):
            address = Path(folder) / "notify"
            link.bind(os.fspath(address))
            yield _NotifyWatch(link, {NOTIFY_SOCKET: os.fspath(address)})


class _HttpWatch:
    def __init__(self, url: str) -> None:
        self._url = url
        self.environment: dict[str, str] = {}

    async def ready(self) -> None:
        while not await asyncio.to_thread(self._answers):  # noqa: ASYNC110  another process cannot set an Event
            await asyncio.sleep(LOOK_EVERY)

    def _answers(self) -> bool:
        try:
            # Straight to the child: a proxy of the user's is for the world outside.
            with build_opener(ProxyHandler({})).open(self._url, timeout=ANSWER_WITHIN) as answer:
                return answer.status == HTTPStatus.OK
        except (HTTPError, URLError, OSError):
            return False


class _NotifyWatch:
    def __init__(self, link: socket.socket, environment: dict[str, str]) -> None:
        self._link = link
        self.environment = environment

    async def ready(self) -> None:
        loop = asyncio.get_running_loop()
        while READY not in (await loop.sock_recv(self._link, 4096)).split(b"\n"):
            pass
