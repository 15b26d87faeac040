"""Live log lines over a WebSocket (contract 9, 16.5).

A viewer gets what is stored from ``after`` on and then follows, by the number of the last line it was sent: a viewer
that reads slowly holds back nobody, and no line can be sent twice or left out.
"""

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.open_sockets import OpenSocket
from prefect_jobs.api.wire import level_name, with_offset
from prefect_jobs.store import StoredLine

router = APIRouter()


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
                while lines := await watch.behind(self._sent):
                    for line in lines:
                        await self._socket.send(log_frame(line))
                        self._sent = line.seq
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

    async def _reach(self) -> dict[str, Any]:
        job = await self._adapter.index.get(self._job_id)
        book = await self._adapter.logs.book(self._job_id)
        complete = job is not None and book.settled_for is not None and book.settled_for == job.completed_at
        return {"total_lines": book.lines, "complete": complete}


@router.websocket("/ws/jobs/{job_id}/logs")
async def job_logs(
    socket: WebSocket, adapter: TheAdapter, job_id: str, after: Annotated[int, Query(ge=0, le=2**31)] = 0
) -> None:
    """Replay a job's stored lines behind ``after``, then follow its log."""
    opened = OpenSocket(socket, adapter.sockets)
    await opened.serve(Viewer(opened, adapter, job_id, after).follow)
