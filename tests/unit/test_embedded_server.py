"""What is changed of Prefect's server where `up` starts it, on parts of it: the whole is in the integration tier."""

import asyncio
import inspect
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from prefect_jobs import embedded_server


class FakeServer:
    """In the place of Prefect's module: its limit, as it is."""

    class RequestLimitMiddleware:
        def __init__(self, app: Any, limit: int) -> None:
            self.app = app
            self._limiter = asyncio.Semaphore(limit)

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async with self._limiter:
                await self.app(scope, receive, send)


async def test_open_sockets_take_no_place_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred watched logs were a hundred requests that never ended: the server never answered again."""
    from prefect.server import api

    monkeypatch.setattr(api, "server", FakeServer)
    embedded_server.let_sockets_pass()
    answered: list[str] = []
    closed = asyncio.Event()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        if scope["type"] == "websocket":
            await closed.wait()
        answered.append(scope["type"])

    limited: Any = FakeServer.RequestLimitMiddleware(app, limit=1)
    sockets = [asyncio.create_task(limited({"type": "websocket"}, None, None)) for _ in range(3)]
    await asyncio.wait_for(limited({"type": "http"}, None, None), 10)

    assert answered == ["http"]
    closed.set()
    await asyncio.gather(*sockets)
    assert answered == ["http", *["websocket"] * 3]


def test_prefect_still_limits_as_it_did_when_this_was_written() -> None:
    """When this fails, Prefect has changed its limit: see whether sockets still count, and whether ours still fits."""
    from prefect.server.api.server import RequestLimitMiddleware

    assert "async with self._limiter:" in inspect.getsource(RequestLimitMiddleware)


def doors(monkeypatch: pytest.MonkeyPatch, origins: str) -> Any:
    monkeypatch.setenv(embedded_server.CORS_ORIGINS, origins)
    given: list[Any] = []

    def run(app: Any, **_options: Any) -> None:
        given.append(app)

    embedded_server.with_closed_doors(run)(application)
    return given[0]


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:4200", None, 200),
        ("127.0.0.1:4200", "http://127.0.0.1:4200", 200),
        ("localhost:4200", "http://127.0.0.1:4200", 200),
        ("prefect.example", "https://prefect.example", 200),
        ("evil.example:4200", None, 403),
        ("evil.example:4200", "http://evil.example:4200", 403),
        ("127.0.0.1:4200", "http://evil.example", 403),
        ("127.0.0.1:4200", "http://127.0.0.1:8888", 403),
        ("127.0.0.1:4200", "null", 403),
    ],
)
async def test_only_its_own_pages_and_programs_may_use_it(
    monkeypatch: pytest.MonkeyPatch, host: str, origin: str | None, status: int
) -> None:
    app = doors(monkeypatch, "http://127.0.0.1:4200,http://localhost:4200, https://prefect.example")
    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/api/flows/", "headers": headers}, None, send)

    assert sent[0]["status"] == status


def test_who_opens_it_to_every_page_gets_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doors(monkeypatch, "*") is application
