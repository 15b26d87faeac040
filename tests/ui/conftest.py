"""The page in Chromium. Each test has a server of its own, on its own event loop, in front of a contract double."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from prefect_jobs_ui import mount_page
from prefect_jobs_ui.mounting import MountedPage
from tests.ui.contract_double import ContractDouble

PAGE_SOURCES = Path(__file__).parents[2] / "ui" / "prefect_jobs_ui" / "js"
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip

expect.set_options(timeout=15_000)

# Panel 1.9 builds its requests for Tornado 6.5 in a way that Tornado 6.6 deprecates.
PANELS_OWN_WARNING = "ignore:The .* to HTTPServerRequest:DeprecationWarning"

OpenPage = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests serve Panel in their own process, so its warnings are theirs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(PANELS_OWN_WARNING))


@dataclass
class Site:
    """A served page and what stands behind it."""

    url: str
    double: ContractDouble
    page: MountedPage
    server: uvicorn.Server
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """Stop serving, as a restart or a crash would."""
        self.server.should_exit = True
        while not self.task.done():  # the feed's streams never end by themselves
            self.double.end_streams()
            await asyncio.sleep(0.01)
        await self.task


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve(
    double: ContractDouble, *, port: int | None = None, prefix: str = "", frame_origins: Sequence[str] = ()
) -> Site:
    """Serve the page and the double's API on one port, under `prefix` as a reverse proxy would show them."""
    port = port or free_port()
    app = double.app()
    app.mount("/sources", StaticFiles(directory=PAGE_SOURCES))
    mounted = mount_page(app, api_url=f"http://127.0.0.1:{port}{prefix}", frame_origins=frame_origins)
    served: Any = app
    if prefix:
        served = FastAPI(lifespan=app.router.lifespan_context)
        served.mount(prefix, app)
    config = uvicorn.Config(
        served, host="127.0.0.1", port=port, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    # The tests' own process handles signals.
    server.capture_signals = contextlib.nullcontext  # pyright: ignore[reportAttributeAccessIssue]  # a stand-in
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the test's server did not start"
        await asyncio.sleep(0.01)
    return Site(f"http://127.0.0.1:{port}{prefix}", double, mounted, server, task)


@pytest.fixture(scope="session")
async def browser() -> AsyncGenerator[Browser]:
    """Chromium from the system's packages, found on PATH."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("Chromium is missing. On Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest.fixture
def double() -> ContractDouble:
    return ContractDouble()


@pytest.fixture
async def site(double: ContractDouble) -> AsyncGenerator[Site]:
    """The page in front of the double."""
    served = await serve(double)
    yield served
    if not served.task.done():
        await served.stop()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncGenerator[OpenPage]:
    """Open an address in a browser of its own. Afterwards: no script error, and nothing asked of any other host."""
    troubles: list[str] = []
    async with contextlib.AsyncExitStack() as contexts:

        async def open_one(url: str, *, wait: bool = True, **chosen: Any) -> Page:
            options: dict[str, Any] = {"viewport": DESKTOP, **chosen}
            context = await browser.new_context(**options)
            contexts.push_async_callback(context.close)
            page = await context.new_page()

            def check(asked: str) -> None:
                parts = urlsplit(asked)
                if parts.scheme not in ("blob", "data", "about") and parts.hostname != "127.0.0.1":
                    troubles.append(f"asked outside: {asked}")

            page.on("request", lambda request: check(request.url))
            page.on("websocket", lambda websocket: check(websocket.url))
            page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
            await page.goto(url)
            if wait:
                await expect(page.locator("html[data-live]")).to_be_attached()
            return page

        yield open_one
    assert not troubles
