"""The page's socket, spoken to as Bokeh's own clients do: whose document it opens, what it takes, and when it ends."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import Sequence
from typing import Any, cast

import httpx
import pytest
import websockets
from bokeh.document import Document
from bokeh.document.events import ModelChangedEvent, RootAddedEvent, TitleChangedEvent
from bokeh.models import Div
from bokeh.protocol import Protocol
from bokeh.util.token import generate_jwt_token
from websockets.asyncio.client import ClientConnection

from prefect_jobs_ui.browser_messages import LONGEST_FRAGMENT
from tests.ui.conftest import Site, serve
from tests.ui.contract_double import ContractDouble, job

VERA, OTTO = "veras-key", "ottos-key"
COOKIE = "prefect_jobs_session"


@pytest.fixture
def closed_site(site: Site) -> Site:
    """A page in front of an API with keys: a viewer's and an admin's."""
    site.double.keys = {VERA: ("vera", "viewer"), OTTO: ("otto", "admin")}
    site.double.put(job("job-1", "running", progress=38))
    return site


class Visitor:
    """Somebody with a browser of his own, who has signed in when he has a key."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = ""

    async def sign_in(self, key: str) -> Visitor:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.site.url}/api/session", json={"api_key": key})
        self.session = answer.cookies[COOKIE]
        return self

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.session}"} if self.session else {}

    async def page(self, query: str = "", **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"{self.site.url}/jobs{query}", headers={**self.headers, **headers})

    async def token(self, query: str = "", **headers: str) -> str:
        found = re.search(r'"token":"([^"]+)"', (await self.page(query, **headers)).text)
        assert found is not None
        return found[1]

    def socket(self, token: str, protocols: Sequence[str] | None = None) -> websockets.connect:
        offered: Any = ["bokeh", token] if protocols is None else protocols
        address = f"{self.site.url.replace('http', 'ws', 1)}/jobs/ws"
        return websockets.connect(address, subprotocols=offered, additional_headers=self.headers, proxy=None)


class Tab:
    """An open socket with the document that it gave."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.document = Document()

    async def open(self) -> Tab:
        """Do what a browser does first."""
        assert (await self.receive())["msgtype"] == "ACK"
        await self.send("PULL-DOC-REQ")
        while True:
            header = json.loads(await self.socket.recv())
            await self.socket.recv()
            content = json.loads(await self.socket.recv())
            for _ in range(2 * header.get("num_buffers", 0)):
                await self.socket.recv()
            if header["msgtype"] == "PULL-DOC-REPLY":
                self.roots = content["doc"]["roots"]
                return self

    async def receive(self) -> dict[str, Any]:
        header = json.loads(await self.socket.recv())
        for _ in range(2 + 2 * header.get("num_buffers", 0)):
            await self.socket.recv()
        return header

    async def send(self, kind: str, *args: Any) -> None:
        """Send a message as Bokeh's own protocol makes it."""
        message: Any = cast(Any, Protocol()).create(kind, *args)
        await self.socket.send(message.header_json)
        await self.socket.send(message.metadata_json)
        await self.socket.send(message.content_json)

    async def patch(self, *events: dict[str, Any]) -> None:
        """Send a PATCH-DOC of these events."""
        await self.socket.send(json.dumps({"msgid": "1", "msgtype": "PATCH-DOC"}))
        await self.socket.send("{}")
        await self.socket.send(json.dumps({"events": events}))

    async def say(self, **data: Any) -> None:
        """Say what a part of the page says."""
        values = [["model", {"id": self.roots[0]["id"]}], ["data", {"type": "map", "entries": list(data.items())}]]
        drawn = {"type": "event", "name": "data_event", "values": {"type": "map", "entries": values}}
        await self.patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": drawn})

    async def answers(self) -> bool:
        """Whether it still takes what the page says."""
        try:
            await self.say(kind="refresh")
            async with asyncio.timeout(20):
                while (await self.receive())["msgtype"] != "OK":
                    pass
        except websockets.ConnectionClosed:
            return False
        return True

    async def closed(self) -> int:
        """With which code the server ends it."""
        async with asyncio.timeout(20):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code


