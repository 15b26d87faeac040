"""The page in a background tab, inside another page, on paper, and with reduced motion."""

from __future__ import annotations

import asyncio

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


async def test_embedded_the_page_has_no_header_and_keeps_its_search(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?embed=1")

    await expect(page.get_by_role("heading", level=1)).to_be_hidden()
    await expect(page.get_by_role("button", name="Refresh jobs")).to_be_hidden()
    await expect(page.get_by_role("textbox", name="Search jobs")).to_be_visible()
    await page.get_by_test_id("job-item-one").click()
    await expect(page).to_have_url(f"{site.url}/jobs?embed=1&job=one")


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
