"""One action on many jobs: choosing them, exactly which, how far it is, and what became of each."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job


def _fill(site: Site, count: int = 6) -> None:
    for number in range(count):
        status = "running" if number == count - 1 else "failed"
        site.double.put(job(f"job-{number:03}", status, age=1000 - number))


async def _pick(page: Page, job_id: str) -> None:
    await page.get_by_test_id(f"job-item-{job_id}").hover()
    await page.get_by_role("checkbox", name=f"Select Export #{job_id[-6:]}").click()


async def _at_the_end(site: Site, open_page: OpenPage) -> Page:
    """A list of 400 jobs whose first one is chosen, scrolled to its end."""
    _fill(site, 400)
    page = await open_page(f"{site.url}/jobs")
    await _pick(page, "job-399")
    await page.locator("#list").evaluate("list => { list.scrollTop = list.scrollHeight }")
    await expect(page.get_by_test_id("job-item-job-000")).to_be_visible()
    return page


async def test_jobs_are_chosen_one_by_one_by_key_and_by_range(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    bar = page.get_by_test_id("bulk-bar")
    await expect(page.get_by_test_id("job-item-job-005")).to_be_visible()
    await expect(bar).to_have_count(0)

    await _pick(page, "job-005")
    await expect(bar).to_contain_text("1 selected")
    await expect(page).to_have_url(f"{site.url}/jobs")  # choosing is not opening
    await page.get_by_test_id("job-item-job-002").click(modifiers=["Shift"])
    await expect(bar).to_contain_text("4 selected")
    await page.get_by_test_id("job-item-job-003").click(modifiers=["Control"])
    await expect(bar).to_contain_text("3 selected")
    await page.get_by_test_id("job-item-job-000").focus()
    await page.keyboard.press("x")
    await expect(bar).to_contain_text("4 selected")

    await page.keyboard.press("Escape")
    await expect(bar).to_have_count(0)


async def test_a_range_reaches_over_rows_that_were_never_loaded(site: Site, open_page: OpenPage) -> None:
    page = await _at_the_end(site, open_page)

    await page.get_by_test_id("job-item-job-000").click(modifiers=["Shift"])

    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("400 selected")


@pytest.mark.parametrize(("rows", "words"), [(10_000, 0), (10_001, 1)])
async def test_a_range_takes_ten_thousand_jobs_and_says_so_when_it_was_cut(site: Site, open_page: OpenPage, rows: int,
                                                                          words: int) -> None:  # fmt: skip
    site.double.below = rows
    page = await open_page(f"{site.url}/jobs")
    await _pick(page, "row-0")
    await page.locator("#list").evaluate("list => { list.scrollTop = list.scrollHeight }")

    await page.get_by_test_id(f"job-item-row-{rows - 1}").click(modifiers=["Shift"])

    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("10,000 selected")
    await expect(page.get_by_text("A range takes at most 10,000 jobs.")).to_have_count(words)


async def test_a_range_holds_what_the_list_shows_while_new_jobs_wait(site: Site, open_page: OpenPage) -> None:
    """They wait behind a pill. Asked by the numbers of rows, the range held jobs above it and lacked its last ones."""
    page = await _at_the_end(site, open_page)
    for number in range(12):
        site.double.put(job(f"new-{number:02}", "failed", age=0))
    await expect(page.get_by_role("button", name="Show 12 new jobs")).to_be_visible()

    await page.get_by_test_id("job-item-job-001").click(modifiers=["Shift"])
    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("399 selected")
    async with page.expect_request("**/jobs/bulk?dry_run=true") as asked:
        await page.get_by_test_id("bulk-bar").get_by_role("button", name="Delete").click()

    chosen: list[str] = json.loads((await asked.value).post_data or "")["job_ids"]
    assert sorted(chosen) == [f"job-{number:03}" for number in range(1, 400)]


async def test_a_range_begins_at_its_job_though_others_came_above_it(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await _pick(page, "job-005")
    await page.get_by_role("heading", level=1).hover()  # nobody reads: new jobs enter at once
    for number in range(3):
        site.double.put(job(f"new-{number:02}", "failed", age=0))
    await expect(page.get_by_test_id("job-item-new-02")).to_be_visible()

    await page.get_by_test_id("job-item-job-003").click(modifiers=["Shift"])

    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("3 selected")


async def test_a_range_that_is_given_up_while_it_is_asked_for_picks_nothing(site: Site, open_page: OpenPage) -> None:
    page = await _at_the_end(site, open_page)
    site.double.gates["search"] = asyncio.Event()
    await page.get_by_test_id("job-item-job-000").click(modifiers=["Shift"])
    await page.keyboard.press("Escape")
    async with page.expect_response("**/jobs/search?**created_after**"):
        site.double.gates.pop("search").set()

    await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(page.get_by_test_id("bulk-bar")).to_have_count(0)


async def test_who_leaves_one_out_of_all_that_match_has_nothing_chosen_and_never_what_he_spared(
    site: Site, open_page: OpenPage
) -> None:
    """It once turned 5,000 chosen jobs into the single one that was to be left out."""
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    bar = page.get_by_test_id("bulk-bar")
    for how in ("Control", "Shift"):
        await _pick(page, "job-005")
        await page.get_by_role("button", name="Select all 6").click()
        await expect(bar).to_contain_text("6 selected")
        await page.get_by_test_id("job-item-job-003").click(modifiers=[how])
        await expect(bar).to_have_count(0)


async def test_the_preview_names_exact_count_and_states_and_who_is_left_out(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await _pick(page, "job-005")
    await page.get_by_role("button", name="Select all 6").click()
    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("6 selected")

    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Delete").click()

    window = page.get_by_role("dialog", name="Delete 6 jobs")
    await expect(window.get_by_test_id("bulk-preview")).to_contain_text("Failed 5")
    await expect(window.get_by_test_id("bulk-preview")).to_contain_text("Running 1")
    await expect(window).to_contain_text("5 of 6 allow it now.")
    await expect(window).to_contain_text("1 Job is running - stop it before deleting it")
    await expect(window).to_contain_text("This cannot be undone.")
    await expect(window.get_by_role("button", name="Delete 5 jobs")).to_be_enabled()


async def test_the_set_is_frozen_progress_shows_and_each_job_gets_its_receipt(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?status=failed")
    await _pick(page, "job-004")
    await page.get_by_role("button", name="Select all 5").click()
    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Retry").click()
    window = page.get_by_role("dialog")
    await expect(window.get_by_role("button", name="Retry 5 jobs")).to_be_enabled()
    site.double.put(job("job-late", "failed", age=0))  # it matches too, and was not meant
    site.double.change("job-003", status="completed", state="completed")
    site.double.gates["bulk-step"] = asyncio.Event()

    await window.get_by_role("button", name="Retry 5 jobs").click()

    await expect(window).to_contain_text("0 of 5 done")
    site.double.gates.pop("bulk-step").set()
    await expect(window).to_contain_text("4 done, 1 refused, 0 failed")
    await expect(window.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    receipt = window.get_by_test_id("bulk-receipt").get_by_role("row")
    await expect(receipt).to_have_count(6)
    await expect(receipt.filter(has_text="#ob-003")).to_contain_text(
        "Refused: Job cannot be retried - only failed jobs can"
    )
    await window.get_by_role("button", name="Close").click()
    await expect(page.get_by_test_id("bulk-bar")).to_have_count(0)
    assert ("retry", "job-late") not in site.double.acted
    assert len(site.double.acted) == 4


async def test_an_operation_can_be_stopped_midway(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?status=failed")
    await _pick(page, "job-004")
    await page.get_by_role("button", name="Select all 5").click()
    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Delete").click()
    window = page.get_by_role("dialog")
    site.double.gates["bulk-step"] = asyncio.Event()
    await window.get_by_role("button", name="Delete 5 jobs").click()

    await window.get_by_role("button", name="Stop").click()

    await expect(window).to_contain_text(
        "0 done, 0 refused, 0 failed, 5 left undone. Stopped: what is done stays done."
    )
    site.double.gates.pop("bulk-step").set()
    assert len(site.double.jobs) == 6


async def test_what_nobody_allows_cannot_be_begun(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await _pick(page, "job-000")

    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Cancel").click()

    window = page.get_by_role("dialog", name="Cancel 1 job")
    await expect(window).to_contain_text("None of these jobs allows it.")
    await expect(window.get_by_role("button", name="Cancel 0 jobs")).to_be_disabled()


async def test_a_refused_preview_says_why(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    site.double.refusing["bulk"] = (422, "The filter selects 200000 jobs; one operation takes at most 100000")
    page = await open_page(f"{site.url}/jobs")
    await _pick(page, "job-000")

    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Retry").click()

    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("one operation takes at most 100000")


async def test_an_operation_whose_window_was_closed_is_found_again_until_its_receipt_was_read(
    site: Site, open_page: OpenPage
) -> None:
    """Closing the window once left nothing of it: neither how far it was, nor what had become of which job."""
    _fill(site)
    page = await open_page(f"{site.url}/jobs?status=failed")
    await _pick(page, "job-004")
    await page.get_by_role("button", name="Select all 5").click()
    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Retry").click()
    window = page.get_by_role("dialog", name="Retry 5 jobs")
    site.double.gates["bulk-step"] = asyncio.Event()
    await window.get_by_role("button", name="Retry 5 jobs").click()
    await window.get_by_role("button", name="Close").click()
    await expect(window).to_have_count(0)

    found = page.get_by_role("button", name="Bulk retry: 0 of 5")
    await expect(found).to_be_visible()
    await page.reload()
    await found.click()
    await expect(window).to_contain_text("0 of 5 done")
    await expect(window.get_by_role("button", name="Stop")).to_be_visible()
    await page.keyboard.press("Escape")
    site.double.gates.pop("bulk-step").set()
    over = page.get_by_role("button", name="Bulk retry: finished")
    await over.click()
    await expect(window).to_contain_text("5 done, 0 refused, 0 failed")
    await window.get_by_role("button", name="#ob-003").click()  # who looks at one of the jobs comes back for the others
    await over.click()
    await window.get_by_role("button", name="Close").click()
    await expect(over).to_have_count(0)
