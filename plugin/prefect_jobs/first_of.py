"""Work that something else may cut short: a signal, a deadline, the next step."""

import asyncio
from collections.abc import Awaitable


async def first_of(work: Awaitable[object], alarm: Awaitable[object]) -> None:
    """Do the work until it is done, or until the alarm: then the work is cancelled. Its errors are raised."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(alarm)
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
