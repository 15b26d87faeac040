"""The live log viewer: every line once, in order, however the connection behaves."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job


async def _messages(page: Page) -> list[str]:
    return await page.locator(".line-message").all_inner_texts()


async def test_stored_lines_come_first_and_new_ones_follow_live(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "first", "second")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("2 logs")
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")

    await site.double.log("one", "third")

    await expect(page.get_by_role("log")).to_contain_text("third")
    assert await _messages(page) == ["first", "second", "third"]


async def test_the_log_of_a_linked_job_is_asked_for_with_the_page_and_once(site: Site, open_page: OpenPage) -> None:
    """It waited for Panel's scripts before, while a log that nobody had opened yet could have been copied."""
    site.double.put(job("one", "failed"))
    site.double.store_lines("one", "the only line")
    page = await open_page(f"{site.url}/jobs?job=one")
    asked: list[tuple[str, str]] = []
    page.on("request", lambda request: asked.append((request.url, request.resource_type)))
    await page.reload()

    await expect(page.get_by_role("log")).to_contain_text("the only line")
    await expect(page.get_by_test_id("logs-completeness")).to_contain_text("complete")

    logs = [url for url, _ in asked if "/logs?order=desc&limit=400" in url]
    assert logs == [f"{site.url}/api/jobs/one/logs?order=desc&limit=400"]
    bundle = next(place for place, (url, _) in enumerate(asked) if "jobs.bundle" in url)
    assert [url for url, _ in asked].index(logs[0]) < bundle


async def test_an_ended_job_shows_all_its_stored_lines(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *(f"line {number}" for number in range(12_345)))
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("logs-count")).to_have_text("12,345 logs")
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Offline")
    await expect(page.get_by_role("log")).to_contain_text("line 12344")


async def test_one_line_is_one_log(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed"))
    site.double.store_lines("one", "alone")
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("logs-count")).to_have_text("1 log")


async def test_a_burst_of_5000_lines_arrives_whole_and_only_what_is_in_sight_is_drawn(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running"))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")

    await site.double.log("one", *(f"line {number}" for number in range(5000)))

    await expect(page.get_by_test_id("logs-count")).to_have_text("5,000 logs")
    await expect(page.locator(".line").last).to_contain_text("line 4999")
    assert await page.locator(".line").count() < 120
    await page.get_by_role("log").press("Home")
    await expect(page.get_by_role("log")).to_contain_text("line 0")


async def test_a_lost_connection_resumes_behind_the_last_line(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "a", "b")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("2 logs")

    await site.double.drop_log_sockets()
    site.double.store_lines("one", "c")

    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Reconnecting")
    await expect(page.get_by_test_id("logs-count")).to_have_text("3 logs")
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")
    assert await _messages(page) == ["a", "b", "c"]


