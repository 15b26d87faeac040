"""Who may open the page's socket, and who may show the page in a frame."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from prefect_jobs_ui.adapter import Adapter, Viewer
from prefect_jobs_ui.guard import PageGuard, content_security_policy
from prefect_jobs_ui.hub import EVERYTHING, Hub
from prefect_jobs_ui.list_filter import ListFilter
from prefect_jobs_ui.viewers import Viewers, Visit


class AnybodyMayLook(Viewers):
    async def visit(self, token: str | None, shown: ListFilter = EVERYTHING) -> Visit:
        return Visit(Viewer(), Hub(Adapter.at("http://api")))


async def opens(path: str = "/jobs/ws", *, root_path: str = "", **headers: str) -> bool:
    passed: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["path"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    guard = PageGuard(
        app,
        path="/jobs",
        viewers=AnybodyMayLook(Adapter.at("http://api")),
        sign_in_form=str,
        allowed_origins=["https://ops.example.org/"],
    )
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await guard({"type": "websocket", "path": path, "root_path": root_path, "headers": raw}, receive, send)
    assert passed or sent == [{"type": "websocket.close", "code": 1008}]
    return bool(passed)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://Jobs.Example.org", "jobs.example.org", True),
        ("https://ops.example.org", "inner:8000", True),
        ("http://localhost:8001", "localhost:8000", False),
        ("http://localhost:8000.evil.example", "localhost:8000", False),
        ("https://evil.example", "localhost:8000", False),
        ("null", "localhost:8000", False),
        ("", "localhost:8000", False),
        ("", "", False),
    ],
)
async def test_only_the_own_host_and_the_allowed_origins_open_the_socket(origin: str, host: str, allowed: bool) -> None:
    assert await opens(origin=origin, host=host) is allowed


async def test_under_a_prefix_the_socket_is_guarded_as_well() -> None:
    assert not await opens("/ops/jobs/ws", root_path="/ops", origin="https://evil.example", host="h")


async def test_other_sockets_are_not_the_guards_business() -> None:
    assert await opens("/ws/system", origin="https://evil.example", host="h")


def test_the_policy_lets_the_own_origin_and_the_named_ones_frame_the_page() -> None:
    assert content_security_policy().endswith("; frame-ancestors 'self'")
    named = ["https://portal.example.org/", "http://10.0.0.7:8080"]
    ancestors = "; frame-ancestors 'self' https://portal.example.org http://10.0.0.7:8080"
    assert content_security_policy(named).endswith(ancestors)


@pytest.mark.parametrize(
    "name", ["portal.example.org", "https://*", "*", "https://a.example; script-src *", "https://a.example/path", ""]
)
def test_what_is_no_origin_cannot_get_into_the_policy(name: str) -> None:
    with pytest.raises(ValueError, match="This is no origin"):
        content_security_policy([name])
