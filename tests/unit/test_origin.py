"""Who may use the server through a browser (contract 16.8)."""

from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from prefect_jobs.api.origin import OriginGuard


async def everything_is_fine(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def status(method: str, *, host: str, origin: str | None, bound: str = "127.0.0.1", allowed: str = "") -> int:
    guard = OriginGuard(everything_is_fine, bound_host=bound, allowed_origins=allowed.split())
    headers = {"host": host} | ({"origin": origin} if origin else {})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://server") as client:
        return (await client.request(method, "/api/jobs", headers=headers)).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
async def test_our_own_page_may_write(host: str) -> None:
    assert await status("POST", host=host, origin=f"http://{host}") == 200


async def test_a_program_that_is_no_browser_may_write() -> None:
    assert await status("POST", host="127.0.0.1:8000", origin=None) == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null", "https://localhost.evil"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
async def test_another_site_may_not_write(method: str, origin: str) -> None:
    assert await status(method, host="127.0.0.1:8000", origin=origin) == 403


async def test_another_site_may_only_read_what_its_browser_lets_it() -> None:
    assert await status("GET", host="127.0.0.1:8000", origin="http://evil.example") == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_name_that_was_rebound_to_loopback_is_not_served(method: str) -> None:
    assert await status(method, host="evil.example:8000", origin="http://evil.example:8000") == 403


async def test_an_allowed_origin_may_write_and_its_host_is_served() -> None:
    allowed = "https://ops.example.org"
    assert await status("POST", host="127.0.0.1:8000", origin=allowed, allowed=allowed) == 200
    assert await status("POST", host="ops.example.org", origin=allowed, allowed=allowed) == 200


async def test_a_server_bound_to_the_network_answers_to_every_name_but_still_checks_origins() -> None:
    assert await status("POST", host="jobs.lan", origin="http://jobs.lan", bound="0.0.0.0") == 200
    assert await status("POST", host="jobs.lan", origin="http://evil.example", bound="0.0.0.0") == 403


async def test_a_socket_from_another_site_is_closed_with_1008() -> None:
    guard = OriginGuard(everything_is_fine, bound_host="127.0.0.1")
    sent: list[Message] = []
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/ws/system",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"origin", b"http://evil.example")],
    }

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1008
