"""When a child may be counted on, and until when. Two ways, the child's choice: it answers over HTTP, or it says so
itself.

A child that dies is seen by its death. One that lives and says nothing, stuck or stopped, is seen only by asking it.
"""

import asyncio
import os
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from prefect_jobs.notify import ALIVE, NOTIFY_SOCKET, READY

LOOK_EVERY = 0.1  # seconds
READY_ANSWER_WITHIN = 2.0
ASK_EVERY = 2.5
ASK_AGAIN_AFTER = 1.0
ANSWER_WITHIN = 10.0
"""Seconds that one question may take. A busy server is slow now and then; only silence for long says something."""


class Watch(Protocol):
    """The watch over one child, from its start to its end."""

    environment: dict[str, str]
    """What the child needs to know of it."""

    async def ready(self) -> None:
        """Wait until it may be counted on."""
        ...

    async def alive(self) -> None:
        """Wait for its first sign of life: one that was ready before may wait for others that are not."""
        ...

    async def silent(self, patience: float) -> None:
        """Return when it has been silent for so many seconds."""
        ...


@dataclass(frozen=True)
class AnswersHttp:
    """Ready when a GET of this URL answers 200; alive as long as it, or the URL `alive`, answers anything at all."""

    url: str
    alive: str | None = None

    @contextmanager
    def watch(self) -> Generator[Watch]:
        """Nothing to prepare."""
        yield _HttpWatch(self.url, self.alive or self.url)


@dataclass(frozen=True)
class SaysReady:
    """Ready when it says so on the socket named in `NOTIFY_SOCKET`. Watched from its first sign of life on."""

    @contextmanager
    def watch(self) -> Generator[Watch]:
        """A socket for one child, gone with the context."""
        with (
            tempfile.TemporaryDirectory(prefix="prefect-jobs-") as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link,
        ):
            address = Path(folder) / "notify"
            link.bind(os.fspath(address))
            yield _NotifyWatch(link, {NOTIFY_SOCKET: os.fspath(address)})


class _HttpWatch:
    def __init__(self, ready_url: str, alive_url: str) -> None:
        self._ready_url = ready_url
        self._alive_url = alive_url
        self.environment: dict[str, str] = {}

    async def ready(self) -> None:
        while await asyncio.to_thread(_status_of, self._ready_url, READY_ANSWER_WITHIN) != HTTPStatus.OK:  # noqa: ASYNC110  another process cannot set an Event
            await asyncio.sleep(LOOK_EVERY)

    async def alive(self) -> None:
        while await asyncio.to_thread(_status_of, self._alive_url, READY_ANSWER_WITHIN) is None:  # noqa: ASYNC110  as above
            await asyncio.sleep(LOOK_EVERY)

    async def silent(self, patience: float) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(ASK_EVERY)
            give_up_at = clock() + patience
            while await asyncio.to_thread(_status_of, self._alive_url, min(ANSWER_WITHIN, patience)) is None:
                if clock() >= give_up_at:
                    return
                await asyncio.sleep(min(ASK_AGAIN_AFTER, patience))


def _status_of(url: str, within: float) -> int | None:
    """The status of an answer, None when there was none."""
    try:
        # Straight to the child: a proxy of the user's is for the world outside.
        with build_opener(ProxyHandler({})).open(url, timeout=within) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except (URLError, OSError, ValueError):
        return None


class _NotifyWatch:
    def __init__(self, link: socket.socket, environment: dict[str, str]) -> None:
        self._link = link
        self._gives_signs = False
        self.environment = environment

    async def ready(self) -> None:
        while READY not in await self._heard():
            pass

    async def alive(self) -> None:
        await self.ready()

    async def silent(self, patience: float) -> None:
        while not self._gives_signs:  # of one that never gave any none is awaited
            await self._heard()
        while True:
            try:
                async with asyncio.timeout(patience):
                    await self._heard()
            except TimeoutError:
                # It may have spoken while this process itself stood still.
                try:
                    self._link.recv(4096)
                except BlockingIOError:
                    return

    async def _heard(self) -> list[bytes]:
        lines = (await asyncio.get_running_loop().sock_recv(self._link, 4096)).split(b"\n")
        self._gives_signs = self._gives_signs or ALIVE in lines
        return lines
