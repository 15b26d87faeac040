"""What Panel on FastAPI leaves open, each closed and each with the test that would show it open again."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
import websockets
from playwright.async_api import expect

from tests.ui.conftest import OpenPage, Site, serve
from tests.ui.contract_double import ContractDouble, job


async def _token(site: Site) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(f"{site.url}/jobs")
    found = re.search(r'"token":"([^"]+)"', page.text)
    assert found is not None
    return found[1]


def _connect(site: Site, token: str, **options: Any) -> websockets.connect:
    address = f"{site.url.replace('http', 'ws', 1)}/jobs/ws"
    return websockets.connect(address, subprotocols=["bokeh", token], proxy=None, **options)  # pyright: ignore[reportArgumentType]  # plain text is a subprotocol


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_foreign_site_cannot_open_the_pages_socket(site: Site, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await _connect(site, await _token(site), origin=origin)

    assert refusal.value.response.status_code == 403


async def test_the_pages_own_host_and_clients_without_a_browser_can_open_its_socket(site: Site) -> None:
    for origin in (site.url, None):
        async with _connect(site, await _token(site), origin=origin) as socket:
            assert "ACK" in str(await socket.recv())


async def test_closed_tabs_leave_no_session_behind(site: Site, open_page: OpenPage) -> None:
    # bokeh-fastapi 0.1.8 never noticed a closed socket: every tab ever opened kept its session, for ever.
    site.double.put(job("one"))
    pages = [await open_page(f"{site.url}/jobs") for _ in range(5)]
    for page in pages:
        await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    assert site.page.tabs == 5

    for page in pages:
        await page.close()

    async with asyncio.timeout(15):
        while site.page.sessions or site.page.tabs:
            await asyncio.sleep(0.05)


async def test_a_session_that_never_opened_its_socket_is_released_too(site: Site) -> None:
    await _token(site)
    assert site.page.sessions == 1

    async with asyncio.timeout(15):
        while site.page.sessions:
            await asyncio.sleep(0.05)


async def test_a_slow_browser_gets_its_session_by_its_token_after_it_was_released(site: Site) -> None:
    token = await _token(site)
    async with asyncio.timeout(15):
        while site.page.sessions:
            await asyncio.sleep(0.05)

    async with _connect(site, token) as socket:
        assert "ACK" in str(await socket.recv())


async def test_under_a_prefix_everything_loads_and_lives(double: ContractDouble, open_page: OpenPage) -> None:
    site = await serve(double, prefix="/ops")
    try:
        double.put(job("one", "running", progress=3))
        double.put(job("two", "completed", result={"file_path": "/api/exports/a.csv"}))
        double.store_lines("one", "a line")
        failed: list[str] = []
        page = await open_page("about:blank", wait=False)
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        await page.goto(f"{site.url}/jobs?job=one")
        await expect(page.get_by_role("log")).to_contain_text("a line")
        double.change("one", progress=61)
        await expect(page.get_by_test_id("status-badge")).to_have_text("Running (61%)")

        await page.get_by_test_id("job-item-two").click()
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download file").click()

        assert (await download.value).url == f"{site.url}/api/exports/a.csv"
        assert failed == []
    finally:
        await site.stop()


async def test_bokeh_resources_from_elsewhere_are_refused_whatever_the_environment_says(
    site: Site, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOKEH_RESOURCES", "cdn")
    site.double.put(job("one"))

    page = await open_page(f"{site.url}/jobs")  # which fails on any request to another host

    await expect(page.get_by_test_id("job-item-one")).to_be_visible()


async def test_the_first_rows_are_in_the_servers_answer_and_the_scripts_come_after_them(site: Site) -> None:
    site.double.put(job("one", message="in the first answer"))
    async with httpx.AsyncClient(trust_env=False) as client:
        async with asyncio.timeout(10):
            while "in the first answer" not in (page := await client.get(f"{site.url}/jobs")).text:
                await asyncio.sleep(0.05)

    assert "<script src" not in page.text.split("</head>")[0]
    assert page.text.index("in the first answer") < page.text.index("bokeh.min.js")


async def test_the_drawn_rows_look_like_the_first_rows(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-1", "running", progress=40, message="Half", job_type="batch_audit"))
    site.double.put(job("job-2", "failed", state="cancelled", age=4000))
    site.double.put(job("job-3", "pending", job_type="a-flow-of-somebody", age=100_000))
    # The rows are as wide as their words, so only after the font has come are two pages the same.
    read = """async () => {
        await document.fonts.ready
        return [...document.querySelectorAll('.card, .card > :not(.card-icon)')].map((node) => {
            const {top, left, width, height} = node.getBoundingClientRect()
            return [node.textContent.replace(/\\s+/g, ''), ...[top, left, width, height].map(Math.round)]
        })
    }"""
    drawn_page = await open_page(f"{site.url}/jobs")
    await expect(drawn_page.get_by_test_id("job-item-job-3")).to_be_visible()
    drawn = await drawn_page.evaluate(read)
    first_page = await open_page(f"{site.url}/jobs", wait=False, java_script_enabled=False)
    await expect(first_page.locator(".card")).to_have_count(3)

    first = await first_page.evaluate(read)

    assert first == drawn
    assert len(first) > 3


async def test_panels_component_route_serves_the_pages_files_and_nothing_else(site: Site) -> None:
    # It imports whichever module its URL names: `/components/antigravity/…` ran that module's code.
    async with httpx.AsyncClient(trust_env=False, base_url=site.url) as client:
        bundle = "/components/prefect_jobs_ui.components/JobList/_bundle_path/dist/jobs.bundle.js"
        assert (await client.get(bundle)).headers["cache-control"] == "no-cache"
        for path in ("/components/this/a/_css/b", "/components/panel.pane/Markdown/_css/x"):
            assert (await client.get(path)).status_code == 404


async def test_the_pages_routes_are_not_in_the_apis_documentation(site: Site) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=site.url) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]

    assert not [path for path in paths if path == "/jobs" or path.startswith(("/jobs/", "/components"))]


async def test_the_pages_policy_keeps_the_browser_on_this_host(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")

    refused = await page.evaluate(
        """() => new Promise((done) => {
            document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective))
            fetch('http://127.0.0.1:9/').catch(() => {})
        })"""
    )

    assert refused == "connect-src"