async def refused(connecting: websockets.connect) -> bool:
    """Whether the socket never opens."""
    try:
        async with connecting:
            return False
    except websockets.InvalidStatus as refusal:
        return refusal.response.status_code == 403


def session_of(token: str) -> str:
    body = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["session_id"])


# Whose document it is.


async def test_no_request_chooses_the_document_that_it_gets(closed_site: Site) -> None:
    vera, otto = await Visitor(closed_site).sign_in(VERA), await Visitor(closed_site).sign_in(OTTO)
    hers = session_of(await vera.token())

    for wish in ("planted", hers):
        links = [f"?bokeh_session_id={wish}", f"?bokeh-session-id={wish}", f"?bokeh_session_id={wish}&job=job-1"]
        tokens = [await otto.token(link) for link in links]
        tokens.append(await otto.token(**{"Bokeh-Session-Id": wish}))
        assert not {wish, hers} & {session_of(token) for token in tokens}
        assert len({session_of(token) for token in tokens}) == len(tokens)


async def test_the_token_of_one_sign_in_opens_nothing_for_another(closed_site: Site) -> None:
    vera, otto = await Visitor(closed_site).sign_in(VERA), await Visitor(closed_site).sign_in(OTTO)
    again = await Visitor(closed_site).sign_in(VERA)  # in another browser: another sign-in
    hers, his = await vera.token(), await otto.token()

    assert await refused(otto.socket(hers))
    assert await refused(vera.socket(his))
    assert await refused(again.socket(hers))
    assert await refused(Visitor(closed_site).socket(hers))
    async with vera.socket(hers) as socket:
        assert await (await Tab(socket).open()).answers()


async def test_a_token_that_this_server_did_not_sign_opens_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    visitor = Visitor(site)
    token = await visitor.token()
    body, _, signature = token.partition(".")
    forged = [
        generate_jwt_token(cast(Any, "mine")),  # unsigned, as Bokeh's own clients make it
        generate_jwt_token(cast(Any, "mine"), b"guessed", signed=True, extra_payload={"sign_in": ""}),
        body, f"{body}.", f".{signature}", f"{body}x.{signature}", f"{token}x", signature, "junk", "a.b.c", "0" * 4000,
    ]  # fmt: skip
    for offered in forged:
        assert await refused(visitor.socket(offered))
    for protocols in (["bokeh"], [token], ["json", token], ["bokeh", token, "more"], [token, "bokeh"], None):
        offered_ones: Any = protocols
        address = f"{site.url.replace('http', 'ws', 1)}/jobs/ws"
        assert await refused(websockets.connect(address, subprotocols=offered_ones, proxy=None))
    assert not caplog.records  # neither a traceback nor a word: it is nothing unusual


async def test_a_token_of_yesterday_opens_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefect_jobs_ui.documents.TOKEN_SECONDS", -1)
    visitor = Visitor(site)
    assert await refused(visitor.socket(await visitor.token()))


async def test_another_servers_token_opens_nothing(site: Site) -> None:
    other = await serve(ContractDouble())
    try:
        assert await refused(Visitor(site).socket(await Visitor(other).token()))
    finally:
        await other.stop()


async def test_nobody_can_sit_down_in_a_tab_that_is_open_even_where_nobody_signs_in(site: Site) -> None:
    token = await Visitor(site).token()
    async with Visitor(site).socket(token) as first:
        tab = await Tab(first).open()
        assert await refused(Visitor(site).socket(token))
        assert await tab.answers()


async def test_neither_the_address_nor_the_cookie_is_in_the_token(closed_site: Site) -> None:
    vera = await Visitor(closed_site).sign_in(VERA)
    short, long = await vera.token(), await vera.token(f"?q={'long' * 1000}")
    assert abs(len(long) - len(short)) < 10
    assert vera.session not in short


