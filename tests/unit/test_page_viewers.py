"""Each viewer's own hub: whose session it asks with, how long it lives, and what is left when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from prefect_jobs_ui.adapter import Adapter, SignedOut, Viewer
from prefect_jobs_ui.viewers import KEPT_SECONDS, Viewers


class Api:
    """A jobs API that knows sessions, and remembers with which cookie it was asked."""

    def __init__(self) -> None:
        self.sessions = {"of-vera": "vera", "of-otto": "otto"}
        self.keys_on = True
        self.down = False
        self.cookies: list[str | None] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        cookie = request.headers.get("cookie")
        self.cookies.append(cookie)
        name = self.sessions.get((cookie or "=").partition("=")[2])
        if self.keys_on and name is None:
            return httpx.Response(401, json={"detail": "API key required."})
        if request.url.path == "/api/session":
            return httpx.Response(200, json={"name": name, "role": "viewer", "sign_in": self.keys_on})
        if request.url.path == "/api/jobs/changes":
            return httpx.Response(200, content=Feed())
        jobs = [{"job_id": f"job for {name}", "created_at": "2026-03-04T08:15:00Z"}]
        return httpx.Response(200, json={"data": jobs, "meta": {"total": 1}, "aggregations": {}})


class Feed(httpx.AsyncByteStream):
    """A feed that says its status and goes on for ever."""

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        yield b'event: status\ndata: {"prefect":"up","version":1}\n\n'
        await asyncio.Event().wait()


@pytest.fixture
def api() -> Api:
    return Api()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def viewers(api: Api, clock: Clock) -> AsyncGenerator[Viewers]:
    client: Any = httpx.AsyncClient(transport=httpx.MockTransport(api.answer), base_url="http://api")
    opened = Viewers(Adapter(client), clock=clock)
    async with opened.serving():
        yield opened


async def test_who_has_no_session_is_not_let_in(viewers: Viewers) -> None:
    for token in (None, "", "nobodys"):
        with pytest.raises(SignedOut):
            await viewers.visit(token)


async def test_each_viewer_is_shown_what_his_own_session_may_see(viewers: Viewers, api: Api) -> None:
    vera, otto = await viewers.visit("of-vera"), await viewers.visit("of-otto")

    assert vera.viewer == Viewer("vera", "viewer", "of-vera")
    assert vera.hub.page is not None
    assert otto.hub.page is not None
    assert [card.job_id for card in vera.hub.page.cards] == ["job for vera"]
    assert [card.job_id for card in otto.hub.page.cards] == ["job for otto"]
    assert {cookie for cookie in api.cookies if cookie} == {
        "prefect_jobs_session=of-vera",
        "prefect_jobs_session=of-otto",
    }


async def test_the_tabs_of_one_viewer_share_a_hub(viewers: Viewers) -> None:
    assert (await viewers.visit("of-vera")).hub is (await viewers.visit("of-vera")).hub


async def test_where_nobody_signs_in_everybody_shares_one_hub(viewers: Viewers, api: Api) -> None:
    api.keys_on = False

    first, second = await viewers.visit(None), await viewers.visit("a-cookie-of-former-days")
    assert first.hub is second.hub
    assert first.viewer == second.viewer == Viewer()


async def test_a_hub_that_nobody_uses_goes_after_a_while(viewers: Viewers, clock: Clock) -> None:
    hub = (await viewers.visit("of-vera")).hub
    clock.now = KEPT_SECONDS - 1
    await viewers.sweep()
    assert (await viewers.visit("of-vera")).hub is hub

    clock.now += KEPT_SECONDS
    await viewers.sweep()
    assert (await viewers.visit("of-vera")).hub is not hub


async def test_a_hub_stays_while_a_socket_is_open_so_that_the_socket_hears_of_the_end(
    viewers: Viewers, clock: Clock
) -> None:
    hub = (await viewers.visit("of-vera")).hub
    with hub.in_use():  # a socket that asks for nothing
        clock.now = 2 * KEPT_SECONDS
        await viewers.sweep()
        assert (await viewers.visit("of-vera")).hub is hub


async def test_when_the_session_ends_the_hub_forgets_what_it_knew(viewers: Viewers, api: Api) -> None:
    hub = (await viewers.visit("of-vera")).hub
    del api.sessions["of-vera"]
    await hub.reload()

    assert hub.over.is_set()
    assert hub.page is None
    with pytest.raises(SignedOut):
        await viewers.visit("of-vera")
    await viewers.sweep()
    assert viewers.hubs == 0


async def test_while_the_api_is_away_a_stranger_is_shown_nothing_of_others(viewers: Viewers, api: Api) -> None:
    vera = await viewers.visit("of-vera")
    api.down = True

    assert (await viewers.visit("of-vera")).hub is vera.hub
    for token in (None, "nobodys"):
        assert (await viewers.visit(token)).hub.page is None
