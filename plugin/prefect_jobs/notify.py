"""A supervisor starts the next process when the one before is ready, and a line in a log is no reliable sign of that;
nor does a process that is stuck say so.

systemd's way is a datagram to the socket named in ``NOTIFY_SOCKET``: `READY=1` once, `WATCHDOG=1` again and again for
as long as the process gets round to it. `prefect-jobs up` speaks it as well, so one protocol serves both, and without a
supervisor nothing is sent.
"""

import asyncio
import os
import socket
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"
READY = b"READY=1"
ALIVE = b"WATCHDOG=1"
WATCHDOG_USEC = "WATCHDOG_USEC"
"""systemd's variable: microseconds of silence after which it restarts the process."""
SIGN_EVERY = 5.0
"""Seconds between two signs of life at most."""


class ReadyNotice:
    """Says that this process is ready, and that it lives. Made early: it takes the address away from its children."""

    def __init__(self) -> None:
        self._address = os.environ.pop(NOTIFY_SOCKET, None)
        patience = os.environ.pop(WATCHDOG_USEC, "")
        self._every = min(SIGN_EVERY, int(patience) / 2e6) if patience.isdecimal() else SIGN_EVERY

    def send(self) -> None:
        """Tell the supervisor, if there is one, that this process is ready."""
        self._tell(READY)

    async def keep_saying(self) -> None:
        """Give a sign of life again and again, for as long as this process's event loop turns."""
        while self._address:
            # A supervisor that stands still hears nothing; waiting for it would make this process the silent one.
            with suppress(OSError):
                self._tell(ALIVE)
            await asyncio.sleep(self._every)

    def _tell(self, what: bytes) -> None:
        if not self._address:
            return
        # An address that starts with @ is an abstract one, which has a zero byte there.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link:
            link.sendto(what, address)