# What it takes.


async def test_a_viewers_script_gets_into_nobodys_document(closed_site: Site) -> None:
    vera = await Visitor(closed_site).sign_in(VERA)
    token = await vera.token()
    for attr, new in (("bundle", None), ("esm", "fetch('/api/jobs')"), ("class_name", "x"), ("notice", "hello")):
        async with vera.socket(token) as socket:
            tab = await Tab(socket).open()
            model = {"id": tab.roots[1]["id"]}
            await tab.patch({"kind": "ModelChanged", "model": model, "attr": attr, "new": new})
            assert await tab.closed() == 1008
        async with vera.socket(token) as socket:  # the same document, as it was
            tab = await Tab(socket).open()
            assert tab.roots[1]["attributes"].get(attr) != new


async def test_bokehs_own_client_can_change_nothing(site: Site) -> None:
    visitor = Visitor(site)
    local = Document()
    div = Div(text="x")
    local.add_root(div)
    events = [
        ModelChangedEvent(local, div, "text", "y"),
        RootAddedEvent(local, div),
        TitleChangedEvent(local, "Owned"),
    ]
    for event in events:
        async with visitor.socket(await visitor.token()) as socket:
            tab = await Tab(socket).open()
            await tab.send("PATCH-DOC", [event])
            assert await tab.closed() == 1008
    for kind, args in (("PUSH-DOC", (local,)), ("SERVER-INFO-REQ", ()), ("OK", ("1",)), ("ERROR", ("1", "text"))):
        async with visitor.socket(await visitor.token()) as socket:
            tab = await Tab(socket).open()
            await tab.send(kind, *args)
            assert await tab.closed() == 1008


FRAMES: dict[str, list[str | bytes]] = {
    "bytes": [b"\x00\x01"],
    "too long": ["x" * (LONGEST_FRAGMENT + 1)],
    "no JSON": ["no", "json", "at all"],
    "buffers": ['{"msgid":"1","msgtype":"PATCH-DOC","num_buffers":1}', "{}", '{"events":[]}'],
    "deep": ["[" * 50_000, "{}", "{}"],
    "no header": ["{}", "{}", "{}"],
}


async def test_a_frame_that_the_page_never_sends_ends_the_socket_without_a_traceback(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = Visitor(site)
    for frames in FRAMES.values():
        async with visitor.socket(await visitor.token()) as socket:
            tab = await Tab(socket).open()
            for frame in frames:
                await socket.send(frame)
            assert await tab.closed() == 1008
    assert not [record for record in caplog.records if record.exc_info]
    async with asyncio.timeout(15):
        while site.page.sessions:
            await asyncio.sleep(0.05)


async def test_one_tab_that_is_closed_leaves_the_others_alone(site: Site) -> None:
    visitor = Visitor(site)
    async with visitor.socket(await visitor.token()) as one, visitor.socket(await visitor.token()) as two:
        first, second = await Tab(one).open(), await Tab(two).open()
        await first.patch({"kind": "TitleChanged", "title": "x"})
        assert await first.closed() == 1008
        assert await second.answers()


# When it ends.


@pytest.mark.parametrize("ready", [True, False], ids=["drawn", "silent"])
async def test_signing_out_ends_the_sign_ins_sockets_and_no_others(closed_site: Site, ready: bool) -> None:
    vera, otto = await Visitor(closed_site).sign_in(VERA), await Visitor(closed_site).sign_in(OTTO)
    async with vera.socket(await vera.token()) as hers, otto.socket(await otto.token()) as his:
        tab, other = await Tab(hers).open(), await Tab(his).open()
        if ready:
            await tab.say(kind="ready", q="", status="", job_type="")
        closed_site.double.sessions.pop(vera.session)  # signed out, or its time is up, or its key is gone
        closed_site.double.end_streams()
        assert await tab.closed() == 1008
        assert await other.answers()
    assert (await vera.page()).status_code == 401
