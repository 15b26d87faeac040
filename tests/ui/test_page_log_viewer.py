"""The log viewer on long logs: what is loaded when, finding, linking, copying, and what it says about gaps."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.ui.conftest import OpenPage, Site, serve
from tests.ui.contract_double import job
from tests.ui.test_page_accessibility import assert_accessible

CLIPBOARD = ["clipboard-read", "clipboard-write"]
PHONE: ViewportSize = {"width": 390, "height": 844}
TRACEBACK = "\n".join(
    [
        "Task failed",
        "Traceback (most recent call last):",
        *(f'  File "/srv/app/flow.py", line {number}, in step' for number in range(20)),
        "OSError: [Errno 28] No space left on device",
    ]
)


def _numbered(count: int) -> list[str]:
    return [f"line {number}" for number in range(1, count + 1)]


async def _messages(page: Page) -> list[str]:
    return await page.locator(".line-message").all_inner_texts()


async def _in_sight(page: Page) -> list[int]:
    """The numbers of the lines that stand in the visible part of the box, from top to bottom."""
    return await page.evaluate(
        """() => {
            const box = document.querySelector(".lines").getBoundingClientRect()
            return [...document.querySelectorAll(".line")].filter((line) => {
                const {top, bottom} = line.getBoundingClientRect()
                return bottom > box.top + 1 && top < box.bottom - 1
            }).map((line) => Number(line.dataset.seq))
        }"""
    )


async def _settle(page: Page) -> None:
    """A turn of the wheel is scrolled smoothly: waits until the box stands still, and what it asked for has come."""
    await page.evaluate(
        """async () => {
            const box = document.querySelector(".lines")
            for (let still = 0, last = null; still < 10; last = box.scrollTop) {
                await new Promise(requestAnimationFrame)
                const moves = box.scrollTop !== last || document.querySelector(".line-gap.loading")
                still = moves ? 0 : still + 1
            }
        }"""
    )


async def _choose_level(page: Page, name: str) -> None:
    await page.get_by_role("button", name="Filter by log level").click()
    await page.get_by_role("option", name=name).click()


async def _copied(page: Page) -> str:
    return await page.evaluate("navigator.clipboard.readText()")


# -- long logs --------------------------------------------------------------------------------------------------------


async def test_of_100_000_lines_only_the_end_is_asked_for_and_older_ones_as_they_come_into_sight(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "completed", age=3600))
    site.double.store_lines("one", *_numbered(100_000))
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("logs-count")).to_have_text("100,000 logs")
    await expect(page.get_by_test_id("logs-completeness")).to_have_text("100,000 of 100,000 linescomplete")
    await expect(page.get_by_role("log")).to_contain_text("line 100000")
    assert len(site.double.asked_logs) == 1

    await page.get_by_role("log").hover()
    for _ in range(20):
        await page.mouse.wheel(0, -1500)
        await _settle(page)
    seen = await _in_sight(page)
    assert seen[0] < 99_600
    assert seen == list(range(seen[0], seen[-1] + 1)), "no hole where pages meet"
    assert sum(asked["limit"] for asked in site.double.asked_logs) < 5000


async def test_a_drag_of_the_scroll_bar_loads_where_it_stops(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *_numbered(50_000))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_role("log")).to_contain_text("line 50000")

    await page.get_by_role("log").press("ArrowUp")
    await page.locator(".lines").evaluate("box => { box.scrollTop = box.scrollHeight / 2 }")

    await expect(page.locator(".line").first).to_contain_text(re.compile(r"line 2[45]\d{3}"))
    seen = await _in_sight(page)
    assert seen == list(range(seen[0], seen[-1] + 1))
    await page.get_by_role("log").press("Home")
    await expect(page.locator(".line").first).to_have_attribute("data-seq", "1")
    await page.get_by_role("log").press("End")
    await expect(page.locator(".line").last).to_have_attribute("data-seq", "50000")
    assert len(site.double.asked_logs) < 12


async def test_lines_that_come_while_older_ones_are_read_do_not_move_them_and_are_counted(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", *_numbered(2000))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_role("log")).to_contain_text("line 2000")
    await page.get_by_role("log").hover()
    await page.mouse.wheel(0, -2000)
    await expect(page.get_by_role("button", name="Toggle auto-scroll")).to_have_attribute("aria-pressed", "false")
    await _settle(page)
    before = await _in_sight(page)

    await site.double.log("one", *(f"new {number}" for number in range(40)))

    pill = page.get_by_role("button", name="40 new lines: go to the end")
    await expect(pill).to_be_visible()
    assert await _in_sight(page) == before
    await pill.click()
    await expect(page.get_by_role("log")).to_contain_text("new 39")
    await expect(pill).to_have_count(0)


async def test_a_level_is_asked_of_the_whole_log_and_each_level_says_how_many_it_has(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "early warning", level="WARNING")
    site.double.store_lines("one", "early error", level="ERROR")
    site.double.store_lines("one", *_numbered(5000))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("5,002 logs")

    await page.get_by_role("button", name="Filter by log level").click()
    options = page.get_by_role("listbox").get_by_role("option")
    assert [await option.get_attribute("data-count") for option in await options.all()] == [
        None, "0", "5,000", "1", "1",
    ]  # fmt: skip
    await expect(page.get_by_role("option", name="Warning", exact=True)).to_have_accessible_description("1 line")
    await page.get_by_role("option", name="Warning").click()

    await expect(page.get_by_test_id("logs-count")).to_have_text("2 of 5,002 logs")
    assert await _messages(page) == ["early warning", "early error"]


async def test_a_level_that_lets_every_line_pass_is_a_filter_all_the_same(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "first", "second")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("2 logs")

    await _choose_level(page, "Info")

    await expect(page.get_by_test_id("logs-count")).to_have_text("2 of 2 logs")


async def test_the_words_on_the_buttons_of_the_log_go_below_640_pixels(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "first")
    page = await open_page(f"{site.url}/jobs?job=one", viewport={"width": 640, "height": 900})
    for name in ("Auto-scroll", "Clear"):
        await expect(page.get_by_test_id("job-logs-viewer").get_by_text(name, exact=True)).to_be_visible()

    await page.set_viewport_size({"width": 639, "height": 900})

    for name in ("Auto-scroll", "Clear"):
        await expect(page.get_by_test_id("job-logs-viewer").get_by_text(name, exact=True)).to_be_hidden()


async def test_the_last_lines_of_a_job_that_has_just_ended_come_though_its_log_was_called_complete(
    site: Site, open_page: OpenPage
) -> None:
    """A job sends its lines every two seconds: Prefect held all that it had been told, and the traceback came after."""
    site.double.put(job("one", "failed", completed_at=datetime.now(UTC).isoformat()))
    site.double.store_lines("one", "first")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-completeness")).to_contain_text("complete")

    site.double.store_lines("one", "the reason", level="ERROR")

    await expect(page.get_by_role("log")).to_contain_text("the reason")
    await expect(page.get_by_test_id("logs-count")).to_have_text("2 logs")


async def test_a_log_that_was_cleared_shows_every_new_line_again(site: Site, open_page: OpenPage) -> None:
    """The search that had narrowed it was gone with its buttons, and went on hiding lines."""
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "a needle", "some hay")
    page = await open_page(f"{site.url}/jobs?job=one")
    await page.get_by_role("textbox", name="Find in logs").fill("needle")
    await page.get_by_role("button", name="Only matching lines").click()
    await expect(page.get_by_test_id("logs-count")).to_have_text("1 of 2 logs")

    await page.get_by_role("button", name="Clear logs").click()
    await site.double.log("one", "more hay")

    await expect(page.get_by_role("log")).to_contain_text("more hay")


async def test_escape_makes_a_large_log_small_wherever_the_focus_is(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "first")
    page = await open_page(f"{site.url}/jobs?job=one")
    await page.get_by_role("button", name="Enlarge logs").click()
    await page.get_by_role("button", name="Shrink logs").evaluate("button => button.blur()")

    await page.keyboard.press("Escape")

    await expect(page.get_by_role("button", name="Enlarge logs")).to_be_visible()
    await expect(page).to_have_url(f"{site.url}/jobs?job=one")
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(f"{site.url}/jobs")


# -- find -------------------------------------------------------------------------------------------------------------


async def test_find_counts_and_walks_through_the_hits_of_the_whole_log(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "The Needle at the start")
    site.double.store_lines("one", *_numbered(4000))
    site.double.store_lines("one", "a needle in the midst")
    site.double.store_lines("one", *_numbered(4000))
    site.double.store_lines("one", "one more NEEDLE")
    page = await open_page(f"{site.url}/jobs?job=one")
    find = page.get_by_role("textbox", name="Find in logs")
    await expect(page.get_by_role("log")).to_contain_text("one more NEEDLE")

    await find.fill("needle")
    await expect(page.get_by_test_id("find-hits")).to_have_text("3 of 3 hits")
    await expect(page.locator(".line.current mark")).to_have_text("NEEDLE")

    await find.press("Enter")
    await expect(page.get_by_test_id("find-hits")).to_have_text("1 of 3 hits")
    await expect(page.locator(".line.current")).to_contain_text("The Needle at the start")
    await page.get_by_role("button", name="Next hit").click()
    await expect(page.locator(".line.current")).to_contain_text("a needle in the midst")
    await find.press("Shift+Enter")
    await expect(page.locator(".line.current")).to_contain_text("The Needle at the start")

    await page.get_by_role("button", name="Only matching lines").click()
    await expect(page.get_by_test_id("logs-count")).to_have_text("3 of 8,003 logs")
    assert await _messages(page) == ["The Needle at the start", "a needle in the midst", "one more NEEDLE"]
    await find.press("Escape")
    await expect(find).to_have_value("")
    await expect(page.get_by_test_id("logs-count")).to_have_text("8,003 logs")


async def test_a_search_that_finds_nothing_says_so_and_a_common_word_counts_on(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *_numbered(2500))
    page = await open_page(f"{site.url}/jobs?job=one")
    find = page.get_by_role("textbox", name="Find in logs")

    await find.fill("no such text")
    await expect(page.get_by_test_id("find-hits")).to_have_text("No hits")
    await expect(page.get_by_role("button", name="Next hit")).to_be_disabled()
    await find.fill("line")
    await expect(page.get_by_test_id("find-hits")).to_contain_text("of 2,500 hits")
    await find.fill("LINE 7\\b.*")
    await expect(page.get_by_test_id("find-hits")).to_have_text("No hits")


async def test_a_hit_within_a_folded_traceback_is_unfolded_and_new_lines_join_the_hits(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", TRACEBACK, level="ERROR")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_role("log")).not_to_contain_text("line 13, in step")

    await page.get_by_role("textbox", name="Find in logs").fill("line 13, in")
    await expect(page.locator(".line.current mark")).to_have_text("line 13, in")
    await site.double.log("one", "see line 13, in flow.py")

    await expect(page.get_by_test_id("find-hits")).to_have_text("1 of 2 hits")


# -- links and copies -------------------------------------------------------------------------------------------------


async def test_a_link_to_a_line_opens_there_and_a_reload_too(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed"))
    site.double.store_lines("one", *_numbered(9000))
    site.double.store_lines("one", "it failed", level="ERROR")
    page = await open_page(f"{site.url}/jobs?job=one#L1234")

    await expect(page.locator(".line.linked")).to_have_text(re.compile("line 1234"))
    await expect(page.locator(".line.linked")).to_be_in_viewport()
    number = page.get_by_role("link", name="Line 1240", exact=True)
    await number.click()
    await expect(page).to_have_url(f"{site.url}/jobs?job=one#L1240")
    await page.get_by_role("link", name="Line 1243", exact=True).click(modifiers=["Shift"])
    await expect(page).to_have_url(f"{site.url}/jobs?job=one#L1240-L1243")
    await expect(page.locator(".line.linked")).to_have_count(4)

    await page.reload()

    await expect(page.locator(".line.linked").first).to_contain_text("line 1240")
    assert 1240 in await _in_sight(page)


async def test_another_job_is_not_opened_at_the_line_of_the_last_one(site: Site, open_page: OpenPage) -> None:
    for name in ("job-1", "job-2"):
        site.double.put(job(name, "completed"))
        site.double.store_lines(name, *_numbered(30))
    page = await open_page(f"{site.url}/jobs?job=job-1#L5")
    await expect(page.locator(".line.linked")).to_have_count(1)

    await page.get_by_test_id("job-item-job-2").click()

    await expect(page).to_have_url(f"{site.url}/jobs?job=job-2")
    await expect(page.locator(".line").last).to_contain_text("line 30")
    await expect(page.locator(".line.linked")).to_have_count(0)
    await page.go_back()
    await expect(page.locator(".line.linked")).to_contain_text("line 5")


async def test_a_link_to_a_line_that_does_not_exist_says_so(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *_numbered(30))
    page = await open_page(f"{site.url}/jobs?job=one#L999")

    await expect(page.locator(".said")).to_have_text("Line 999 is not in this log")
    await expect(page.get_by_role("log")).to_contain_text("line 30")


async def test_a_failed_job_opens_at_its_first_error(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed"))
    site.double.store_lines("one", *_numbered(3000))
    site.double.store_lines("one", "the first error", level="ERROR")
    site.double.store_lines("one", *_numbered(3000))
    site.double.store_lines("one", "a later error", level="ERROR")
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_text("the first error")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Toggle auto-scroll")).to_have_attribute("aria-pressed", "false")
    assert "line 2995" in await _messages(page)


async def test_a_line_a_selection_and_all_filtered_lines_are_copied_as_they_would_be_downloaded(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "the \x1b[31mbad\x1b[0m one", level="ERROR")
    site.double.store_lines("one", *_numbered(1500))
    page = await open_page(f"{site.url}/jobs?job=one", permissions=CLIPBOARD)
    await expect(page.get_by_role("log")).to_contain_text("line 1500")

    last = page.locator(".line").last
    await last.hover()
    await last.get_by_role("button", name="Copy line").click()
    await expect(page.locator(".said")).to_have_text("1 line copied")
    assert re.fullmatch(r"2026-03-04T\S+ INFO    line 1500", await _copied(page))

    await page.evaluate(
        """() => {
            const lines = [...document.querySelectorAll(".line-message")].slice(-3)
            getSelection().setBaseAndExtent(lines[0].firstChild, 2, lines[2].firstChild, 3)
        }"""
    )
    await page.keyboard.press("Control+c")
    assert [text.split()[-1] for text in (await _copied(page)).splitlines()] == ["1498", "1499", "1500"]

    await _choose_level(page, "Error")
    await expect(page.get_by_test_id("logs-count")).to_have_text("1 of 1,501 logs")
    await page.get_by_role("button", name="Copy logs").click()
    await expect(page.locator(".said")).to_have_text("1 line copied")
    assert (await _copied(page)).endswith("ERROR   the bad one")

    await _choose_level(page, "All Levels")
    await expect(page.get_by_role("log")).to_contain_text("line 1500")
    await page.get_by_role("button", name="Copy logs").click()
    await expect(page.locator(".said")).to_have_text("1,501 lines copied")
    assert len((await _copied(page)).splitlines()) == 1501


async def test_the_whole_or_the_filtered_log_is_downloaded(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *_numbered(1500))
    site.double.store_lines("one", "broken & lost", level="ERROR")
    page = await open_page(f"{site.url}/jobs?job=one")
    await page.get_by_role("textbox", name="Find in logs").fill("broken & ")
    await page.get_by_role("button", name="Only matching lines").click()
    await expect(page.get_by_test_id("logs-count")).to_have_text("1 of 1,501 logs")

    sizes: list[int] = []
    for group in ("Whole log", "Only what is filtered"):
        await page.get_by_role("button", name="Download logs").click()
        async with page.expect_download() as download:
            await page.get_by_role("group", name=group).get_by_role("link", name="JSON lines").click()
        file = await download.value
        assert file.suggested_filename == "one.jsonl"
        sizes.append(len((await file.path()).read_text().splitlines()))

    assert sizes == [1501, 1]


# -- how lines look ---------------------------------------------------------------------------------------------------


async def test_wrapping_timestamps_and_time_zone_are_chosen_and_kept(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", "word " * 200)
    page = await open_page(f"{site.url}/jobs?job=one", timezone_id="America/New_York")
    line = page.locator(".line")
    await expect(line.locator("time")).to_have_text("03:15:00")
    tall = (await line.bounding_box() or {})["height"]

    await page.get_by_role("button", name="Display options").click()
    await page.get_by_role("radio", name="UTC").check()
    await expect(line.locator("time")).to_have_text("08:15:00")
    await page.get_by_role("checkbox", name="Wrap long lines").uncheck()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Display options")).to_be_focused()
    assert (await line.bounding_box() or {})["height"] < tall / 3
    await page.reload()
    await expect(line.locator("time")).to_have_text("08:15:00")
    assert (await line.bounding_box() or {})["height"] < tall / 3

    await page.get_by_role("button", name="Display options").click()
    await page.get_by_role("checkbox", name="Show timestamps").uncheck()
    await expect(line.locator("time")).to_have_count(0)


async def test_a_traceback_is_folded_to_its_ends_and_opens_by_keyboard(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", TRACEBACK, level="ERROR")
    page = await open_page(f"{site.url}/jobs?job=one")
    box = page.get_by_role("log")
    fold = page.get_by_role("button", name="20 more lines")
    await expect(box).to_contain_text("OSError: [Errno 28] No space left on device")
    await expect(box).not_to_contain_text("line 7, in step")

    await expect(fold).to_have_attribute("aria-expanded", "false")
    await fold.press("Enter")

    await expect(box).to_contain_text("line 7, in step")
    await page.get_by_role("button", name="Fold").press("Enter")
    await expect(box).not_to_contain_text("line 7, in step")


async def test_colours_are_shown_and_a_progress_bar_is_one_line(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "\x1b[32mgreen\x1b[0m text", "\r 10% of it", "\r 20% of it")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.locator(".ansi-green")).to_have_text("green")
    await site.double.log("one", "\r 30% of it")

    await expect(page.locator(".line-message")).to_have_text(["green text", " 30% of it"])
    await page.get_by_role("button", name="2 updates").click()
    await expect(page.locator(".line-message")).to_have_text(["green text", " 10% of it", " 20% of it", " 30% of it"])


async def test_a_hostile_log_changes_nothing(site: Site, open_page: OpenPage) -> None:
    hostile = [
        "<script>document.title = 'owned'</script>",
        "<img src=x onerror=\"document.title='owned'\">",
        "</span></div></div><h1>Injected</h1>",
        "\x1b]8;;javascript:document.title='owned'\x1b\\click\x1b]8;;\x1b\\",
        "\x1b]0;owned\x07\x1b[2J\x1b[H\x1b[?1049h",
        "${document.title='owned'} {{constructor.constructor('document.title=1')()}}",
        "javascript:document.title='owned'",
        "\u202egnp.exe\u202c \u2066 \ufeff",
        "<style>* { display: none }</style>",
        "a" * 200_000,
        "\n" * 3000,
        "\x1b[31m" * 3000,
        "Zalgo " + "e\u0301\u0302\u0303\u0304" * 400,
    ]
    site.double.put(job("one", "failed"))
    for text in hostile:
        site.double.store_lines("one", text, level="<b>LOUD</b>")
    site.double.store_lines("one", *hostile, level="ERROR")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-count")).to_have_text("26 logs")

    for key in ("Home", "End"):
        await page.get_by_role("log").press(key)
    await page.get_by_role("textbox", name="Find in logs").fill("<script>")
    await expect(page.get_by_test_id("find-hits")).to_contain_text("of 2 hits")
    await expect(page.locator(".line.current .line-message")).to_have_text(hostile[0])

    assert "owned" not in await page.title()
    box = page.get_by_role("log")
    for tag in ("script", "img", "style", "h1", "b", "iframe"):
        await expect(box.locator(tag)).to_have_count(0)
    links = await box.locator("a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert all(re.fullmatch(r"#L\d+", link) for link in links)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1440
    await page.get_by_role("button", name="Show all 200,000 characters").first.scroll_into_view_if_needed()


# -- gaps and connections ---------------------------------------------------------------------------------------------


async def test_where_the_connection_was_lost_a_mark_says_what_was_filled_in(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "before")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("logs-completeness")).to_have_text("1 of 1 linelive")

    await site.double.drop_log_sockets()
    site.double.store_lines("one", "meanwhile", "also meanwhile")
    await expect(page.locator(".line-mark")).to_contain_text("The connection was lost here.")
    await expect(page.get_by_test_id("logs-completeness")).to_contain_text("waiting for the connection")

    await expect(page.locator(".line-mark")).to_contain_text("Filled: 2 lines came later, none missing.")
    await expect(page.get_by_test_id("logs-completeness")).to_have_text("3 of 3 lineslive")
    rows = page.locator(".rows > [data-row]")
    order = [str(await row.get_attribute("class")).split()[0] for row in await rows.all()]
    assert order == ["line", "line-mark", "line", "line"]


async def test_a_log_that_is_still_being_copied_shows_its_gap_and_where_it_was_filled(
    site: Site, open_page: OpenPage
) -> None:
    # The API stores the newest lines first, with numbers far ahead, and copies the older ones behind its back.
    site.double.put(job("one", "completed"))
    older = site.double.store_lines("one", *_numbered(600))
    newest = site.double.store_lines("one", *(f"newest {number}" for number in range(30)))
    for number, line in enumerate(newest):
        line["seq"] = 100_000_001 + number
    site.double.lines["one"] = [*older[:200], *newest]
    site.double.incomplete_logs.add("one")
    page = await open_page(f"{site.url}/jobs?job=one")

    completeness = page.get_by_test_id("logs-completeness")
    await expect(completeness).to_have_text("230 of 230 linesstill being copied from Prefect")
    await page.get_by_role("log").hover()
    await page.mouse.wheel(0, -450)
    await expect(page.locator(".line-gap")).to_contain_text("still being copied from Prefect")
    await expect(page.get_by_role("log")).not_to_contain_text("line 200")

    site.double.lines["one"] = [*older, *newest]
    site.double.incomplete_logs.clear()

    await expect(page.get_by_test_id("logs-completeness")).to_have_text("630 of 630 linescomplete")
    await expect(page.locator(".line-mark")).to_have_text(
        "Here was a gap. It is filled: 400 older lines copied from Prefect, none missing."
    )
    await expect(page.get_by_role("log")).to_contain_text("line 600")
    # Read as one log: the numbers go on.
    await expect(page.get_by_role("link", name="Line 601", exact=True)).to_have_attribute("href", "#L100000001")


async def test_an_api_that_is_away_is_told_and_asked_again(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *_numbered(3))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_role("log")).to_contain_text("line 3")
    site.double.failing = True
    await page.get_by_role("button", name="Filter by log level").click()
    await page.get_by_role("option", name="Info").click()

    await expect(page.get_by_role("log")).to_contain_text("The log could not be read. The jobs API answered 500.")
    site.double.failing = False
    await page.get_by_role("button", name="Try again").click()

    await expect(page.get_by_role("log")).to_contain_text("line 3")


async def test_cleared_lines_can_be_shown_again(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed"))
    site.double.store_lines("one", *_numbered(30))
    page = await open_page(f"{site.url}/jobs?job=one")
    await page.get_by_role("button", name="Clear logs").click()
    await expect(page.get_by_test_id("logs-count")).to_have_text("")

    await page.get_by_role("button", name="Show the cleared lines").click()

    await expect(page.get_by_test_id("logs-count")).to_have_text("30 logs")


async def test_a_server_that_stops_is_retried_until_it_fails_and_a_click_tries_again(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running"))
    site.double.store_lines("one", "before")
    page = await open_page("about:blank", wait=False)
    await page.clock.install()
    await page.goto(f"{site.url}/jobs?job=one")
    indicator = page.get_by_test_id("connection-indicator")
    await expect(indicator).to_contain_text("Live")
    port = int(site.url.rsplit(":", 1)[1])

    await site.stop()
    for attempt in range(1, 6):
        await expect(indicator).to_contain_text(f"Reconnecting ({attempt}/5)")
        await page.clock.fast_forward(40_000)
    await expect(indicator).to_contain_text("Failed")
    site.double.store_lines("one", "while it was away")
    again = await serve(site.double, port=port)
    try:
        await indicator.click()

        await expect(indicator).to_contain_text("Live")
        await expect(page.get_by_test_id("logs-count")).to_have_text("2 logs")
    finally:
        await page.close()
        await again.stop()


# -- for everyone -----------------------------------------------------------------------------------------------------


async def test_who_listens_hears_how_many_lines_came_and_not_each_of_them(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    page = await open_page("about:blank", wait=False)
    await page.clock.install()
    await page.goto(f"{site.url}/jobs?job=one")
    box = page.get_by_role("log")
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")
    await expect(box).to_have_attribute("aria-live", "polite")
    await page.clock.run_for(5000)

    await site.double.log("one", *_numbered(500))
    await expect(page.get_by_test_id("logs-count")).to_have_text("500 logs")
    await page.clock.run_for(5000)

    await expect(box.locator("> .sr-only")).to_have_text("500 new lines")
    await expect(box.locator("> .rows")).to_have_attribute("aria-live", "off")
    await page.clock.run_for(5000)
    await expect(box.locator("> .sr-only")).to_have_text("")


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_every_part_of_the_viewer_is_accessible(site: Site, open_page: OpenPage, scheme: str) -> None:
    codes = [*range(30, 38), *range(90, 98), *range(40, 48)]
    colours = "".join(f"\x1b[{code}mtext {code} \x1b[0m" for code in codes)
    styles = "\x1b[2mdim\x1b[0m \x1b[7minverse\x1b[0m a\u202eb"
    site.double.put(job("one", "failed"))
    site.double.store_lines("one", "\r10%", "\r20%", colours, styles, TRACEBACK)
    site.double.store_lines("one", TRACEBACK, level="ERROR")
    asked: dict[str, Any] = {"color_scheme": scheme}
    for viewport in ({}, {"viewport": PHONE}):
        page = await open_page(f"{site.url}/jobs?job=one#L3", **asked, **viewport)
        await expect(page.locator(".line.linked")).to_have_count(1)
        await page.get_by_role("textbox", name="Find in logs").fill("text")
        await expect(page.locator(".line.current")).to_have_count(1)
        await assert_accessible(page)
        for name in ("Display options", "Download logs"):
            await page.get_by_role("button", name=name).click()
            await assert_accessible(page)
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Enlarge logs").click()
        await assert_accessible(page)
        await page.close()
