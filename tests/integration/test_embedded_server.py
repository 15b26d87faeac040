"""Prefect's server as `up` starts it: what it bears, and whom it answers."""

import json
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.stack import Stack

SOCKETS = 150
EVIL = "http://evil.example"


def open_socket(stack: Stack, what: str, origin: str | None = None):
    address = f"{stack.prefect_api_url.replace('http', 'ws', 1)}/{what}/out"
    socket = connect(
        address,
        subprotocols=[Subprotocol("prefect")],
        origin=Origin(origin) if origin else None,
        open_timeout=60,
        close_timeout=1,
    )
    socket.send(json.dumps({"type": "auth", "token": None}))
    assert json.loads(socket.recv(60))["type"] == "auth_success"
    return socket


def test_it_answers_with_more_open_sockets_than_it_takes_requests(stack: Stack) -> None:
    """At a hundred it never answered again: each open socket held one of its hundred places."""
    with ExitStack() as sockets:
        for number in range(SOCKETS):
            sockets.enter_context(open_socket(stack, "logs" if number % 2 else "events"))
        began = time.monotonic()
        answer = httpx.get(f"{stack.prefect_api_url}/health", timeout=30)

    assert answer.status_code == 200
    assert time.monotonic() - began < 5


def test_another_sites_page_may_neither_read_nor_write_nor_listen(stack: Stack) -> None:
    api = stack.prefect_api_url
    read = httpx.get(f"{api}/health", headers={"Origin": EVIL})
    assert "access-control-allow-origin" not in read.headers
    assert httpx.post(f"{api}/flows/", json={"name": "evil"}, headers={"Origin": EVIL}).status_code == 403
    with pytest.raises((WebSocketException, OSError)):
        open_socket(stack, "events", origin=EVIL)
    own = api.removesuffix("/api")
    assert httpx.get(f"{api}/health", headers={"Origin": own}).headers["access-control-allow-origin"] == own
    open_socket(stack, "events", origin=own).close()


def test_another_name_for_this_machine_is_refused(stack: Stack) -> None:
    """A site that points its own name at 127.0.0.1 looks to the browser like the server itself (DNS rebinding)."""
    for path in ("/health", "/flow_runs/count", ""):
        assert httpx.get(stack.prefect_api_url + path, headers={"Host": "evil.example:4200"}).status_code == 403
