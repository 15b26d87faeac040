"""A list of any length: every row can be reached, what is read does not move, and only what is seen is drawn."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job

ROW = 76
"""Pixels."""


def _fill(site: Site, count: int) -> None:
    for number in range(count):
        site.double.put(job(f"job-{number:04}", "completed", age=10_000 - number))


async def _scroll(page: Page, to: str) -> None:
    await page.locator("#list").evaluate(f"list => {{ list.scrollTop = {to} }}")


async def _top_of(page: Page, job_id: str) -> float:
    box = await page.get_by_test_id(f"job-item-{job_id}").bounding_box()
    assert box is not None
    return round(box["y"], 1)


async def test_every_job_can_be_reached_and_only_those_in_sight_are_drawn(site: Site, open_page: OpenPage) -> None:
    _fill(site, 400)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-0399")).to_be_visible()

    await _scroll(page, "list.scrollHeight")
    await expect(page.get_by_test_id("job-item-job-0000")).to_be_in_viewport()
    await _scroll(page, "list.scrollHeight / 2")
    await expect(page.get_by_test_id("job-item-job-0195")).to_be_in_viewport()

    assert await page.locator("#list li").count() < 40
    assert await page.locator("#list").evaluate("list => list.scrollHeight") == 400 * ROW
    first = page.locator("#list li").first
    await expect(first).to_have_attribute("aria-setsize", "400")
    await expect(first).to_have_attribute("aria-posinset", re.compile(r"\d+"))


async def test_a_million_jobs_scroll_from_the_first_to_the_last(site: Site, open_page: OpenPage) -> None:
    _fill(site, 3)
    site.double.below = 1_000_000
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("1,000,003 jobs")

    await _scroll(page, "list.scrollHeight")
    await expect(page.get_by_test_id("job-item-row-999999")).to_be_in_viewport()
    await page.locator("#list").hover()
    await page.mouse.wheel(0, -820)
    await expect(page.get_by_test_id("job-item-row-999985")).to_be_in_viewport()
    await _scroll(page, "list.scrollHeight / 2")
    middle = page.locator("#list .card[data-row]").first
    await expect(middle).to_have_attribute("data-testid", re.compile(r"row-(49|50)\d{4}"))
    await _scroll(page, "0")

    await expect(page.get_by_test_id("job-item-job-0002")).to_be_in_viewport()
    asked = {wanted["offset"] for wanted in site.double.searches}
    assert len(asked) < 20  # the rows that were passed were not asked for


async def test_rows_that_are_not_there_yet_have_their_place(site: Site, open_page: OpenPage) -> None:
    site.double.below = 5000
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-row-0")).to_be_visible()
    site.double.refusing["search"] = (503, "busy")

    await _scroll(page, str(245 * ROW))

    await expect(page.locator("#list li.shape").first).to_be_visible()
    site.double.refusing.clear()
    await expect(page.locator("#list li.shape")).to_have_count(0)
    await expect(page.get_by_test_id("job-item-row-245")).to_be_in_viewport()


async def test_while_somebody_reads_new_jobs_wait_behind_a_pill_and_nothing_moves(
    site: Site, open_page: OpenPage
) -> None:
    _fill(site, 200)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-0199")).to_be_visible()
    await _scroll(page, "3000")
    await expect(page.get_by_test_id("job-item-job-0160")).to_be_visible()
    before = await _top_of(page, "job-0160")

    for number in range(12):
        site.double.put(job(f"new-{number:02}", age=0))
    pill = page.get_by_role("button", name="Show 12 new jobs")
    await expect(pill).to_have_text("12 new")
    site.double.change("job-0160", message="changed")
    await expect(page.get_by_test_id("job-item-job-0160")).to_contain_text("changed")
    assert await _top_of(page, "job-0160") == before

    await pill.click()
    await expect(page.get_by_test_id("job-item-new-11")).to_be_in_viewport()
    await expect(pill).to_have_count(0)
    await expect(page.get_by_test_id("jobs-count")).to_have_text("212 jobs")


async def test_under_the_pointer_the_list_stands_still_and_catches_up_when_it_leaves(
    site: Site, open_page: OpenPage
) -> None:
    _fill(site, 3)
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-job-0002").hover()

    site.double.put(job("new-1", age=0))

    await expect(page.get_by_role("button", name="Show 1 new job")).to_be_visible()
    await expect(page.locator("#list .card").first).to_have_attribute("data-testid", "job-item-job-0002")
    await page.get_by_role("heading", level=1).hover()
    await expect(page.locator("#list .card").first).to_have_attribute("data-testid", "job-item-new-1")


async def test_another_list_under_the_pointer_stands_still_too(site: Site, open_page: OpenPage) -> None:
    _fill(site, 3)
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-job-0002").hover()
    await page.keyboard.press("/")
    await page.keyboard.type("export")
    await expect(page).to_have_url(f"{site.url}/jobs?q=export")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("3 jobs")
    async with asyncio.timeout(5):
        while site.double.searches[-1].get("q") != "export":
            await asyncio.sleep(0.02)

    site.double.put(job("new-1", age=0))

    await expect(page.get_by_role("button", name="Show 1 new job")).to_be_visible()
    await expect(page.locator("#list .card").first).to_have_attribute("data-testid", "job-item-job-0002")


async def test_a_job_deleted_above_what_is_read_does_not_move_it(site: Site, open_page: OpenPage) -> None:
    _fill(site, 200)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-0199")).to_be_visible()
    await _scroll(page, "1000")
    await expect(page.get_by_test_id("job-item-job-0185")).to_be_visible()
    before = await _top_of(page, "job-0185")

    site.double.delete("job-0195")

    await expect(page.get_by_test_id("jobs-count")).to_have_text("199 jobs")
    await expect(page.get_by_test_id("job-item-job-0185")).to_be_visible()
    assert await _top_of(page, "job-0185") == before


async def test_another_filter_begins_at_its_top(site: Site, open_page: OpenPage) -> None:
    _fill(site, 200)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-0199")).to_be_visible()
    await _scroll(page, "5000")
    await expect(page.get_by_test_id("job-item-job-0135")).to_be_visible()

    await page.get_by_label("Status", exact=True).select_option("completed")

    await expect(page.get_by_test_id("job-item-job-0199")).to_be_in_viewport()
    assert await page.locator("#list").evaluate("list => list.scrollTop") == 0
