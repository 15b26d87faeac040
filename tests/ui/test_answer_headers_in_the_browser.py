"""The policies that the real application sends let its own pages work."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from playwright.async_api import expect

from tests.served_process import KNOWN_ID, served_process
from tests.ui.conftest import OpenPage


async def test_the_description_and_the_page_work_under_their_policies(open_page: OpenPage, tmp_path: Path) -> None:
    with ExitStack() as until:
        server = await asyncio.to_thread(until.enter_context, served_process(tmp_path))
        refused: list[str] = []
        docs = await open_page("about:blank", wait=False)
        docs.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
        await docs.goto(f"{server.url}/docs")
        operation = docs.locator(".opblock", has_text="/healthz")
        await expect(operation).to_be_visible()
        await operation.click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.get_by_role("button", name="Execute").click()
        await expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")

        page = await open_page(f"{server.url}/jobs?status=completed")
        await expect(page.get_by_test_id(f"job-item-{KNOWN_ID}")).to_be_visible()
        assert refused == []
