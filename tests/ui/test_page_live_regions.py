"""What a screen reader is told unasked: what changes, and not each second or number of it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job

LISTEN = """() => {
    const regions = "[aria-live], [role=status], [role=alert], [role=log]"
    window.heard = []
    new MutationObserver((changes) => {
        for (const {target} of changes) {
            const node = target instanceof Element ? target : target.parentElement
            const region = node?.closest(regions)
            const text = region?.textContent.trim()
            if (!text || node.closest("[aria-hidden=true], [aria-live=off]") || text === window.heard.at(-1)) continue
            window.heard.push(text)
        }
    }).observe(document.body, {subtree: true, childList: true, characterData: true})
}"""


async def _heard(page: Page) -> list[str]:
    return await page.evaluate("window.heard")


async def test_the_seconds_that_a_job_waits_are_not_read_out(site: Site, open_page: OpenPage) -> None:
    """The whole reason was said anew each second: nobody could listen to anything else."""
    site.double.put(job("one", age=40))
    since = (datetime.now(UTC) - timedelta(seconds=20)).isoformat()
    site.double.reasons["one"] = {"code": "no_worker", "text": "No worker is online", "since": since, "held_by": []}
    page = await open_page(f"{site.url}/jobs?job=one")
    waiting = page.get_by_test_id("waiting-section")
    await expect(waiting).to_contain_text("since 2")
    await expect(page.get_by_test_id("logs-completeness")).to_be_attached()
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")
    await page.evaluate(LISTEN)
    shown = await waiting.inner_text()

    await expect(waiting).not_to_have_text(shown)

    assert await _heard(page) == []
    await expect(waiting.get_by_role("status")).to_have_text("No worker is online")


async def test_the_count_is_read_out_for_an_answer_and_not_for_each_new_job(site: Site, open_page: OpenPage) -> None:
    for number in range(3):
        site.double.put(job(f"job-{number}", age=100 - number))
    page = await open_page(f"{site.url}/jobs")
    count = page.get_by_test_id("jobs-count")
    await expect(count).to_have_text("3 jobs")
    await page.evaluate(LISTEN)

    for number in range(3, 6):
        site.double.put(job(f"job-{number}", age=0))
        await expect(count).to_have_text(f"{number + 1} jobs")
    assert await _heard(page) == []

    await page.get_by_label("Status", exact=True).select_option("pending")
    await expect(page.locator(".search-row [role=status]")).to_have_text("6 jobs")
    assert await _heard(page) == ["6 jobs"]


async def test_how_old_the_data_is_is_read_out_once_and_when_it_is_minutes(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    await page.evaluate(LISTEN)

    for seconds, words in ((20, "20 seconds"), (35, "35 seconds"), (50, "50 seconds"), (65, "1 minute")):
        site.double.say_status(behind_seconds=float(seconds))
        await expect(page.get_by_test_id("feed-notice")).to_contain_text(f"{words} ago")

    assert [re.findall(r"\d+ \w+", text) for text in await _heard(page)] == [["20 seconds"], ["1 minute"]]


async def test_of_a_bulk_operation_the_quarters_and_the_receipt_are_read_out(site: Site, open_page: OpenPage) -> None:
    for number in range(12):
        site.double.put(job(f"job-{number:03}", "failed", age=100 - number))
    gates = site.double.gates
    gates["bulk-step"] = asyncio.Event()
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-job-011").click(modifiers=["Control"])
    await page.get_by_role("button", name="Select all 12").click()
    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Delete").click()
    dialog = page.get_by_test_id("bulk-dialog")
    await dialog.get_by_role("button", name="Delete 12 jobs").click()
    await expect(dialog.locator(".bulk-progress")).to_have_text("0 of 12 done")
    await page.evaluate(LISTEN)

    for done in range(1, 12):
        opened, gates["bulk-step"] = gates["bulk-step"], asyncio.Event()
        opened.set()
        await expect(dialog.locator(".bulk-progress")).to_have_text(f"{done} of 12 done")
    gates.pop("bulk-step").set()
    await expect(dialog.locator(".bulk-progress")).to_have_text("12 done, 0 refused, 0 failed")

    said = [text for text in await _heard(page) if "done" in text]
    assert said == ["3 of 12 done", "6 of 12 done", "9 of 12 done", "12 done, 0 refused, 0 failed"]
