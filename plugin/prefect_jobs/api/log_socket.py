"""Live log lines over a WebSocket (contract 9, 16.5).

A viewer gets what is stored from ``after`` on and then follows, by the number of the last line it was sent: a viewer
that reads slowly holds back nobody, and no line can be sent twice or left out.
"""

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.open_sockets import OpenSocket, as_text
from prefect_jobs.api.wire import level_name, with_offset, with_z
from prefect_jobs.log_tail import Watch
from prefect_jobs.store import StoredLine

router = APIRouter()

SENT_AT_ONCE = 50
"""Lines that one viewer is sent before others get their turn: a client with room takes them without a pause."""


def log_frame(line: StoredLine) -> dict[str, Any]:
    """The frame of one stored line: the same bytes each time it is sent."""
    return {
        "type": "log",
        "data": {
            "timestamp": with_offset(line.timestamp),
            "level": level_name(line.level),
            "message": line.message,
            "context": None,
            "attempt_number": line.attempt,
            "seq": line.seq,
            "id": line.line_id,
        },
    }


class Viewer:
    """One follower of a job's log."""

    def __init__(self, socket: OpenSocket, adapter: Adapter, job_id: str, after: int) -> None:
        self._socket = socket
        self._adapter = adapter
        self._job_id = job_id
        self._sent = after

    async def follow(self) -> None:
        """Send the lines that this viewer lacks, for ever."""
        loop = asyncio.get_running_loop()
        every = self._adapter.sockets.pace.position_every
        async with self._adapter.tails.watch(self._job_id) as watch:
            position_due = loop.time()
            while True:
                news = watch.mark()
                while lines := await self._frames(watch):
                    for number, (seq, frame) in enumerate(lines, 1):
                        await self._socket.send_text(frame)
                        self._sent = seq
                        if number % SENT_AT_ONCE == 0:
                            await asyncio.sleep(0)
                    if loop.time() >= position_due + every:
                        break  # also in the middle of a long replay
                if loop.time() >= position_due:
                    reach = await watch.once("reach", self._reach)
                    await self._socket.send({"type": "position", "seq": self._sent, **reach})
                    position_due = loop.time() + every
                if lines:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, position_due - loop.time())):
                        await news.wait()

    async def _frames(self, watch: Watch) -> list[tuple[int, str]]:
        """The next lines, each with its number, written once for all viewers that lack the same."""
        after = self._sent

        async def look() -> list[tuple[int, str]]:
            return [(line.seq, as_text(log_frame(line))) for line in await watch.behind(after)]

        return await watch.once(("frames", after), look)

    async def _reach(self) -> dict[str, Any]:
        job = await self._adapter.index.get(self._job_id)
        book = await self._adapter.logs.book(self._job_id)
        complete = job is not None and book.settled_for is not None and book.settled_for == job.completed_at
        # A log that still grows is never called complete: how much of it is here is told by the time of its last proof.
        as_of = None if book.whole_at is None else with_z(book.whole_at)
        return {"total_lines": book.lines, "complete": complete, "as_of": as_of}


@router.websocket("/ws/jobs/{job_id}/logs")
async def job_logs(
    socket: WebSocket, adapter: TheAdapter, job_id: str, after: Annotated[int, Query(ge=0, le=2**31)] = 0
) -> None:
    """Replay a job's stored lines behind ``after``, then follow its log."""
    opened = OpenSocket(socket, adapter.sockets)
    await opened.serve(Viewer(opened, adapter, job_id, after).follow)
