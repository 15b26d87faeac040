"""The whole page by keyboard, and the commands behind Ctrl+K."""

from __future__ import annotations

from playwright.async_api import expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job


def _fill(site: Site, count: int = 60) -> None:
    for number in range(count):
        site.double.put(job(f"job-{number:02}", "completed", age=1000 - number))


async def test_j_and_k_walk_through_the_jobs_enter_opens_and_escape_goes_back(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-59")).to_be_visible()

    await page.keyboard.press("j")
    await expect(page.get_by_test_id("job-item-job-59")).to_be_focused()
    for _ in range(30):
        await page.keyboard.press("j")
    await expect(page.get_by_test_id("job-item-job-29")).to_be_focused()
    await expect(page.get_by_test_id("job-item-job-29")).to_be_in_viewport()
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site.url}/jobs?job=job-30")
    await page.keyboard.press("Escape")

    await expect(page).to_have_url(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-30")).to_be_focused()


async def test_slash_searches_r_refreshes_and_question_mark_tells_the_keys(site: Site, open_page: OpenPage) -> None:
    _fill(site, 3)
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-02")).to_be_visible()
    site.double.jobs["job-02"]["message"] = "a change the feed does not tell"

    await page.keyboard.press("r")
    await expect(page.get_by_test_id("job-item-job-02")).to_contain_text("a change the feed does not tell")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Next job")
    await page.keyboard.press("j")  # a dialog has its own keys
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("/")
    await expect(page.get_by_role("textbox", name="Search jobs")).to_be_focused()
    await page.keyboard.type("jkrx?")

    await expect(page.get_by_role("textbox", name="Search jobs")).to_have_value("jkrx?")


async def test_the_commands_find_a_job_by_its_id_and_open_it(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Find a job or an action")
    await expect(box).to_be_focused()

    await box.fill("job-17")
    option = page.get_by_role("option", name="Export job-17")
    await expect(option).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page).to_have_url(f"{site.url}/jobs?job=job-17")


async def test_the_commands_run_every_action_of_the_selected_job_and_of_the_page(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("job-7", "failed", error="boom"))
    page = await open_page(f"{site.url}/jobs?job=job-7")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    await page.get_by_role("button", name="Commands").click()
    options = page.get_by_role("option")
    for label in (
        "Retry: Export #job-7", "Delete: Export #job-7", "Run again with changes: Export #job-7", "New job",
        "Refresh jobs", "View stats", "Show Failed", "Show Cleanup", "Select all jobs of this list", "Theme: light",
        "Theme: dark", "Theme: system",
    ):  # fmt: skip
        await expect(options.filter(has_text=label).first).to_be_attached()

    for label in ("Error Details", "Copy logs", "Toggle auto-scroll", "Enlarge logs", "Clear logs", "Download logs"):
        await expect(options.filter(has_text=f"{label}: Export #job-7")).to_be_attached()

    await page.get_by_role("dialog").get_by_role("combobox").fill("enlarge")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Shrink logs")).to_be_visible()
    await page.keyboard.press("Control+k")
    await page.get_by_role("dialog").get_by_role("combobox").fill("retry")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Pending")
    assert site.double.acted == [("retry", "job-7")]

    await page.keyboard.press("Control+k")
    await page.get_by_role("dialog").get_by_role("combobox").fill("show fail")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site.url}/jobs?status=failed")


async def test_the_commands_act_on_the_chosen_job_and_on_no_other(site: Site, open_page: OpenPage) -> None:
    """Retry asks nothing, and was offered for the job that had been shown before."""
    site.double.put(job("job-7", "failed"))
    page = await open_page(f"{site.url}/jobs?job=job-7")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    await page.evaluate("history.pushState(null, '', '?job=gone'); dispatchEvent(new PopStateEvent('popstate'))")
    await expect(page.get_by_role("heading", name="Job Not Found")).to_be_visible()
    await expect(page).to_have_title("Jobs")

    await page.keyboard.press("Control+k")

    await expect(page.get_by_role("option", name="New job")).to_be_attached()
    await expect(page.get_by_role("option", name="Retry")).to_have_count(0)


async def test_escape_leaves_the_statistics_and_keeps_what_was_chosen(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-7", "failed"))
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-job-7").click(modifiers=["Control"])
    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("1 selected")
    await page.get_by_role("button", name="View stats").click()
    await expect(page.get_by_role("heading", name="Statistics")).to_be_visible()

    await page.keyboard.press("Escape")

    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("1 selected")


async def test_the_commands_reach_the_jobs_files_prefect_the_chosen_jobs_and_the_theme(
    site: Site, open_page: OpenPage
) -> None:
    """Whoever works by the keyboard had to leave the commands for these."""
    result = {"file_path": "/api/exports/events.csv"}
    prefect = f"{site.url}/api/session"
    site.double.put(job("job-7", "completed", result=result, prefect_url=prefect))
    site.double.put(job("job-8", "failed"))
    page = await open_page(f"{site.url}/jobs?job=job-7")
    await expect(page.get_by_test_id("job-result")).to_be_visible()

    async def run(words: str) -> None:
        await page.keyboard.press("Control+k")
        await page.get_by_role("dialog").get_by_role("combobox").fill(words)
        await page.keyboard.press("Enter")

    async with page.expect_download() as file:
        await run("download file")
    assert (await file.value).suggested_filename == "events.csv"
    async with page.expect_download() as log:
        await run("download logs")
    assert (await log.value).suggested_filename == "job-7.txt"
    async with page.context.expect_page() as tab:
        await run("open in prefect")
    await (await tab.value).close()

    await run("theme: light")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.get_by_test_id("job-item-job-8").click(modifiers=["Control"])
    await run("retry: 1 selected")
    window = page.get_by_role("dialog", name="Retry 1 job")
    await window.get_by_role("button", name="Retry 1 job").click()
    await expect(window).to_contain_text("1 done")


async def test_the_commands_sign_out_who_is_signed_in(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("option", name="New job")).to_be_visible()
    await expect(page.get_by_role("option", name="Sign out")).to_have_count(0)
    await page.close()

    site.double.keys["key-of-anna"] = ("anna", "operator")
    page = await open_page(f"{site.url}/jobs", wait=False)
    await page.get_by_label("API key").fill("key-of-anna")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("html[data-live]")).to_be_attached()
    await page.keyboard.press("Control+k")
    await page.get_by_role("dialog").get_by_role("combobox").fill("sign out")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("sign-in")).to_be_visible()


async def test_the_arrows_move_through_the_commands_and_round(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog").get_by_role("combobox")).to_be_focused()

    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("option", name="Keyboard shortcuts")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option", name="New job")).to_have_attribute("aria-selected", "true")
    await page.get_by_role("dialog").get_by_role("combobox").fill("no such thing anywhere")
    await expect(page.get_by_text("Nothing found")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_have_count(0)
