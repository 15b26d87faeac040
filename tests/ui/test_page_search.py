"""What the list shows: text, status, type, all of it in the URL; and what the page says when nothing matches."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job, job_type


def _fill(site: Site) -> None:
    site.double.put(job("run-1", "running", progress=10, message="Writing", age=50))
    site.double.put(job("wait-2", age=100))
    site.double.put(job("done-3", "completed", job_type="backup", message="Completed successfully", age=200))
    site.double.put(job("bad-4", "failed", error="OSError: disk full", message="Failed: disk full", age=300))
    site.double.put(job("off-5", "failed", state="aborted", job_type="backup", error="Aborted by user", age=400))


async def _shown(page: Page) -> list[str]:
    ids = await page.locator("#list .card[data-testid]").evaluate_all("all => all.map((card) => card.dataset.testid)")
    return sorted(str(name).removeprefix("job-item-") for name in ids)


async def _shows(page: Page, *ids: str) -> None:
    await expect(page.get_by_test_id("jobs-count")).to_have_text("1 job" if len(ids) == 1 else f"{len(ids)} jobs")
    assert await _shown(page) == sorted(ids)


async def test_a_text_is_searched_when_the_typing_rests_and_the_url_follows_every_keystroke(
    site: Site, open_page: OpenPage
) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("search-icon")).to_be_visible()
    box = page.get_by_role("textbox", name="Search jobs")
    await expect(box).to_have_attribute("placeholder", "Search jobs...")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("5 jobs")

    await box.press_sequentially("disk", delay=20)

    await expect(page).to_have_url(f"{site.url}/jobs?q=disk")
    await _shows(page, "bad-4")
    texts = [wanted["q"] for wanted in site.double.searches if wanted.get("q")]
    assert texts == ["disk"]  # not "d", "di" and "dis"


async def test_status_and_type_act_at_once_together_and_replace_the_entry(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    entries = await page.evaluate("history.length")

    await page.get_by_label("Status", exact=True).select_option("cancelled")
    await _shows(page, "off-5")
    await page.get_by_label("Type", exact=True).select_option("export")
    await expect(page).to_have_url(f"{site.url}/jobs?status=cancelled&type=export")
    await expect(page.get_by_text("No jobs match your search")).to_be_visible()
    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Select a job to view details")
    await page.get_by_label("Status", exact=True).select_option("")

    await _shows(page, "run-1", "wait-2", "bad-4")
    await expect(page).to_have_url(f"{site.url}/jobs?type=export")
    assert await page.evaluate("history.length") == entries


async def test_the_status_options_are_the_contracts_and_the_tabs_count_every_status(
    site: Site, open_page: OpenPage
) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    options = (
        await page.get_by_label("Status", exact=True)
        .locator("option")
        .evaluate_all("all => all.map((option) => [option.value, option.textContent])")
    )
    assert options == [
        ["", "All"], ["pending", "Pending"], ["running", "Processing"], ["completed", "Completed"],
        ["failed", "Failed"], ["cancelled", "Cancelled"],
    ]  # fmt: skip
    tabs = page.get_by_role("list", name="Jobs by state").get_by_role("button")
    await expect(tabs).to_have_text(["All 5", "Processing 1", "Pending 1", "Completed 1", "Failed 1", "Cancelled 1"])

    await tabs.nth(4).click()

    await _shows(page, "bad-4")  # a cancelled job is failed on the wire, and has a tab of its own
    await expect(page).to_have_url(f"{site.url}/jobs?status=failed")
    site.double.change("run-1", status="failed", state="failed", error="boom")
    await expect(tabs).to_have_text(["All 5", "Processing 0", "Pending 1", "Completed 1", "Failed 2", "Cancelled 1"])
    await _shows(page, "bad-4", "run-1")


async def test_the_type_filter_offers_every_type_the_server_knows_with_its_count(
    site: Site, open_page: OpenPage
) -> None:
    _fill(site)
    site.double.put(job("else-6", job_type="somebodys-flow"))
    site.double.types = [job_type("export"), job_type("cleanup"), job_type("nightly", "Nightly load")]
    page = await open_page(f"{site.url}/jobs")
    options = page.get_by_label("Type", exact=True).locator("option")

    await expect(options).to_have_text(
        ["All", "Export (3)", "Cleanup (0)", "Nightly load (0)", "Backup (2)", "somebodys-flow (1)"]
    )
    await page.get_by_label("Type", exact=True).select_option("somebodys-flow")
    await _shows(page, "else-6")


async def test_the_built_in_types_are_offered_though_prefect_is_away(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    site.double.refusing["types"] = (503, "Prefect is away")
    page = await open_page(f"{site.url}/jobs")

    options = page.get_by_label("Type", exact=True).locator("option")

    await expect(options).to_have_text([re.compile(name) for name in (
        "All", "Export", "Batch Audit", "Cleanup", "Re-evaluation", "Backup", "Import",
    )])  # fmt: skip


async def test_x_clears_the_text_escape_and_clear_all_clear_everything(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?q=disk&status=failed")
    box = page.get_by_role("textbox", name="Search jobs")
    await expect(box).to_have_value("disk")
    await expect(page.get_by_test_id("active-filters-indicator")).to_have_text("Filters active")

    await page.get_by_role("button", name="Clear search").click()
    await expect(box).to_be_focused()
    await expect(page).to_have_url(f"{site.url}/jobs?status=failed")
    await expect(page.get_by_role("button", name="Clear search")).to_have_count(0)

    await box.fill("disk")
    await box.press("Escape")
    await expect(page).to_have_url(f"{site.url}/jobs")
    await expect(page.get_by_test_id("active-filters-indicator")).to_have_count(0)
    await expect(page.get_by_role("button", name="Clear all")).to_have_count(0)

    await page.get_by_label("Type", exact=True).select_option("backup")
    await page.get_by_role("button", name="Clear all").click()
    await _shows(page, "run-1", "wait-2", "done-3", "bad-4", "off-5")


async def test_every_change_of_the_filter_clears_the_selection(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?job=run-1")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()

    await page.get_by_role("textbox", name="Search jobs").fill("d")

    await expect(page).to_have_url(f"{site.url}/jobs?q=d")
    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Select a job")


async def test_a_view_can_be_shared_and_back_and_forward_go_through_it(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?q=disk&status=failed&type=export&job=bad-4")
    await _shows(page, "bad-4")
    await expect(page.get_by_label("Status", exact=True)).to_have_value("failed")
    await expect(page.get_by_label("Type", exact=True)).to_have_value("export")
    await expect(page.get_by_test_id("status-badge")).to_contain_text("Failed")

    page = await open_page(f"{site.url}/jobs")
    await page.get_by_label("Status", exact=True).select_option("failed")
    await page.get_by_test_id("job-item-bad-4").click()
    await expect(page).to_have_url(f"{site.url}/jobs?status=failed&job=bad-4")
    await page.go_back()
    await expect(page).to_have_url(f"{site.url}/jobs?status=failed")
    await _shows(page, "bad-4")
    await page.go_forward()
    await expect(page.get_by_test_id("status-badge")).to_contain_text("Failed")


async def test_the_first_answer_already_shows_what_a_shared_link_asks_for(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    await (await open_page(f"{site.url}/jobs")).close()  # the hub has read the list
    page = await open_page(f"{site.url}/jobs?status=failed", wait=False, java_script_enabled=False)

    await expect(page.locator(".card")).to_have_count(1)
    await expect(page.locator(".card")).to_contain_text("disk full")
    await page.locator(".card").click()
    await expect(page).to_have_url(f"{site.url}/jobs?status=failed&job=bad-4")


async def test_what_is_typed_before_the_scripts_have_come_is_kept(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page("about:blank", wait=False)
    held = asyncio.Event()

    async def hold(route: object) -> None:
        await held.wait()
        await route.continue_()  # type: ignore[attr-defined]

    await page.route("**/jobs.bundle.js*", hold)
    await page.goto(f"{site.url}/jobs", wait_until="commit")
    await page.get_by_role("textbox", name="Search jobs").fill("disk")
    held.set()

    await expect(page).to_have_url(f"{site.url}/jobs?q=disk")
    await _shows(page, "bad-4")
    await expect(page.get_by_role("textbox", name="Search jobs")).to_be_focused()


async def test_while_a_list_is_fetched_refresh_spins_and_nothing_the_user_types_in_is_disabled(
    site: Site, open_page: OpenPage
) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("5 jobs")
    site.double.gates["search"] = asyncio.Event()
    box = page.get_by_role("textbox", name="Search jobs")

    await box.fill("disk")

    refresh = page.get_by_role("button", name="Refresh jobs")
    await expect(refresh).to_be_disabled()
    await expect(refresh.locator(".spin")).to_be_visible()
    await expect(box).to_be_enabled()
    await expect(box).to_be_focused()
    await expect(page.get_by_label("Type", exact=True)).to_be_enabled()
    site.double.gates.pop("search").set()
    await expect(refresh).to_be_enabled()
    await _shows(page, "bad-4")


async def test_a_total_that_is_a_lower_bound_says_so(site: Site, open_page: OpenPage) -> None:
    for number in range(12):
        site.double.put(job(f"job-{number}", message="common word", age=number))
    site.double.counted_at_most = 10
    page = await open_page(f"{site.url}/jobs?q=common")

    await expect(page.get_by_test_id("jobs-count")).to_have_text("10+ jobs")


async def test_a_search_that_cannot_be_read_says_what_is_wrong(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("textbox", name="Search jobs").fill('type:"export')

    await expect(page.locator("#list").get_by_role("alert")).to_contain_text("This quotation mark is never closed")

    await page.get_by_role("textbox", name="Search jobs").fill("disk")
    await _shows(page, "bad-4")


async def test_an_empty_page_without_a_filter_has_no_search_bar(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("jobs-empty-state")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Search jobs")).to_have_count(0)

    filtered = await open_page(f"{site.url}/jobs?status=failed")
    await expect(filtered.get_by_role("textbox", name="Search jobs")).to_be_visible()
    await expect(filtered.get_by_text("No jobs match your search")).to_be_visible()


async def test_the_filtered_list_follows_its_jobs_in_and_out(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?status=running")
    await _shows(page, "run-1")

    site.double.change("wait-2", status="running", state="running", progress=1)
    await _shows(page, "run-1", "wait-2")
    site.double.complete("run-1")
    await _shows(page, "wait-2")
    site.double.put(job("new-9", "running", age=0))
    await _shows(page, "new-9", "wait-2")


async def test_hostile_filters_in_the_address_change_nothing(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    hostile = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    page = await open_page(f"{site.url}/jobs?q={hostile}&type={hostile}&status={hostile}&job={hostile}")

    await expect(page.get_by_role("textbox", name="Search jobs")).to_have_value('"><img src=x onerror=alert(1)>')
    assert await page.locator("img").count() == 0


async def test_a_status_that_nobody_knows_chooses_nothing_and_leaves_the_address(
    site: Site, open_page: OpenPage
) -> None:
    """`?status=bogus` showed all jobs under "Filters active", and no tab as chosen."""
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?status=bogus&job=one#L3")

    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    await expect(page.get_by_test_id("active-filters-indicator")).to_have_count(0)
    await expect(page.get_by_role("button", name="All 1")).to_have_attribute("aria-pressed", "true")
    await expect(page).to_have_url(f"{site.url}/jobs?job=one#L3")


async def test_what_was_chosen_of_a_list_without_jobs_is_forgotten_with_its_filter(
    site: Site, open_page: OpenPage
) -> None:
    """All of a list without jobs stayed chosen while another was shown: an action meant the jobs of the first."""
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?q=nobody")
    await expect(page.get_by_text("No jobs match your search")).to_be_visible()
    await page.keyboard.press("Control+k")
    await page.get_by_role("dialog").get_by_role("combobox").fill("select all jobs")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("bulk-bar")).to_be_visible()

    await page.get_by_role("button", name="Clear all").click()

    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    await expect(page.get_by_test_id("bulk-bar")).to_have_count(0)
