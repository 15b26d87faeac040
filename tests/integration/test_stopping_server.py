"""A server that is told to stop says goodbye: sockets are closed with 1001, and its supervisor sees a clean end."""

import signal

import psutil
import pytest
from websockets.sync.client import connect

from tests.contract.runs import open_runs
from tests.stack import Stack, eventually


@pytest.mark.parametrize("path", ["/ws/system", "/ws/jobs/{run}/logs"])
def test_a_stopping_server_closes_its_sockets_as_going_away(stack: Stack, path: str) -> None:
    with open_runs(stack.prefect_api_url) as runs:
        address = stack.api_url.replace("http", "ws", 1) + path.format(run=runs.started())
    server = psutil.Process(stack.pid_of("serve"))
    socket = connect(address, close_timeout=0.1)
    with socket:
        server.send_signal(signal.SIGTERM)
        # The iteration ends by itself at a goodbye, and raises at any other end.
        for _frame in socket:
            pass
    assert socket.close_code == 1001
    eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, what="its end")
    stack.wait_ready()
