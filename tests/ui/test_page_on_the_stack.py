"""The page in front of the real parts: Prefect, worker, adapter."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import httpx
import pytest
import websockets
from playwright.async_api import Page, expect

from tests.stack import Stack
from tests.ui.conftest import OpenPage

# Importing Prefect in the run's process takes seconds, on a busy machine many.
WITHIN = 60_000


async def _export(stack: Stack) -> str:
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30, trust_env=False) as client:
        answer = await client.post("/api/events/export", json={"format": "csv"})
    assert answer.status_code == 202
    return answer.json()["job_id"]


async def _lines_of(stack: Stack, job_id: str) -> list[str]:
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30, trust_env=False) as client:
        answer = await client.get(f"/api/jobs/{job_id}/logs", params={"limit": 10_000})
    return [line["message"] for line in answer.json()["logs"]]


async def _shown_lines(page: Page) -> list[str]:
    return [text or "" for text in await page.locator(".line-message").all_text_contents()]


@pytest.mark.timeout(240)
async def test_an_export_is_watched_from_its_card_to_its_file(stack: Stack, open_page: OpenPage) -> None:
    page = await open_page(stack.page_url)

    job_id = await _export(stack)
    card = page.get_by_test_id(f"job-item-{job_id}")
    await expect(card).to_be_visible()
    await expect(card).to_contain_text("Export")
    await card.click()
    await expect(page.get_by_role("heading", level=2)).to_contain_text(f"Export {job_id}")

    badge = page.get_by_test_id("status-badge")
    await expect(badge).to_have_text("Completed (100%)", timeout=WITHIN)
    await expect(card).to_contain_text("completed")
    await expect(page.get_by_test_id("message-section")).to_contain_text("Completed successfully")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download file").click()
    file = await (await download.value).path()
    assert file.read_bytes().startswith(b"Event ID,Camera,")
    # The stream is left once it has said that the record is complete.
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Offline", timeout=WITHIN)
    stored = await _lines_of(stack, job_id)
    assert stored
    assert await _shown_lines(page) == stored


async def test_the_pages_socket_is_closed_to_other_sites_on_the_real_server(stack: Stack) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        token = re.search(r'"token":"([^"]+)"', (await client.get(stack.page_url)).text)
    assert token is not None
    socket_of: Any = websockets.connect
    connect = partial(
        socket_of,
        stack.page_url.replace("http", "ws", 1) + "/ws",
        subprotocols=["bokeh", token[1]],
        proxy=None,
    )

    async with connect(origin=stack.api_url) as socket:
        assert "ACK" in str(await socket.recv())
    async with connect(origin="https://evil.example") as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.timeout(240)
async def test_a_job_is_started_by_its_form_found_by_the_search_counted_and_deleted(
    stack: Stack, open_page: OpenPage
) -> None:
    page = await open_page(stack.page_url)
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog", name="New job")
    await window.get_by_label("Job type").select_option("export")
    await window.get_by_label("format", exact=True).fill("json")
    await window.get_by_role("button", name="Start job").click()
    await expect(page.get_by_test_id("word")).to_have_text("Job started")
    job_id = page.url.rsplit("job=", 1)[1]
    await expect(page.get_by_test_id("status-badge")).to_have_text("Completed (100%)", timeout=WITHIN)
    await expect(page.get_by_test_id("job-result")).to_contain_text('"format": "json"')
    await page.get_by_role("button", name="History").click()
    await expect(page.get_by_test_id("timeline-entry").last).to_contain_text("Completed")

    await page.get_by_role("textbox", name="Search jobs").fill(f"id:{job_id[:13]} status:completed")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("1 job")
    await page.get_by_test_id(f"job-item-{job_id}").click()
    await page.get_by_role("button", name="View stats").click()
    await expect(page.get_by_test_id("tile-created")).not_to_contain_text("Created0")
    await page.go_back()

    await page.get_by_test_id("job-actions").get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete Job").click()
    await expect(page.get_by_text("No jobs match your search")).to_be_visible()
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30, trust_env=False) as client:
        assert (await client.get(f"/api/jobs/{job_id}")).status_code == 404
