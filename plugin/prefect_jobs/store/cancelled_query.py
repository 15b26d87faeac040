"""A cancelled query costs its connection, and closing that one must end: else the process cannot stop.

SQLAlchemy closes it in the background and, cancelled a second time (anyio cancels until it is heard), stops its thread
at once. aiosqlite 0.22 then asks the ended thread to stop once more and waits for the answer for ever; about one stop
in a hundred hung. So a thread is told to stop only once, and the last of them is waited for: one that answers to an
event loop that is closed by then dies with a traceback.
"""

import asyncio
from typing import Any

from sqlalchemy import Engine, event

PATIENCE = 5.0
"""Seconds that the threads may take to end."""


class ConnectionThreads:
    """The threads of the aiosqlite connections of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._drivers: dict[int, Any] = {}
        self._ends: set[asyncio.Future[Any]] = set()
        event.listen(engine, "connect", self._connected)

    def _connected(self, connection: Any, _record: object) -> None:
        driver = connection.driver_connection
        stop = driver.stop

        def stop_once() -> Any:
            if self._drivers.pop(id(driver), None) is None:
                return None
            end: asyncio.Future[Any] | None = stop()
            if end is None:  # no event loop runs
                return None
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)
            return asyncio.shield(end)

        self._drivers[id(driver)] = driver
        driver.stop = stop_once

    async def ended(self) -> None:
        """Stop the threads that still run, and wait until all have ended."""
        for driver in tuple(self._drivers.values()):
            driver.stop()
        if self._ends:
            await asyncio.wait(self._ends, timeout=PATIENCE)
