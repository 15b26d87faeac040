"""The change feed arrives as server-sent events: lines of `field: value`, one empty line after each event.

httpx gives no events, and its lines end at U+2028 and its like too, which may stand in a job's message. So the bytes
are cut here, at line feeds only, and joined as the standard says, and nothing more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of the stream: its name, its data as text, and its id if it carried one."""

    event: str
    data: str
    id: str | None = None


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
    """Join the bytes of a stream into events; an event that the stream's end cuts off is dropped."""
    event, event_id = "message", None
    data: list[str] = []
    async for line in _lines(chunks):
        if not line:
            if data:
                yield ServerSentEvent(event, "\n".join(data), event_id)
            event, event_id, data = "message", None, []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value
