"""The URL holds the view: selecting, Back, reload, a shared link, a phone, the keyboard."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import ViewportSize, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job

PHONE: ViewportSize = {"width": 390, "height": 844}


async def test_selecting_writes_the_url_and_back_returns_to_the_list(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-one").click()
    await expect(page).to_have_url(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("job-item-one")).to_have_attribute("aria-current", "true")

    await page.go_back()

    await expect(page).to_have_url(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Select a job")
    await page.go_forward()
    await expect(page.get_by_test_id("status-badge")).to_be_visible()


async def test_escape_leads_to_the_list_however_many_jobs_were_looked_at(site: Site, open_page: OpenPage) -> None:
    for name in ("one", "two", "three"):
        site.double.put(job(name, "completed"))
    page = await open_page(f"{site.url}/jobs?status=completed")
    for _ in range(2):
        for name in ("one", "two", "three"):
            await page.get_by_test_id(f"job-item-{name}").click()
            await expect(page).to_have_url(f"{site.url}/jobs?status=completed&job={name}")
        await page.keyboard.press("Escape")
        await expect(page).to_have_url(f"{site.url}/jobs?status=completed")
        await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Select a job")


async def test_from_a_shared_link_over_another_job_to_the_list(site: Site, open_page: OpenPage) -> None:
    for name in ("one", "two"):
        site.double.put(job(name))
    page = await open_page(f"{site.url}/jobs?job=one")
    await page.get_by_test_id("job-item-two").click()
    await expect(page).to_have_url(f"{site.url}/jobs?job=two")
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(f"{site.url}/jobs")


@pytest.mark.parametrize("between", ["", "?job=two"])
async def test_what_is_typed_into_the_log_of_a_job_chosen_again_at_once_stays(site: Site, open_page: OpenPage,
                                                                              between: str) -> None:  # fmt: skip
    # The page still knew the job and drew it at once; then came what was told of the choice between, took the log
    # viewer away, and with it what somebody had begun to look for.
    for name in ("one", "two"):
        site.double.put(job(name, "running", progress=7))
    site.double.store_lines("one", "a needle in the hay")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("1 log")
    find = page.get_by_role("textbox", name="Find in logs")
    site.double.gates["job"] = asyncio.Event()

    await page.evaluate(
        """([between, back]) => { for (const url of [between, back]) {
            history.pushState(null, "", url)
            dispatchEvent(new PopStateEvent("popstate"))
        } }""",
        [f"{site.url}/jobs{between}", f"{site.url}/jobs?job=one"],
    )
    await find.fill("needle")
    site.double.put(job("one", "running", progress=8))
    site.double.gates.pop("job").set()

    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (8%)")
    await expect(page.get_by_test_id("find-hits")).to_have_text("1 of 1 hit")
    await expect(find).to_have_value("needle")


async def test_reload_and_a_shared_link_restore_the_selection(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("a b&c", "running", progress=7))
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-a b&c").click()
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (7%)")

    await page.reload()
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (7%)")

    other = await open_page(page.url)
    await expect(other.get_by_test_id("status-badge")).to_have_text("Running (7%)")


async def test_a_job_can_be_opened_before_any_script_has_run(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running", progress=7))
    await (await open_page(f"{site.url}/jobs")).close()  # the hub has read the list
    page = await open_page(f"{site.url}/jobs", wait=False, java_script_enabled=False)

    await page.get_by_role("link", name="Export").click()

    await expect(page).to_have_url(f"{site.url}/jobs?job=one")


async def test_enter_and_space_select_and_space_does_not_scroll(site: Site, open_page: OpenPage) -> None:
    for number in range(40):
        site.double.put(job(f"job-{number:02}", age=100 - number))
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-job-39").focus()

    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=2)).to_contain_text("#39")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("heading", level=2)).to_contain_text("#38")

    assert await page.locator("#list").evaluate("node => node.scrollTop") == 0


@pytest.mark.parametrize(("to", "number"), [("1200", "20"), ("list.scrollHeight", "00")])
async def test_on_a_phone_the_detail_takes_the_lists_place_and_gives_it_back(site: Site, open_page: OpenPage, to: str,
                                                                            number: str) -> None:  # fmt: skip
    """The list is taller while the header is away: what was read at its end came back elsewhere."""
    for place in range(40):
        site.double.put(job(f"job-{place:02}", age=100 - place))
    page = await open_page(f"{site.url}/jobs", viewport=PHONE)
    await expect(page.get_by_test_id("job-item-job-39")).to_be_visible()
    await page.locator("#list").evaluate(f"list => {{ list.scrollTop = {to} }}")
    card = page.get_by_test_id(f"job-item-job-{number}")
    await expect(card).to_be_visible()
    scrolled = await page.locator("#list").evaluate("node => node.scrollTop")
    assert scrolled > 0

    await card.click()
    await expect(page.get_by_role("heading", level=2)).to_contain_text(f"#{number}")
    await expect(card).to_be_hidden()
    await page.get_by_role("button", name="Back to the list").click()

    await expect(card).to_be_visible()
    await expect(card).to_be_focused()
    await expect(page).to_have_url(f"{site.url}/jobs")
    assert await page.locator("#list").evaluate("node => node.scrollTop") == scrolled


async def test_a_shared_link_on_a_phone_has_a_way_to_the_list_too(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?job=one", viewport=PHONE)

    await page.get_by_role("button", name="Back to the list").click()

    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    await expect(page).to_have_url(f"{site.url}/jobs")


async def test_the_theme_goes_round_and_is_kept(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs", color_scheme="light")
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", "light")

    await page.get_by_role("button", name="Theme: system").click()
    await page.get_by_role("button", name="Theme: light").click()
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.reload()

    await expect(root).to_have_attribute("data-theme", "dark")
    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
