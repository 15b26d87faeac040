"""How each status, line and control looks, row by row of the page's contract: colours, icons, sizes, places."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, ViewportSize, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job

PHONE: ViewportSize = {"width": 390, "height": 844}
BLUE, GREEN, RED = "rgb(96, 165, 250)", "rgb(74, 222, 128)", "rgb(248, 113, 113)"
YELLOW, GRAY, AMBER = "rgb(250, 204, 21)", "rgb(156, 163, 175)", "rgb(251, 191, 36)"
BLUE_FILL, GREEN_FILL, RED_FILL = "rgb(59, 130, 246)", "rgb(34, 197, 94)", "rgb(239, 68, 68)"
YELLOW_FILL, BRAND = "rgb(234, 179, 8)", "rgb(118, 185, 0)"

# status, state, word, colour
LOOKS = [
    ("pending", "pending", "pending", GRAY),
    ("running", "running", "running", BLUE),
    ("completed", "completed", "completed", GREEN),
    ("failed", "crashed", "failed", RED),
    ("failed", "aborted", "cancelled", YELLOW),
]


async def _open(site: Site, open_page: OpenPage, status: str, *, options: dict[str, Any] | None = None,
                **fields: Any) -> Page:  # fmt: skip
    """The page in dark, with one job selected and nothing that moves by itself."""
    site.double.put(job("job-7", status, **fields))
    chosen: dict[str, Any] = {"color_scheme": "dark", "timezone_id": "UTC", **(options or {})}
    page = await open_page(f"{site.url}/jobs?job=job-7", **chosen)
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    return page


async def _icon(place: Locator, name: str) -> None:
    await expect(place.locator("use").first).to_have_attribute("href", f"#i-{name}")


async def _shares(bar: Locator) -> float:
    """How much of a bar is filled, in per cent."""
    return await bar.evaluate(
        "bar => 100 * bar.firstElementChild.getBoundingClientRect().width / bar.getBoundingClientRect().width"
    )


# -- header -----------------------------------------------------------------------------------------------------------


async def test_the_header_says_what_the_page_is_and_names_its_buttons(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs", color_scheme="dark")
    title = page.get_by_role("heading", level=1)
    await expect(title).to_have_text("Jobs")
    await expect(title).to_have_css("font-size", "30px")
    await expect(title).to_have_css("font-weight", "700")
    await expect(title).to_have_css("color", "rgb(255, 255, 255)")
    await _icon(page.locator(".brand"), "briefcase")
    await expect(page.locator(".brand")).to_have_css("color", BRAND)
    await expect(page.get_by_text("Monitor background jobs and their progress")).to_have_css("color", GRAY)

    for name, text, icon in (("Refresh jobs", "Refresh", "refresh"), ("View stats", "Stats", "chart")):
        button = page.get_by_role("button", name=name)
        await expect(button).to_have_text(text)
        await _icon(button, icon)
    await expect(page.get_by_role("button", name="Refresh jobs")).to_have_css("color", BRAND)


async def test_while_the_first_list_is_read_there_is_a_ring_and_a_search_bar(site: Site, open_page: OpenPage) -> None:
    site.double.failing = True
    page = await open_page(f"{site.url}/jobs", wait=False, java_script_enabled=False, color_scheme="dark")
    ring = page.locator(".ring")
    await expect(ring).to_have_css("width", "48px")
    await expect(ring).to_have_css("border-top-color", BRAND)
    place = await page.locator(".whole").bounding_box()
    assert place is not None
    assert place["height"] >= 400
    await expect(page.get_by_role("textbox", name="Search jobs")).to_be_visible()


async def test_an_empty_page_has_a_large_briefcase_and_says_where_jobs_come_from(
    site: Site, open_page: OpenPage
) -> None:
    page = await open_page(f"{site.url}/jobs", color_scheme="dark")
    await _icon(page.get_by_test_id("jobs-empty-state"), "briefcase")
    await expect(page.get_by_test_id("jobs-empty-state").locator(".icon")).to_have_css("width", "64px")
    await expect(page.get_by_test_id("jobs-empty-state")).to_contain_text(
        "No background jobs have been created yet. Jobs will appear here when you export data or run other background "
        "tasks."
    )


# -- cards ------------------------------------------------------------------------------------------------------------


async def test_a_card_says_its_status_by_icon_word_and_colour(site: Site, open_page: OpenPage) -> None:
    for number, (status, state, *_) in enumerate(LOOKS):
        site.double.put(job(f"job-{number}", status, state=state))
    page = await open_page(f"{site.url}/jobs", color_scheme="dark")
    for number, (_, _, word, colour) in enumerate(LOOKS):
        card = page.get_by_test_id(f"job-item-job-{number}")
        await expect(card.locator(".card-status")).to_have_text(word)
        await expect(card.locator(".card-status")).to_have_css("color", colour)
        await expect(card.locator(".card-status")).to_have_css("text-transform", "capitalize")
        await expect(card.locator(".card-icon")).to_have_css("color", colour)
        await _icon(card.locator(".card-icon"), f"status-{word}")
        await expect(card.locator(".card-icon .icon")).to_have_css("width", "16px")
        await expect(card.locator(".card-icon")).to_have_css("animation-name", "spin" if word == "running" else "none")


async def test_only_a_running_jobs_card_has_a_bar_and_it_is_filled_by_its_per_cent(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("job-0", "running", progress=0))
    site.double.put(job("job-1", "running", progress=38))
    site.double.put(job("job-2", "completed"))
    site.double.put(job("job-3", "failed", progress=54))
    page = await open_page(f"{site.url}/jobs", color_scheme="dark", reduced_motion="reduce")
    card = page.get_by_test_id("job-item-job-1")
    await expect(card.locator(".percent")).to_have_text("38%")
    await expect(page.locator(".card-progress")).to_have_count(1)

    bar = card.locator(".bar")
    await expect(bar).to_have_css("height", "4px")
    await expect(bar).to_have_css("background-color", "rgb(55, 65, 81)")
    await expect(bar.locator(".fill")).to_have_css("background-color", BLUE)
    assert await _shares(bar) == pytest.approx(38, abs=0.5)


async def test_types_have_labels_ids_their_last_six_signs_and_a_message_one_line(
    site: Site, open_page: OpenPage
) -> None:
    labels = {
        "export": "Export", "cleanup": "Cleanup", "backup": "Backup", "import": "Import", "batch_audit": "Batch Audit",
        "re_evaluation": "Re-evaluation", "nightly-etl": "nightly-etl",
    }  # fmt: skip
    for number, name in enumerate(labels):
        site.double.put(job(f"5d1c0f4e-12345{number}", job_type=name, message="long " * 99 if number else None))
    page = await open_page(f"{site.url}/jobs")
    for number, label in enumerate(labels.values()):
        card = page.get_by_test_id(f"job-item-5d1c0f4e-12345{number}")
        await expect(card.locator(".card-type")).to_have_text(label)
        await expect(card.locator(".card-id")).to_have_text(f"#12345{number}")
    await expect(page.get_by_test_id("job-item-5d1c0f4e-123450").locator(".card-message")).to_have_count(0)

    message = page.get_by_test_id("job-item-5d1c0f4e-123451").locator(".card-message")
    await expect(message).to_have_css("text-overflow", "ellipsis")
    lines = "node => [node.scrollWidth > node.clientWidth, node.clientHeight]"
    cut, height = await message.evaluate(lines)
    assert cut
    assert height < 30


async def test_the_selected_card_is_green_with_a_bar_and_the_one_under_the_pointer_is_gray(
    site: Site, open_page: OpenPage
) -> None:
    for name in ("job-1", "job-2"):
        site.double.put(job(name))
    page = await open_page(f"{site.url}/jobs?job=job-1", color_scheme="dark")
    selected = page.get_by_test_id("job-item-job-1")
    await expect(selected).to_have_css("background-color", "rgba(118, 185, 0, 0.1)")
    await expect(selected).to_have_css("box-shadow", f"{BRAND} 2px 0px 0px 0px inset")

    other = page.get_by_test_id("job-item-job-2")
    await other.hover()

    await expect(other).to_have_css("background-color", "rgba(31, 41, 55, 0.5)")
    await expect(other).not_to_have_attribute("aria-current", "true")


async def test_the_times_of_cards_and_details_go_on_by_themselves(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-1", age=2))
    page = await open_page("about:blank", wait=False)
    await page.clock.install()
    await page.goto(f"{site.url}/jobs?job=job-1")
    card, created = page.locator(".card-time"), page.get_by_test_id("metadata-item-created").locator(".relative")
    await expect(card).to_have_text("less than a minute ago")
    await expect(created).to_have_text("just now")

    await page.clock.run_for(75_000)

    await expect(card).to_have_text("1 minute ago")
    await expect(created).to_have_text("1 minute ago")


async def test_a_long_press_on_a_phone_chooses_a_card_and_does_not_open_it(site: Site, open_page: OpenPage) -> None:
    for name in ("job-1", "job-2"):
        site.double.put(job(name))
    page = await open_page(f"{site.url}/jobs", viewport=PHONE, has_touch=True, is_mobile=True)
    card = page.get_by_test_id("job-item-job-1")
    box = await card.bounding_box()
    assert box is not None
    finger: Any = await page.context.new_cdp_session(page)
    points = [{"x": box["x"] + 40, "y": box["y"] + 30}]

    await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("1 selected")
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    await expect(page.get_by_role("checkbox", name="Select Export #job-1")).to_be_checked()
    await expect(page).to_have_url(f"{site.url}/jobs")
    # Android's browsers ask for a menu besides, which is not wanted; a mouse gets its own as ever.
    menu = """(card, pointerType) => card.dispatchEvent(
        new PointerEvent("contextmenu", {pointerType, bubbles: true, cancelable: true}))"""
    assert await card.evaluate(menu, "mouse")
    assert not await card.evaluate(menu, "touch")
    await expect(page.get_by_test_id("bulk-bar")).to_contain_text("1 selected")


async def test_a_finger_that_scrolls_chooses_nothing(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-1"))
    page = await open_page(f"{site.url}/jobs", viewport=PHONE, has_touch=True, is_mobile=True)
    await page.clock.install()
    box = await page.get_by_test_id("job-item-job-1").bounding_box()
    assert box is not None
    finger: Any = await page.context.new_cdp_session(page)
    for kind, y in (("touchStart", 30), ("touchMove", 70)):
        points = [{"x": box["x"] + 40, "y": box["y"] + y}]
        await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    await page.clock.run_for(2_000)

    await expect(page.get_by_test_id("bulk-bar")).to_have_count(0)


# -- the selected job -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "text", "colour", "fill"),
    [
        ("pending", "pending", "Pending", GRAY, None),
        ("running", "running", "Running (38%)", BLUE, BLUE_FILL),
        ("completed", "completed", "Completed (38%)", GREEN, GREEN_FILL),
        ("failed", "crashed", "Failed (38%)", RED, RED_FILL),
        ("failed", "cancelled", "Cancelled (38%)", YELLOW, YELLOW_FILL),
        ("unheard_of", "unheard_of", "Pending", GRAY, None),
    ],
)
async def test_the_badge_and_the_bar_of_each_status(
    site: Site, open_page: OpenPage, status: str, state: str, text: str, colour: str, fill: str | None
) -> None:
    page = await _open(site, open_page, status, state=state, progress=38, options={"reduced_motion": "reduce"})
    badge = page.get_by_test_id("status-badge")
    await expect(badge).to_have_text(text)
    await expect(badge).to_have_css("color", colour)
    await expect(badge.get_by_test_id("status-dot")).to_have_css("background-color", colour)
    await expect(badge.get_by_test_id("status-dot")).to_have_class("dot pulse" if status == "running" else "dot ")
    bar = page.get_by_role("progressbar", name="Job progress: 38%")
    if fill is None:
        await expect(bar).to_have_count(0)
        return
    await expect(bar).to_have_css("height", "8px")
    await expect(bar).to_have_attribute("aria-valuemin", "0")
    await expect(bar).to_have_attribute("aria-valuemax", "100")
    await expect(page.get_by_test_id("progress-fill")).to_have_css("background-color", fill)
    assert await _shares(bar) == pytest.approx(38, abs=0.5)


async def test_a_running_jobs_dot_pulses(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running")
    dot = page.get_by_test_id("status-badge").get_by_test_id("status-dot")
    await expect(dot).to_have_css("animation-name", "pulse")


async def test_an_ended_job_says_when_it_ended_and_how_long_it_ran(site: Site, open_page: OpenPage) -> None:
    times: dict[str, Any] = {
        "created_at": "2026-03-04T08:15:52Z", "started_at": "2026-03-04T20:16:00Z",
        "completed_at": "2026-03-05T00:21:59Z",
    }  # fmt: skip
    page = await _open(site, open_page, "completed", **times)
    for row, said in (("created", "08:15:52 AM"), ("started", "08:16:00 PM"), ("completed", "12:21:59 AM")):
        await expect(page.get_by_test_id(f"metadata-item-{row}")).to_have_text(
            re.compile(rf"^{row.capitalize()}:\d+ days ago \({said}\)$")
        )
    await _icon(page.get_by_test_id("metadata-item-created"), "clock")
    await expect(page.get_by_test_id("metadata-item-duration")).to_have_text("Duration:4h 5m")


async def test_what_never_started_is_in_italics_and_has_no_duration(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "failed", started_at=None, error="Cancelled by user")
    started = page.get_by_test_id("metadata-item-started").get_by_text("Not started")
    await expect(started).to_have_css("font-style", "italic")
    await expect(page.get_by_test_id("metadata-item-completed")).to_be_visible()
    await expect(page.get_by_test_id("metadata-item-duration")).to_have_count(0)
    await expect(page.get_by_test_id("message-section")).to_have_count(0)


async def test_a_job_on_its_way_shows_a_spinner_and_one_that_cannot_be_read_says_why(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("job-7", "running"))
    gate = site.double.gates["job"] = asyncio.Event()
    page = await open_page(f"{site.url}/jobs?job=job-7", color_scheme="dark")
    panel = page.get_by_test_id("job-detail-panel")
    await expect(panel.get_by_role("status")).to_have_text("Back to the listLoading job details...")
    await expect(panel.locator(".spin")).to_have_css("color", BRAND)
    site.double.refusing["job"] = (503, "Prefect is away")

    gate.set()

    await expect(panel.get_by_role("heading", name="Error Loading Job")).to_be_visible()
    await expect(panel.get_by_role("alert")).to_contain_text("The jobs API answered 503.")


async def test_the_whole_id_can_be_copied(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy ID")

    await button.click()

    await _icon(button, "check")
    await expect(button).to_have_attribute("title", "Copied!")
    assert await page.evaluate("navigator.clipboard.readText()") == "job-7"


async def test_a_result_is_pretty_json_in_a_low_box_below_the_log(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "completed", result={"rows": [1] * 50, "note": "<b>"})
    box = page.get_by_test_id("job-result").locator("pre")
    await expect(box).to_contain_text('{\n  "rows": [\n    1,', use_inner_text=True)
    await expect(page.get_by_test_id("job-result").get_by_role("heading")).to_have_text("Result")
    place, log = await box.bounding_box(), await page.get_by_role("log").bounding_box()
    assert place is not None
    assert log is not None
    assert place["height"] <= 160
    assert place["y"] > log["y"] + log["height"]


@pytest.mark.parametrize(("status", "result"), [("failed", {"rows": 3}), ("completed", None)])
async def test_without_an_end_or_an_outcome_there_is_no_result(
    site: Site, open_page: OpenPage, status: str, result: Any
) -> None:
    page = await _open(site, open_page, status, result=result)
    await expect(page.get_by_test_id("job-history-section")).to_contain_text("3 transitions")
    await expect(page.get_by_test_id("job-result")).to_have_count(0)


# -- actions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "name", "colour", "icon"),
    [
        ("running", "Cancel", AMBER, "cancel"),
        ("running", "Abort", RED, "ban"),
        ("failed", "Retry", BLUE, "refresh"),
        ("failed", "Delete", "rgb(209, 213, 219)", "trash"),
    ],
)
async def test_each_button_has_its_colour_and_icon(
    site: Site, open_page: OpenPage, status: str, name: str, colour: str, icon: str
) -> None:
    page = await _open(site, open_page, status)
    button = page.get_by_test_id("job-actions").get_by_role("button", name=name, exact=True)
    await expect(button).to_have_css("color", colour)
    await _icon(button, icon)


async def test_while_a_job_is_retried_the_button_says_so_and_nothing_else_can_be_done(
    site: Site, open_page: OpenPage
) -> None:
    page = await _open(site, open_page, "failed")
    gate = site.double.gates["retry"] = asyncio.Event()
    buttons = page.get_by_test_id("job-actions").get_by_role("button")

    await buttons.nth(0).click()

    await expect(buttons).to_have_text(["Retry...", "Delete"])
    await expect(buttons.nth(0)).to_have_accessible_name("Retry")
    await expect(buttons.nth(0).locator(".icon")).to_have_css("animation-name", "spin")
    await expect(buttons.nth(0)).to_be_disabled()
    await expect(buttons.nth(1)).to_be_disabled()
    gate.set()
    await expect(buttons).to_have_text(["Cancel", "Delete"])
    await expect(buttons.nth(0)).to_be_enabled()


@pytest.mark.parametrize(
    ("name", "ground"), [("Cancel", "rgb(180, 83, 9)"), ("Abort", "rgb(220, 38, 38)"), ("Delete", "rgb(220, 38, 38)")]
)
async def test_a_confirmation_is_a_narrow_card_on_a_dark_page_with_a_button_in_its_colour(
    site: Site, open_page: OpenPage, name: str, ground: str
) -> None:
    page = await _open(site, open_page, "completed" if name == "Delete" else "running")
    await page.get_by_test_id("job-actions").get_by_role("button", name=name, exact=True).click()

    await expect(page.get_by_test_id("confirm-dialog")).to_have_css("width", "448px")
    await expect(page.get_by_test_id("dialog-backdrop")).to_have_css("background-color", "rgba(0, 0, 0, 0.8)")
    act = page.get_by_role("dialog").get_by_role("button").nth(1)
    await expect(act).to_have_css("background-color", ground)
    await expect(act).to_have_css("color", "rgb(255, 255, 255)")
    await expect(page.get_by_test_id("jobs-page")).to_have_attribute("inert", "")


@pytest.mark.parametrize(("motion", "name", "lasts"), [("no-preference", "rise", "0.2s"), ("reduce", "appear", "0.1s")])
async def test_a_window_rises_as_it_appears_and_only_appears_where_motion_is_unwanted(
    site: Site, open_page: OpenPage, motion: str, name: str, lasts: str
) -> None:
    page = await _open(site, open_page, "completed", options={"reduced_motion": motion})
    await page.get_by_test_id("job-actions").get_by_role("button", name="Delete", exact=True).click()
    window, backdrop = page.get_by_test_id("confirm-dialog"), page.get_by_test_id("dialog-backdrop")
    await expect(window).to_have_css("animation-name", name)
    await expect(window).to_have_css("animation-duration", lasts)
    await expect(backdrop).to_have_css("animation-name", "appear")
    await expect(backdrop).to_have_css("animation-duration", lasts)

    await page.keyboard.press("Escape")
    await expect(window).to_have_count(0)


# -- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "waits"), [("pending", 1), ("running", 1), ("completed", 0), ("failed", 0)])
async def test_without_lines_a_living_job_is_waited_for_and_an_ended_one_is_not(
    site: Site, open_page: OpenPage, status: str, waits: int
) -> None:
    page = await _open(site, open_page, status)
    box = page.get_by_role("log", name="Job log output")
    await expect(box.get_by_text("No logs available yet")).to_be_visible()
    await expect(box.get_by_text("Waiting for log entries...")).to_have_count(waits)
    await expect(page.get_by_test_id("logs-count")).to_have_text("")
    await expect(page.get_by_role("button", name="Clear logs")).to_be_disabled()


async def test_a_line_has_its_time_its_level_as_a_pill_and_its_message(site: Site, open_page: OpenPage) -> None:
    levels = {"DEBUG": GRAY, "INFO": BLUE, "WARNING": YELLOW, "ERROR": RED}
    for level in levels:
        site.double.store_lines("job-7", f"said as {level}", level=level)
    page = await _open(site, open_page, "completed")
    await expect(page.get_by_role("heading", level=3, name="Job Logs")).to_be_visible()
    for row, (level, colour) in enumerate(levels.items()):
        line = page.locator(".line").nth(row)
        await expect(line.locator(".line-time")).to_have_text("08:15:00")
        pill = line.locator(".line-level")
        await expect(pill).to_have_text(level)
        await expect(pill).to_have_css("color", colour)
        await expect(pill).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")
        message = line.locator(".line-message")
        await expect(message).to_have_text(f"said as {level}")
        await expect(message).to_have_css("color", "rgb(229, 231, 235)")
        await expect(message).to_have_css("white-space", "pre-wrap")
        await expect(message).to_have_css("font-family", re.compile("monospace"))


async def test_the_level_menu_closes_on_a_choice_and_on_a_click_outside(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "completed")
    menu = page.get_by_role("button", name="Filter by log level")
    await expect(menu).to_have_attribute("aria-haspopup", "listbox")
    await expect(menu).to_have_attribute("aria-expanded", "false")
    await expect(menu).to_have_text("All Levels")

    await menu.click()
    await expect(menu).to_have_attribute("aria-expanded", "true")
    await page.get_by_role("option", name="Warning").click()
    await expect(page.get_by_role("listbox")).to_have_count(0)
    await expect(menu).to_have_text("Warning")

    await menu.click()
    await expect(page.get_by_role("option", name="Warning")).to_have_attribute("aria-selected", "true")
    await page.get_by_role("heading", level=2).click()
    await expect(page.get_by_role("listbox")).to_have_count(0)
    await expect(menu).to_have_text("Warning")


async def test_every_key_of_the_level_menu(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "completed")
    menu = page.get_by_role("button", name="Filter by log level")
    for keys, chosen in (
        (("Enter", "End", " "), "Error"),
        (("ArrowUp", "Home", "Enter"), "All Levels"),
        ((" ", "ArrowUp", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"), "Debug"),
        (("ArrowDown", "End", "ArrowDown", "Escape"), "Debug"),
        (("Enter", "End", "Tab"), "Debug"),
    ):
        await menu.focus()
        for key in keys:
            await page.keyboard.press(key)
        await expect(page.get_by_role("listbox")).to_have_count(0)
        await expect(menu).to_have_text(chosen)


async def test_following_is_green_and_turns_and_on_a_phone_it_is_an_icon(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running")
    follow, clear = (page.get_by_role("button", name=name) for name in ("Toggle auto-scroll", "Clear logs"))
    await expect(follow).to_have_css("color", BRAND)
    await expect(follow.locator(".icon")).to_have_css("animation-name", "spin")

    await follow.click()

    await expect(follow).to_have_attribute("aria-pressed", "false")
    await expect(follow).not_to_have_css("color", BRAND)
    await expect(follow.locator(".icon")).to_have_css("animation-name", "none")
    for button, text in ((follow, "Auto-scroll"), (clear, "Clear")):
        await expect(button.get_by_text(text)).to_be_visible()
    await page.set_viewport_size({"width": 639, "height": 800})
    for button, text in ((follow, "Auto-scroll"), (clear, "Clear")):
        await expect(button).to_be_visible()
        await expect(button.get_by_text(text)).to_be_hidden()


async def test_the_indicator_says_each_state_by_colour_word_and_for_screen_readers(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("job-7", "running"))
    site.double.put(job("job-8", "completed"))
    page = await open_page("about:blank", wait=False)
    await page.emulate_media(color_scheme="dark")
    await page.clock.install()
    await page.goto(f"{site.url}/jobs?job=job-7")
    indicator, dot = page.get_by_test_id("connection-indicator"), page.get_by_test_id("connection-dot")

    async def shows(word: str, state: str, colour: str, role: str = "status") -> None:
        await expect(indicator).to_contain_text(word)
        await expect(indicator.locator(".sr-only")).to_contain_text(state)
        await expect(indicator).to_have_attribute("role", role)
        await expect(dot).to_have_css("background-color", colour)
        await expect(dot).to_have_class("dot pulse" if word == "Live" else "dot ")
        await expect(dot).to_have_css("width", "8px")

    await shows("Live", "connected", GREEN_FILL)
    await expect(indicator).to_have_attribute("aria-live", "polite")
    await expect(indicator).to_have_attribute("title", re.compile("^Log streaming"))
    site.double.refuse_logs = True
    await site.double.drop_log_sockets()
    await shows("Reconnecting (1/5)", "reconnecting", YELLOW_FILL)
    for attempt in range(1, 6):
        await expect(indicator).to_contain_text(f"Reconnecting ({attempt}/5)")
        await page.clock.fast_forward(40_000)
    await shows("Failed", "failed", RED_FILL, "button")
    await expect(indicator).to_have_attribute("tabindex", "0")

    site.double.refuse_logs = False
    await indicator.press("Space")
    await shows("Live", "connected", GREEN_FILL)
    await page.get_by_test_id("job-item-job-8").click()
    await shows("Offline", "disconnected", "rgb(107, 114, 128)")


# -- layout -----------------------------------------------------------------------------------------------------------

OVERLAPS = """() => {
    const groups = [".toolbar", ".tabs", ".search-row", ".detail-title", ".detail-actions", ".actions", ".detail-body",
        ".logs-bar", ".logs-controls", ".logs-tools", ".logs-foot", ".card", ".card-line", ".metadata", "#body"]
    const boxes = (root) => [...root.children].filter((node) => {
        const {position, visibility, display} = getComputedStyle(node)
        return display !== "none" && visibility !== "hidden" && position !== "absolute" && node.offsetWidth > 1
    })
    const found = []
    for (const group of groups) for (const root of document.querySelectorAll(group)) {
        const within = boxes(root).map((node) => [node, node.getBoundingClientRect()])
        for (const [one, a] of within) for (const [other, b] of within) {
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left)
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
            if (one === other || wide <= 1.5 || high <= 1.5) continue
            found.push(`${group}: ${one.className} on ${other.className}`)
        }
        const outer = root.getBoundingClientRect()
        if (outer.width && outer.right > innerWidth + 1) found.push(`${group} leaves the window`)
    }
    return found
}"""


@pytest.mark.parametrize(
    ("width", "share"), [(320, 1), (767, 1), (768, 1 / 3), (1024, 2 / 5), (1440, 0.36), (3840, 0.36)]
)
async def test_at_every_width_nothing_overlaps_or_scrolls_sideways(
    site: Site, open_page: OpenPage, width: int, share: float
) -> None:
    long_id = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"
    for number in range(30):
        site.double.put(job(f"job-{number}", "running", progress=40, job_type="re_evaluation", message="long " * 40))
    site.double.put(job(long_id, "failed", progress=54, job_type="a-flow-with-a-very-long-name-" * 3, message="x" * 300,
                        error="OSError: " + "x" * 200))  # fmt: skip
    site.double.store_lines(long_id, "y" * 500, "a line " * 60)
    page = await open_page(f"{site.url}/jobs?q=o", viewport={"width": width, "height": 900})
    await expect(page.get_by_test_id("job-item-job-29")).to_be_visible()
    left = await page.locator("#left").bounding_box()
    assert left is not None
    assert left["width"] / width == pytest.approx(share, abs=0.005)
    assert await page.evaluate(OVERLAPS) == []

    await page.goto(f"{site.url}/jobs?job={long_id}")
    await expect(page.get_by_role("log")).to_contain_text("a line")
    await expect(page.get_by_test_id("job-history-section")).to_contain_text("transitions")
    assert await page.evaluate(OVERLAPS) == []
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    title, copy = page.get_by_role("heading", level=2), page.get_by_role("button", name="Copy ID")
    beside, button = await title.bounding_box(), await copy.bounding_box()
    assert beside is not None
    assert button is not None
    assert beside["y"] < button["y"] + button["height"] / 2 < beside["y"] + beside["height"]
    assert button["x"] >= beside["x"] + beside["width"]
