"""The page in a background tab, inside another page, on paper, and with reduced motion."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import expect

from tests.ui.conftest import OpenPage, Site, serve
from tests.ui.contract_double import ContractDouble, job


async def test_the_tab_tells_how_the_work_goes(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")
    await expect(page).to_have_title("Jobs")
    icon = page.locator('link[rel="icon"]')
    plain = await icon.get_attribute("href")

    site.double.put(job("job-142", "running", progress=38))
    await expect(page).to_have_title("(1) Jobs")
    await page.get_by_test_id("job-item-job-142").click()
    await expect(page).to_have_title("38% Export #ob-142")
    site.double.change("job-142", progress=67)
    await expect(page).to_have_title("67% Export #ob-142")
    await expect(icon).not_to_have_attribute("href", plain or "")
    site.double.change("job-142", status="failed", state="failed", error="boom")
    await expect(page).to_have_title("✗ Export #ob-142")

    await page.get_by_label("Status", exact=True).select_option("failed")
    await expect(page).to_have_title("Jobs")


async def test_a_tab_in_the_background_tells_what_failed_until_it_is_looked_at(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("old", "failed"))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-old")).to_be_visible()
    await expect(page).to_have_title("Jobs")
    look = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    look += " document.dispatchEvent(new Event('visibilitychange')) }"

    await page.evaluate(look, True)
    site.double.put(job("one", "running"))
    await expect(page).to_have_title("(1) Jobs")
    site.double.change("one", status="failed", state="failed")
    await expect(page).to_have_title("(1 failed) Jobs")
    await expect(page.locator('link[rel="icon"]')).to_have_attribute("href", re.compile("EF4444"))
    site.double.put(job("two", "failed"))
    await expect(page).to_have_title("(2 failed) Jobs")

    await page.evaluate(look, False)
    await expect(page).to_have_title("Jobs")


async def test_embedded_the_page_has_no_header_and_keeps_its_search(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?embed=1")

    await expect(page.get_by_role("heading", level=1)).to_be_hidden()
    await expect(page.get_by_role("button", name="Refresh jobs")).to_be_hidden()
    await expect(page.get_by_role("textbox", name="Search jobs")).to_be_visible()
    await page.get_by_test_id("job-item-one").click()
    await expect(page).to_have_url(f"{site.url}/jobs?embed=1&job=one")


async def test_embedded_the_first_links_stay_embedded_before_any_script_has_come(
    site: Site, open_page: OpenPage
) -> None:
    """Who clicked early in a frame got the whole page with its header into it."""
    site.double.put(job("one", "failed"))
    page = await open_page(f"{site.url}/jobs?embed=1&status=failed", wait=False, java_script_enabled=False)

    for link in (page.locator("a.card"), page.get_by_role("link", name="Completed"), page.locator("a.button")):
        assert "embed=1" in (await link.get_attribute("href") or "")
    await page.get_by_role("textbox", name="Search jobs").fill("one")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("embed=1"))


async def test_only_named_origins_may_show_the_page_in_a_frame(double: ContractDouble, open_page: OpenPage) -> None:
    shown = ""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n{shown}".encode())
        await writer.drain()
        writer.close()

    double.put(job("one", "running", progress=3))
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as a,
        await asyncio.start_server(answer, "127.0.0.1", 0) as b,
    ):
        friend, stranger = (f"http://127.0.0.1:{portal.sockets[0].getsockname()[1]}/" for portal in (a, b))
        site = await serve(double, frame_origins=[friend])
        shown = f'<iframe src="{site.url}/jobs?embed=1" width="900" height="600"></iframe>'
        page = await open_page(friend, wait=False)
        card = page.frame_locator("iframe").get_by_test_id("job-item-one")
        await expect(card).to_contain_text("3%")
        double.change("one", progress=44)  # the frame's socket is open too
        await expect(card).to_contain_text("44%")

        async with page.expect_console_message(lambda message: "frame-ancestors 'self' " in message.text):
            await page.goto(stranger)

        await page.close()
        await site.stop()


async def test_on_paper_there_is_the_job_and_no_button(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed", error="OSError"))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()

    await page.emulate_media(media="print")

    await expect(page.get_by_test_id("job-metadata")).to_be_visible()
    await expect(page.get_by_test_id("error-section")).to_be_visible()
    await expect(page.get_by_role("button", name="Retry")).to_be_hidden()
    await expect(page.get_by_test_id("jobs-list")).to_be_hidden()


async def test_paper_is_white_though_the_page_is_dark_and_is_no_longer_than_what_is_drawn(
    site: Site, open_page: OpenPage
) -> None:
    """The dark theme printed light words on white, and a long log its whole scroll height: pages of nothing."""
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *(f"line {number}" for number in range(2000)))
    page = await open_page(f"{site.url}/jobs?job=one", color_scheme="dark")
    last = page.locator(".line", has_text="line 1999")
    await expect(last).to_be_visible()
    assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(243, 244, 246)"

    await page.emulate_media(media="print", color_scheme="dark")

    assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(17, 24, 39)"
    message = last.locator(".line-message")
    assert await message.evaluate("node => getComputedStyle(node).color") == "rgb(31, 41, 55)"
    await expect(last).to_be_visible()
    for control in ("Find in logs", "Copy logs", "Clear logs", "Back to the list", "New job", "Open in Prefect"):
        await expect(page.get_by_label(control, exact=True).locator("visible=true")).to_have_count(0)
    drawn = await page.locator(".line").count()
    tall = await page.evaluate("document.getElementById('jobs-page').scrollHeight")
    assert tall < 800 + 25 * drawn, f"{tall} pixels for {drawn} lines"


async def test_with_reduced_motion_nothing_moves_but_what_says_that_work_goes_on(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs?job=one", reduced_motion="reduce")
    await page.get_by_test_id("job-actions").get_by_role("button", name="Abort").click()

    style = await page.get_by_role("dialog").evaluate(
        "node => { const style = getComputedStyle(node); return [style.animationName, style.animationDuration] }"
    )

    assert style == ["appear", "0.1s"]
    dot = page.get_by_test_id("status-badge").get_by_test_id("status-dot")
    assert await dot.evaluate("node => getComputedStyle(node).animationName") == "none"
