"""Broadcasts of jobs over a WebSocket (contract section 10).

A socket's place in the broadcast is taken before it is accepted, so nothing that happens after a client knows that it
is connected passes it by. One that takes too little for too long is closed: it could not know what it missed.
"""

from fastapi import APIRouter, WebSocket

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.open_sockets import OpenSocket, TooSlow
from prefect_jobs.broadcast import FellBehind

router = APIRouter()


@router.websocket("/ws/system")
async def system(socket: WebSocket, adapter: TheAdapter) -> None:
    """Tell of every job that starts, gets on or ends."""
    place = adapter.broadcast.end
    opened = OpenSocket(socket, adapter.sockets)

    async def tell() -> None:
        nonlocal place
        while True:
            try:
                frames = await adapter.broadcast.after(place)
            except FellBehind as error:
                raise TooSlow from error
            for text in frames:
                await opened.send_text(text)
                place += 1

    await opened.serve(tell)