async def test_after_five_failed_attempts_the_indicator_fails_and_a_key_tries_again(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running"))
    site.double.refuse_logs = True
    page = await open_page("about:blank", wait=False)
    await page.clock.install()
    await page.goto(f"{site.url}/jobs?job=one")
    indicator = page.get_by_test_id("connection-indicator")
    for attempt in range(1, 6):
        await expect(indicator).to_contain_text(f"Reconnecting ({attempt}/5)")
        await page.clock.fast_forward(40_000)
    await expect(indicator).to_contain_text("Failed")
    await expect(indicator).to_have_attribute("role", "button")
    site.double.refuse_logs = False

    await indicator.press("Enter")

    await expect(indicator).to_contain_text("Live")
    await expect(indicator).to_have_attribute("role", "status")


async def test_the_level_menu_is_a_minimum_severity_and_works_by_keyboard(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed"))
    for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
        site.double.store_lines("one", f"a {level} line", level=level)
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("4 logs")
    menu = page.get_by_role("button", name="Filter by log level")

    await menu.press("ArrowDown")
    await expect(page.get_by_role("listbox").get_by_role("option")).to_have_text(
        ["All Levels", "Debug", "Info", "Warning", "Error"]
    )
    await expect(page.get_by_role("option", name="All Levels")).to_have_attribute("aria-selected", "true")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        await page.keyboard.press(key)

    await expect(page.get_by_test_id("logs-count")).to_have_text("2 of 4 logs")
    assert await _messages(page) == ["a WARNING line", "a ERROR line"]
    await expect(menu).to_be_focused()
    await menu.click()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_have_count(0)


async def test_all_lines_filtered_away_says_which_filter(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed"))
    site.double.store_lines("one", "quiet")
    page = await open_page(f"{site.url}/jobs?job=one")
    await page.get_by_role("button", name="Filter by log level").click()
    await page.get_by_role("option", name="Error").click()

    await expect(page.get_by_role("log")).to_contain_text('No logs matching filter "ERROR"')


async def test_clear_empties_the_view_and_later_lines_still_come(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "old")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("1 log")

    await page.get_by_role("button", name="Clear logs").click()
    await expect(page.get_by_role("log")).to_contain_text("No logs available yet")
    await expect(page.get_by_role("button", name="Clear logs")).to_be_disabled()
    await site.double.drop_log_sockets()
    site.double.store_lines("one", "new")

    await expect(page.get_by_test_id("logs-count")).to_have_text("1 log")
    assert await _messages(page) == ["new"]


async def test_scrolling_up_stops_following_and_the_button_takes_it_up_again(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", *(f"line {number}" for number in range(500)))
    page = await open_page(f"{site.url}/jobs?job=one")
    follow = page.get_by_role("button", name="Toggle auto-scroll")
    await expect(page.get_by_role("log")).to_contain_text("line 499")
    await expect(follow).to_have_attribute("aria-pressed", "true")

    await page.get_by_role("log").hover()
    await page.mouse.wheel(0, -3000)
    await expect(follow).to_have_attribute("aria-pressed", "false")
    await site.double.log("one", "line 500")
    await expect(page.get_by_test_id("logs-count")).to_have_text("501 logs")
    await expect(page.get_by_role("log")).not_to_contain_text("line 500")

    await follow.click()
    await expect(page.get_by_role("log")).to_contain_text("line 500")


async def test_lines_of_another_job_never_stay_on_screen(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-1", "running"))
    site.double.put(job("job-2", "running"))
    site.double.store_lines("job-1", "of one")
    site.double.store_lines("job-2", "of two")
    page = await open_page(f"{site.url}/jobs?job=job-1")
    await expect(page.get_by_role("log")).to_contain_text("of one")

    await page.get_by_test_id("job-item-job-2").click()
    await expect(page.get_by_role("log")).to_contain_text("of two")
    await site.double.log("job-1", "late line of one")
    await site.double.log("job-2", "late line of two")

    await expect(page.get_by_role("log")).to_contain_text("late line of two")
    await expect(page.get_by_role("log")).not_to_contain_text("of one")


async def test_when_the_job_ends_its_last_lines_are_read_before_the_stream_is_left(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running"))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")

    site.double.complete("one")
    await expect(page.get_by_test_id("status-badge")).to_contain_text("Completed")
    await site.double.log("one", "sent late")
    site.double.store_lines("one", "stored, but never sent")
    await site.double.say_position("one")

    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Offline")
    await expect(page.get_by_test_id("logs-count")).to_have_text("2 logs")


async def test_a_log_line_is_text_whatever_it_holds(site: Site, open_page: OpenPage) -> None:
    hostile = "<img src=x onerror=alert(1)>\n\tTraceback:\n  \x1b[31m‮ 中文 🎉 " + "x" * 3000
    site.double.put(job("one", "running"))
    site.double.store_lines("one", hostile)
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.locator(".line-message")).to_have_text(re.compile("Traceback"))
    shown = hostile.replace("\x1b[31m", "").replace("\u202e", "U+202E")
    assert await page.locator(".line-message").text_content() == shown
    assert await page.locator("img").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1440
