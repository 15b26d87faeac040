"""Files that are sent to the API. Every other body is read whole and checked before its route (`limits`); these may be
larger than memory, so they go to disk as they arrive, under a limit of their own.

A file is the body itself and not a part of a form: it is written once, and any client can send it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from anyio import CancelScope, to_thread
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from prefect_jobs.finished_files import new_finished_file
from prefect_jobs.room import Room, needing_room

PROGRESS = 16 * 1024
"""Bytes that must come in the time that a body has, again and again: one byte at a time keeps a connection for ever."""
KEEP = "keep the file"
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""What a route says of such a body in the description of the API."""


@asynccontextmanager
async def received_file(request: Request, folder: Path, *, limit: int, patience: float) -> AsyncGenerator[str]:
    """Receive the file that the body is, and say its name in the folder; it is removed again if the block raises.

    Raises:
        HTTPException: 413, it has more than `limit` bytes; 408, it hardly gets on within `patience` seconds; 400, the
            client left.
        RequestValidationError: 422, it is empty.
        NoSpace: 507.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    Room([folder]).require(KEEP, size=int(announced[:20]) if announced.isdecimal() else 0)
    name = f"{uuid4()}.upload"
    with needing_room(KEEP):
        opening = new_finished_file(folder, name)
        file = await to_thread.run_sync(opening.__enter__)
        try:
            await _receive(request, file.write, limit, patience)
        except BaseException as error:
            opening.__exit__(type(error), error, error.__traceback__)
            raise
        with CancelScope(shield=True):
            await to_thread.run_sync(opening.__exit__, None, None, None)  # waits for the disk
    try:
        yield name
    except BaseException:
        (folder / name).unlink(missing_ok=True)
        raise


async def _receive(request: Request, write: Callable[[bytes], Any], limit: int, patience: float) -> None:
    size, chunks, loop = 0, aiter(request.stream()), asyncio.get_running_loop()
    due, progress = loop.time() + patience, PROGRESS
    while True:
        try:
            async with asyncio.timeout_at(due):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except ClientDisconnect as error:
            raise HTTPException(400, "The client left before the end of the file") from error
        except TimeoutError as error:
            raise HTTPException(408, f"Too little of the file arrived within {patience:g} s", _CLOSE) from error
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        await to_thread.run_sync(write, chunk)
        if size >= progress:
            due, progress = loop.time() + patience, size + PROGRESS
    if not size:
        raise RequestValidationError(
            [{"loc": ("body",), "msg": "The body must be the file", "type": "missing", "input": None}]
        )


_CLOSE = {"Connection": "close"}
"""What is left of the body is not read: the connection cannot be used again."""


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The file has more than {limit} bytes", _CLOSE)
