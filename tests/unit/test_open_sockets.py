"""Pings, the idle rule, slow clients and goodbyes of the sockets (contract 9, 10), on a socket in memory."""

import asyncio
import json
from typing import Any, cast

import pytest
from fastapi import WebSocket

from prefect_jobs.api.open_sockets import OpenSocket, OpenSockets, SocketPace

NEVER = 1000.0


class MemorySocket:
    """As much of a WebSocket as is used. ``stuck``: its client takes nothing."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.incoming: asyncio.Queue[str] = asyncio.Queue()
        self.sent: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.stuck = stuck

    async def accept(self) -> None:
        pass

    async def receive_text(self) -> str:
        return await self.incoming.get()

    async def send_text(self, text: str) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        self.sent.append(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


def pace(**times: float) -> SocketPace:
    return SocketPace(**({"ping_every": NEVER, "idle_limit": NEVER, "send_limit": NEVER} | times))


async def serve(memory: MemorySocket, sockets: OpenSockets) -> None:
    opened = OpenSocket(cast("WebSocket", memory), sockets)

    async def work() -> None:
        await opened.send({"type": "hello"})
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        await opened.serve(work)


async def test_a_client_that_says_nothing_is_closed_as_idle() -> None:
    memory = MemorySocket()
    await serve(memory, OpenSockets(pace(idle_limit=0.01)))
    assert memory.closed == (1000, "Idle timeout")


async def test_an_open_socket_is_pinged() -> None:
    memory, sockets = MemorySocket(), OpenSockets(pace(ping_every=0.01))
    serving = asyncio.create_task(serve(memory, sockets))
    async with asyncio.timeout(10):
        while memory.sent.count({"type": "ping"}) < 2:
            await asyncio.sleep(0.01)
    sockets.close()
    await serving


async def test_a_client_that_takes_nothing_is_closed_after_a_while_and_holds_up_nobody() -> None:
    sockets = OpenSockets(pace(send_limit=0.05))
    stuck, quick = MemorySocket(stuck=True), MemorySocket()
    other = asyncio.create_task(serve(quick, sockets))
    await serve(stuck, sockets)
    assert stuck.closed == (1013, "Too slow")
    assert quick.sent == [{"type": "hello"}]
    sockets.close()
    await other


async def test_a_server_that_stops_says_goodbye_to_every_socket_and_knows_when_all_have_gone() -> None:
    sockets = OpenSockets(pace())
    memories = [MemorySocket() for _ in range(3)]
    serving = [asyncio.create_task(serve(memory, sockets)) for memory in memories]
    async with asyncio.timeout(10):
        while len(sockets) < 3:
            await asyncio.sleep(0)
    sockets.close()
    await sockets.wait_closed(10)
    assert len(sockets) == 0
    assert [memory.closed for memory in memories] == [(1001, "The server stops")] * 3
    await asyncio.gather(*serving)


@pytest.mark.parametrize("text", ["not-json", "[" * 10_000])
async def test_what_cannot_be_read_is_answered_and_never_closes(text: str) -> None:
    memory, sockets = MemorySocket(), OpenSockets(pace())
    serving = asyncio.create_task(serve(memory, sockets))
    memory.incoming.put_nowait(text)
    memory.incoming.put_nowait("ping")
    async with asyncio.timeout(10):
        while {"type": "pong"} not in memory.sent:
            await asyncio.sleep(0)
    assert [frame["type"] for frame in memory.sent] == ["hello", "error", "pong"]
    assert memory.closed is None
    sockets.close()
    await serving
