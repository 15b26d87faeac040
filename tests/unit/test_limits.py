"""What a request may be at most: at the edge it passes, one beyond it is refused in the contract's shapes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from prefect_jobs.api import limits
from prefect_jobs.api.limits import Limits, refused_head, refused_json
from tests.unit.serving import Client, opened_socket, served


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path) as opened:
        yield opened


def head(path: str = "/", query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> Scope:
    return {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers or []}


LONG = b"x" * 1000


@pytest.mark.parametrize(
    ("edge", "beyond", "status"),
    [
        (head("/" * limits.PATH_BYTES), head("/" * (limits.PATH_BYTES + 1)), 414),
        (
            head(query=b"&".join([b"a=" + b"x" * 2000] * 4).ljust(limits.QUERY_BYTES, b"&")),
            head(query=b"&".join([b"a=" + b"x" * 2000] * 4).ljust(limits.QUERY_BYTES + 1, b"&")),
            414,
        ),
        (head(headers=[(b"a", b"")] * limits.HEADERS), head(headers=[(b"a", b"")] * (limits.HEADERS + 1)), 431),
        (
            head(headers=[(b"a", b"x" * (limits.HEADER_BYTES - 1))]),
            head(headers=[(b"a", b"x" * limits.HEADER_BYTES)]),
            431,
        ),
        (head(query=b"&".join([b"a=1"] * limits.QUERY_ITEMS)), head(query=b"&".join([b"a=1"] * 101)), None),
        (head(query=b"a=" + b"x" * limits.QUERY_VALUE), head(query=b"a=" + b"x" * (limits.QUERY_VALUE + 1)), None),
        (head(query=b"q=" + LONG), head(query=b"q=" + LONG + b"x"), None),
    ],
    ids=["path", "query", "headers", "header bytes", "parameters", "parameter", "search text"],
)
def test_the_head_of_a_request_has_limits(edge: Scope, beyond: Scope, status: int | None) -> None:
    assert refused_head(edge) is None
    refused = refused_head(beyond)
    assert refused is not None
    assert refused.status == status


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("edge", "beyond"),
    [
        (json.dumps("x" * limits.TEXT).encode(), json.dumps("x" * (limits.TEXT + 1)).encode()),
        (json.dumps([0] * limits.ITEMS).encode(), json.dumps([0] * (limits.ITEMS + 1)).encode()),
        (json.dumps([[0] * 24_998] * 2).encode(), json.dumps([[0] * 24_999] * 2).encode()),
        (nested(limits.DEPTH + 1), nested(limits.DEPTH + 2)),
        (b"1e308", b"1e309"),
        (b"1.5", b"NaN"),
        (b"0", b"-Infinity"),
        (b"1" * 4300, b"1" * 4301),
        (rb'{"a":"\ud83d\ude00"}', rb'{"a":"\ud83d"}'),
        (rb'{"a":"\\u0000"}', rb'{"a":"\u0000"}'),
        (rb'{"a":1}', rb'{"\ude00":1}'),
    ],
    ids=["text", "list", "values", "depth", "float", "nan", "infinity", "digits", "surrogate", "nul", "name"],
)
def test_a_json_body_has_limits(edge: bytes, beyond: bytes) -> None:
    assert refused_json(edge) is None
    refused = refused_json(beyond)
    assert refused is not None
    assert refused.status is None
    assert refused.field.startswith("body")


def test_hostile_depth_is_refused_and_does_not_exhaust_the_stack() -> None:
    assert refused_json(b"[" * 200_000) is not None
    assert refused_json(b'{"a":' * 100_000) is not None


def test_what_is_no_json_is_left_to_its_route(client: Client) -> None:
    answer = client.post("/api/events/export", content=b"{", headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/jobs?job_type=a%00b", None),
        ("/api/jobs/a%00b", None),
        ("/api/jobs/a%0a", None),
        ("/api/jobs?job_type=" + "x" * 2001, None),
        ("/api/events/export", rb'{"camera_id":"\u0000"}'),
        ("/api/events/export", rb'{"camera_id":"\ud800"}'),
    ],
    ids=["query", "path", "line feed", "length", "body", "surrogate"],
)
def test_text_that_nothing_can_take_is_a_validation_error(client: Client, path: str, body: bytes | None) -> None:
    answer = client.get(path) if body is None else client.post(path, content=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert error["errors"][0]["value"] is None
    assert error["request_id"] == answer.headers["x-request-id"]


def test_a_body_at_the_limit_passes_and_one_byte_more_is_a_problem(client: Client) -> None:
    edge = b"{}".ljust(limits.BODY_BYTES)

    assert client.post("/api/events/export", content=edge).status_code != 413
    answer = client.post("/api/events/export", content=edge + b" ")
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == "/api/events/export"


def test_a_streamed_body_is_counted_as_it_comes(client: Client) -> None:
    def parts() -> Generator[bytes]:
        for _ in range(limits.BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    answer = client.post("/api/events/export", content=parts())

    assert answer.status_code == 413


def test_a_socket_with_such_an_address_is_closed_with_1008(client: Client) -> None:
    with opened_socket(client, "/ws/jobs/a%00b/logs") as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()

    assert closed.value.code == 1008


async def _posted(app: Limits, receive: Receive) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**head(), "method": "POST"}, receive, send)
    return sent


async def _never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("it should not have come this far")


async def test_a_body_that_does_not_arrive_is_not_awaited_for_ever() -> None:
    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    sent = await _posted(Limits(_never, body_within=0.01), silence)

    assert sent[0]["status"] == 408


async def test_who_leaves_in_the_middle_of_a_body_gets_no_answer() -> None:
    async def leave() -> Message:
        return {"type": "http.disconnect"}

    assert await _posted(Limits(_never), leave) == []


async def test_the_route_gets_the_whole_body_and_then_whatever_comes() -> None:
    heard: list[Message] = []

    async def parts() -> AsyncGenerator[Message]:
        yield {"type": "http.request", "body": b"[1,", "more_body": True}
        yield {"type": "http.request", "body": b"2]", "more_body": False}
        yield {"type": "http.disconnect"}

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([await receive(), await receive()])

    coming: Any = parts()
    await _posted(Limits(route), coming.__anext__)

    assert heard == [{"type": "http.request", "body": b"[1,2]", "more_body": False}, {"type": "http.disconnect"}]
