"""A supervisor starts the next process when the one before is ready, and a line in a log is no reliable sign of that.

systemd's way is a datagram to the socket named in ``NOTIFY_SOCKET``, which `prefect-jobs up` speaks as well: one
protocol serves both, and without a supervisor nothing is sent.
"""

import os
import socket

NOTIFY_SOCKET = "NOTIFY_SOCKET"
READY = b"READY=1"


class ReadyNotice:
    """Says once that this process is ready. Made early: it takes the address away from child processes."""

    def __init__(self) -> None:
        self._address = os.environ.pop(NOTIFY_SOCKET, None)

    def send(self) -> None:
        """Tell the supervisor, if there is one."""
        if not self._address:
            return
        # An address that starts with @ is an abstract one, which has a zero byte there.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.sendto(READY, address)
