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


UNREADABLE_HOSTS = (
    *("[", "]", "[::1", "[]", "[x]:8000", "[::1]x", "a b", "127.0.0.1:x", "127.0.0.1:99999", "user@127.0.0.1"),
    *("a/b", "a,b", "\xe4", "\uff0e"),
)


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("host", UNREADABLE_HOSTS)
async def test_a_host_that_cannot_be_read_is_400(host: str, bound: str) -> None:
    """`Host: [` was a 500 with its traceback, without a key."""
    for method in ("GET", "POST"):
        assert await answer_to([(b"host", host.encode())], method, bound=bound) == 400


@pytest.mark.parametrize("origin", ["http://[", "http://]", "http://[::1", "//[x]", "http://[v1.]/"])
async def test_an_origin_that_cannot_be_read_is_400(origin: str) -> None:
    for method in ("GET", "POST"):
        assert await answer_to([(b"host", b"127.0.0.1"), (b"origin", origin.encode())], method) == 400


async def test_two_hosts_are_none() -> None:
    assert await answer_to([(b"host", b"127.0.0.1"), (b"host", b"127.0.0.1")], "GET") == 400


async def test_a_request_of_the_first_http_has_no_host() -> None:
    assert await answer_to([], "GET", bound="0.0.0.0") == 200
    assert await answer_to([], "GET") == 403


@pytest.mark.parametrize("name", ["host", "origin"])
async def test_a_socket_whose_head_cannot_be_read_is_closed_with_1008(name: str) -> None:
    headers = {"host": "127.0.0.1", "origin": "http://127.0.0.1"} | {name: "http://["}
    sent = await sent_by([(key.encode(), value.encode()) for key, value in headers.items()], {"type": "websocket"})

    assert [(message["type"], message.get("code")) for message in sent][-1] == ("websocket.close", 1008)


async def sent_by(headers: list[tuple[bytes, bytes]], more: dict[str, Any], bound: str = "127.0.0.1") -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    guard = OriginGuard(everything_is_fine, bound_host=bound)
    await guard({"path": "/api/jobs", "headers": headers, **more}, receive, send)
    return sent


async def answer_to(headers: list[tuple[bytes, bytes]], method: str, *, bound: str = "127.0.0.1") -> int:
    return (await sent_by(headers, {"type": "http", "method": method}, bound))[0]["status"]
