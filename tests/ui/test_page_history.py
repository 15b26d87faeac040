"""What happened to a job, and what else the detailed form tells: attempts, waiting, estimates, the error's window."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job


def _step(before: str | None, to: str, second: int, by: str = "worker", **details: Any) -> dict[str, Any]:
    at = f"2026-03-04T08:15:{second:02}Z"
    return {"from": before, "to": to, "at": at, "triggered_by": by, "details": details or None}


async def _open(site: Site, open_page: OpenPage, *, status: str = "failed", **fields: Any) -> Page:
    site.double.put(job("job-7", status, **fields))
    return await open_page(f"{site.url}/jobs?job=job-7", timezone_id="UTC")


async def test_what_changed_no_status_stands_between_the_steps_and_is_not_counted(
    site: Site, open_page: OpenPage
) -> None:
    site.double.histories["job-7"] = [
        _step(None, "pending", 0, "api"),
        _step("pending", "running", 2),
        _step("running", "failed", 9, "user", state="cancelled"),
    ]
    site.double.events["job-7"] = [
        {"at": "2026-03-04T08:15:01Z", "kind": "waiting", "message": "The limit is reached", "by": None, "details": {}},
        {"at": "2026-03-04T08:15:05Z", "kind": "stop_asked", "message": None, "by": "otto", "details": {}},
        {"at": "2026-03-04T08:15:06Z", "kind": "of_next_year", "message": "<b>new</b>", "by": None, "details": {}},
    ]
    page = await _open(site, open_page)
    section = page.get_by_test_id("job-history-section")
    await expect(section).to_contain_text("3 transitions")
    await page.get_by_role("button", name="History").click()

    await expect(page.get_by_test_id("timeline-entry")).to_have_count(3)
    rows = page.get_by_test_id("job-history-timeline").locator("li")
    said = ["Job created", "Waiting for a place", "Started processing", "Stop asked for by otto", "<b>new</b>", ""]
    for number, words in enumerate(said):
        await expect(rows.nth(number)).to_contain_text(words)
    await expect(page.get_by_test_id("timeline-event")).to_have_count(3)
    await expect(page.get_by_test_id("timeline-connector")).to_have_count(2)


async def test_the_history_is_closed_at_first_and_says_where_the_job_is(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, status="completed")
    section = page.get_by_test_id("job-history-section")

    await expect(section).to_contain_text("3 transitions")
    await expect(section.get_by_role("img", name="Status: completed")).to_be_visible()
    await expect(section).to_contain_text("Completed")
    await expect(page.get_by_test_id("job-history-timeline")).to_have_count(0)


async def test_every_step_says_when_what_and_why(site: Site, open_page: OpenPage) -> None:
    site.double.histories["job-7"] = [
        _step(None, "pending", 0, "api"),
        _step("pending", "running", 1, state="running"),
        _step("running", "failed", 4, error="OSError: disk full", message="Attempt 1 failed"),
        _step("failed", "pending", 5, "user", state="awaiting_retry"),
        _step("pending", "running", 6),
        _step("running", "completed", 9),
    ]
    page = await _open(site, open_page, status="completed")
    await page.get_by_role("button", name="History").click()
    entries = page.get_by_test_id("timeline-entry")

    await expect(entries).to_have_count(6)
    await expect(page.get_by_test_id("timeline-connector")).to_have_count(5)
    for number, (time, label, message) in enumerate(
        [
            ("08:15:00", "Pending", "Job created"),
            ("08:15:01", "Running", "Started processing"),
            ("08:15:04", "Failed", "Attempt 1 failed"),
            ("08:15:05", "Pending", "Changed to Pending"),
            ("08:15:06", "Running", "Started processing"),
            ("08:15:09", "Completed", "Job completed successfully"),
        ]
    ):
        for said in (time, label, message):
            await expect(entries.nth(number)).to_contain_text(said)
    await expect(entries.nth(2)).to_contain_text("OSError: disk full")
    await expect(entries.nth(2).get_by_role("img", name="Status: failed")).to_be_visible()
    await expect(page.get_by_test_id("triggered-by")).to_have_count(0)


async def test_a_step_without_words_of_its_own_gets_the_first_that_fit(site: Site, open_page: OpenPage) -> None:
    told: list[tuple[str | None, str, dict[str, Any], str]] = [
        ("pending", "running", {"message": "As written", "error": "not this"}, "As written"),
        ("running", "failed", {"error": "OSError: disk full"}, "OSError: disk full"),
        ("running", "failed", {"message": 7, "error": None}, "Job failed"),
        (None, "pending", {}, "Job created"),
        (None, "queued", {}, "Job created"),
        (None, "completed", {"state": "cached"}, "Job created as Completed"),
        ("pending", "processing", {}, "Started processing"),
        ("queued", "running", {}, "Started processing"),
        ("processing", "completed", {}, "Job completed successfully"),
        ("pending", "failed", {}, "Job failed"),
        ("running", "cancelled", {}, "Job cancelled"),
        ("queued", "failed", {"state": "aborted"}, "Job cancelled"),
        ("pending", "completed", {}, "Changed to Completed"),
        ("failed", "queued", {}, "Changed to Queued"),
        ("running", "half_done", {}, "Changed to Half done"),
    ]
    site.double.histories["job-7"] = [_step(before, to, 7, **details) for before, to, details, _ in told]
    page = await _open(site, open_page)
    await page.get_by_role("button", name="History").click()

    await expect(page.locator(".step-message")).to_have_text([message for *_, message in told])
    await expect(page.get_by_test_id("timeline-entry").locator("b")).to_have_text(
        ["Running", "Failed", "Failed", "Pending", "Queued", "Completed", "Processing", "Running", "Completed",
         "Failed", "Cancelled", "Cancelled", "Completed", "Queued", "Half done"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "ground", "ring", "pulses"),
    [
        ("pending", "rgba(0, 0, 0, 0)", True, False),
        ("queued", "rgba(0, 0, 0, 0)", True, False),
        ("unheard_of", "rgba(0, 0, 0, 0)", True, False),
        ("processing", "rgb(59, 130, 246)", False, True),
        ("running", "rgb(59, 130, 246)", False, True),
        ("completed", "rgb(34, 197, 94)", False, False),
        ("failed", "rgb(239, 68, 68)", False, False),
        ("cancelled", "rgb(234, 179, 8)", False, False),
    ],
)
async def test_a_dot_says_its_status_by_fill_colour_and_name(
    site: Site, open_page: OpenPage, status: str, ground: str, ring: bool, pulses: bool
) -> None:
    site.double.histories["job-7"] = [_step(None, status, 7)]
    page = await _open(site, open_page)
    section = page.get_by_test_id("job-history-section")
    small = section.get_by_role("img", name=f"Status: {status}")
    await expect(small).to_have_css("width", "12px")
    await expect(small).to_have_attribute("data-testid", "status-dot")

    await page.get_by_role("button", name="History").click()

    dot = page.get_by_test_id("timeline-entry").get_by_role("img", name=f"Status: {status}")
    await expect(dot).to_have_css("width", "16px")
    await expect(dot).to_have_css("background-color", ground)
    await expect(dot).to_have_css("border-top-style", "solid" if ring else "none")
    await expect(dot).to_have_css("animation-name", "pulse" if pulses else "none")


async def test_a_cancellation_is_yellow_though_the_wire_says_failed(site: Site, open_page: OpenPage) -> None:
    site.double.histories["job-7"] = [
        _step(None, "running", 0, "api"),
        _step("running", "failed", 3, "user", state="cancelled"),
    ]
    page = await _open(site, open_page, state="cancelled")
    await page.get_by_role("button", name="History").click()

    await expect(page.get_by_test_id("timeline-entry").first).to_contain_text("Job created as Running")
    last = page.get_by_test_id("timeline-entry").last
    await expect(last).to_contain_text("Job cancelled")
    await expect(last.get_by_role("img", name="Status: cancelled")).to_have_class(re.compile("cancelled large"))


async def test_a_history_that_loads_fails_or_is_empty_says_so(site: Site, open_page: OpenPage) -> None:
    site.double.gates["history"] = asyncio.Event()
    page = await _open(site, open_page)
    await page.get_by_role("button", name="History").click()
    await expect(page.get_by_test_id("timeline-loading")).to_be_visible()
    await expect(page.get_by_test_id("timeline-loading").locator("> *")).to_have_count(3)

    site.double.refusing["history"] = (503, "Prefect is away")
    site.double.gates.pop("history").set()
    section = page.get_by_test_id("job-history-section")
    await expect(section.get_by_role("alert")).to_have_text("Failed to load job history")
    await expect(section).to_contain_text("Prefect is away")

    site.double.refusing.clear()
    site.double.histories["job-7"] = []
    await expect(section).to_contain_text("No history available for this job.")


async def test_a_history_from_the_store_says_that_its_last_steps_may_be_missing(
    site: Site, open_page: OpenPage
) -> None:
    site.double.cut_histories.add("job-7")
    page = await _open(site, open_page)
    await page.get_by_role("button", name="History").click()

    await expect(page.get_by_test_id("timeline-entry")).to_have_count(3)
    await expect(page.get_by_test_id("job-history-section")).to_contain_text("the latest steps may be missing")


async def test_the_history_follows_the_job(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, status="running")
    await page.get_by_role("button", name="History").click()
    await expect(page.get_by_test_id("timeline-entry")).to_have_count(2)

    site.double.complete("job-7")

    await expect(page.get_by_test_id("timeline-entry")).to_have_count(3)


async def test_the_detailed_form_adds_queue_priority_worker_step_and_attempts(site: Site, open_page: OpenPage) -> None:
    site.double.details["job-7"] = {
        "queue_name": "night", "priority": 1,
        "metadata": {
            "worker_id": "worker-1", "input_params": {"format": "csv"},
            "worker": {"host": "night-2", "pid": 47111, "version": "0.1.0", "limit": 4},
        },
        "progress": {"current_step": "Copying", "items_processed": 450, "items_total": 1000},
        "retry_info": {"attempt_number": 2, "max_attempts": 3, "next_retry_at": None, "previous_errors": ["OSError"]},
    }  # fmt: skip
    page = await _open(site, open_page, status="running", message="Copying: 450/1000")

    await expect(page.get_by_test_id("metadata-item-queue")).to_have_text("Queue:night")
    await expect(page.get_by_test_id("metadata-item-priority")).to_have_text("Priority:High")
    await expect(page.get_by_test_id("metadata-item-worker")).to_have_text(
        "Worker:worker-1 process 47111 on night-2, version 0.1.0"
    )
    await expect(page.get_by_test_id("current-step")).to_contain_text("Current step:")
    await expect(page.get_by_test_id("current-step")).to_contain_text("Copying")
    await expect(page.get_by_test_id("current-step")).to_contain_text("450 / 1000")
    await expect(page.get_by_test_id("retry-info")).to_contain_text("Attempt 2 of 3")
    await expect(page.get_by_test_id("retry-info")).to_contain_text("Previous errors: 1")
    await page.get_by_text("Parameters").click()
    await expect(page.get_by_test_id("job-parameters")).to_contain_text("csv")


async def test_a_running_job_says_how_long_it_still_takes_and_whether_it_is_slow(
    site: Site, open_page: OpenPage
) -> None:
    timing = {"eta": {"p50": 3725.0, "p90": 7300.0, "sample": 412}, "slower_than_usual": True}
    site.double.details["job-7"] = {"timing": timing}
    page = await _open(site, open_page, status="running")

    await expect(page.get_by_test_id("metadata-item-remaining")).to_contain_text("about 1 h")
    await expect(page.get_by_test_id("metadata-item-remaining")).to_contain_text("9 of 10 within 2 h")
    await expect(page.get_by_test_id("slower-than-usual")).to_have_text("Slower than usual")


async def test_a_pending_job_says_why_it_waits_and_leads_to_the_job_it_waits_for(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("holder-1", "running"))
    reason = {"code": "deployment_limit", "text": "Deployment api runs 1 job at a time:", "held_by": ["holder-1"]}
    site.double.details["job-7"] = {"pending_reason": {**reason, "since": job("x", age=130)["created_at"]}}
    page = await _open(site, open_page, status="pending")
    waiting = page.get_by_test_id("waiting-section")
    await expect(waiting).to_contain_text("Deployment api runs 1 job at a time:")
    await expect(waiting).to_contain_text("since 2 minutes ago")

    await waiting.get_by_role("button", name="#1").click()

    await expect(page).to_have_url(f"{site.url}/jobs?job=holder-1")


async def test_a_long_error_opens_in_a_window_with_its_traceback_and_can_be_copied(
    site: Site, open_page: OpenPage
) -> None:
    error = f"OSError: {'long ' * 30}\nsecond line <img src=x>"
    site.double.details["job-7"] = {"error_traceback": "Traceback (most recent call last):\n  File flow.py"}
    page = await _open(site, open_page, error=error)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    section = page.get_by_test_id("error-section")
    await expect(section.locator("p")).to_have_text(f"{error.splitlines()[0][:100]}...")

    await page.get_by_test_id("view-error-details-button").click()
    window = page.get_by_test_id("job-error-modal")
    await expect(window.get_by_role("heading", name="Error Details")).to_be_visible()
    for said in ("Job:", "Export #7", "Failed at:", "Attempt:1 of 1", "second line <img src=x>"):
        await expect(window).to_contain_text(said)
    await expect(window.get_by_test_id("error-traceback")).to_contain_text("most recent call last")
    await window.get_by_test_id("copy-button").click()
    await expect(window.get_by_test_id("copy-button")).to_have_text("Copied!")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("OSError: long")
    assert "most recent call last" in copied

    await window.get_by_role("button", name="Close modal").click()
    await expect(window).to_have_count(0)
    await page.get_by_test_id("view-error-details-button").click()
    await page.keyboard.press("Escape")
    await expect(window).to_have_count(0)


async def test_a_traceback_that_comes_after_the_errors_window_was_opened_is_shown_in_it(
    site: Site, open_page: OpenPage
) -> None:
    """Who was quick saw the error without its traceback for as long as the window was open."""
    site.double.details["job-7"] = {"error_traceback": "Traceback (most recent call last):"}
    site.double.gates["detail"] = asyncio.Event()
    page = await _open(site, open_page, error="OSError\nsecond line")
    await page.get_by_test_id("view-error-details-button").click()
    window = page.get_by_test_id("job-error-modal")
    await expect(window).to_contain_text("second line")
    await expect(window).not_to_contain_text("Attempt:")

    site.double.gates.pop("detail").set()

    await expect(window).to_contain_text("Attempt:1 of 1")
    await expect(window.get_by_test_id("error-traceback")).to_have_text("Traceback (most recent call last):")


async def test_of_an_error_its_first_line_is_shown_to_its_hundredth_character(site: Site, open_page: OpenPage) -> None:
    told = [
        ("x" * 100, "x" * 100, 0), ("x" * 101, f"{'x' * 100}...", 1), ("first\nsecond", "first", 1),
        ("first\n  \n", "first", 0),
    ]  # fmt: skip
    for number, (error, *_) in enumerate(told):
        site.double.put(job(f"job-{number}", "failed", error=error))
    page = await open_page(f"{site.url}/jobs")
    for number, (_, line, more) in enumerate(told):
        await page.get_by_test_id(f"job-item-job-{number}").click()

        await expect(page.get_by_test_id("error-section").locator("p")).to_have_text(line)
        await expect(page.get_by_test_id("view-error-details-button")).to_have_count(more)


async def test_the_errors_window_keeps_the_focus_and_closes_beside_it(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, error="OSError\nsecond line")
    await page.get_by_test_id("view-error-details-button").click()
    window = page.get_by_test_id("job-error-modal")
    await expect(window.get_by_role("button", name="Close", exact=True)).to_be_focused()
    stops = ["Close modal", "OSError\nsecond line", "Copy to Clipboard", "Close"]
    for stop in [*stops, *stops]:
        await page.keyboard.press("Tab")
        focused = window.locator(":focus")
        assert await focused.get_attribute("aria-label") == stop or await focused.inner_text() == stop
    await page.keyboard.press("Shift+Tab")
    await expect(window.get_by_test_id("copy-button")).to_be_focused()

    await page.get_by_test_id("dialog-backdrop").click(position={"x": 5, "y": 5})

    await expect(window).to_have_count(0)
    await expect(page.get_by_test_id("view-error-details-button")).to_be_focused()


async def test_the_errors_window_comes_more_slowly_than_it_goes(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, error="OSError\nsecond line")
    await page.get_by_test_id("view-error-details-button").click()
    await expect(page.get_by_test_id("job-error-modal")).to_have_css("animation-duration", "0.3s")

    await page.keyboard.press("Escape")

    await expect(page.get_by_test_id("dialog-backdrop")).to_have_css("transition-duration", "0.2s")
    await expect(page.get_by_test_id("job-error-modal")).to_have_count(0)


async def test_that_an_error_was_copied_is_said_for_two_seconds(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-7", "failed", error="OSError\nsecond line"))
    page = await open_page("about:blank", wait=False)
    await page.clock.install()
    await page.goto(f"{site.url}/jobs?job=job-7")
    await page.get_by_test_id("view-error-details-button").click()
    copy = page.get_by_test_id("copy-button")

    await copy.click()
    await expect(copy).to_have_text("Copied!")
    await expect(copy.locator(".icon")).to_have_class("icon text-green-400")
    await page.clock.run_for(2100)

    await expect(copy).to_have_text("Copy to Clipboard")


async def test_queue_and_priority_are_shown_where_there_is_a_queue(site: Site, open_page: OpenPage) -> None:
    labels = ["Highest", "High", "Normal", "Low", "Lowest", "Priority 5"]
    for number in range(len(labels)):
        site.double.put(job(f"job-{number}"))
        site.double.details[f"job-{number}"] = {"queue_name": "night", "priority": number}
    site.double.put(job("job-9", message="in no queue"))
    page = await open_page(f"{site.url}/jobs")
    for number, label in enumerate(labels):
        await page.get_by_test_id(f"job-item-job-{number}").click()
        await expect(page.get_by_role("heading", level=2)).to_contain_text(f"#{number}")
        await expect(page.get_by_test_id("metadata-item-priority")).to_have_text(f"Priority:{label}")

    await page.get_by_test_id("job-item-job-9").click()
    await expect(page.get_by_test_id("job-history-section")).to_contain_text("1 transition")
    await expect(page.get_by_test_id("metadata-item-queue")).to_have_count(0)
    await expect(page.get_by_test_id("metadata-item-priority")).to_have_count(0)


@pytest.mark.parametrize(
    ("most", "ahead", "said"),
    [(1, 7300, ""), (3, None, "Attempt 2 of 3"), (3, 7300, "Next retry: in 2 hours"), (3, -5, "Next retry: now")],
)
async def test_attempts_are_told_where_there_is_more_than_one(
    site: Site, open_page: OpenPage, most: int, ahead: float | None, said: str
) -> None:
    at = None if ahead is None else job("x", age=-ahead)["created_at"]
    info: dict[str, Any] = {"attempt_number": 2, "max_attempts": most, "next_retry_at": at, "previous_errors": []}
    site.double.details["job-7"] = {"retry_info": info, "queue_name": "night"}
    page = await _open(site, open_page, status="pending")
    await expect(page.get_by_test_id("metadata-item-queue")).to_be_visible()  # so the detailed form has come

    box = page.get_by_test_id("retry-info")
    if not said:
        await expect(box).to_have_count(0)
        return
    await expect(box).to_contain_text(said)
    await expect(box.get_by_text("Next retry")).to_have_count(0 if ahead is None else 1)
    await expect(box.get_by_text("Previous errors")).to_have_count(0)


async def test_a_short_error_needs_no_window(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, error="OSError: disk full")

    await expect(page.get_by_test_id("error-section")).to_contain_text("OSError: disk full")
    await expect(page.get_by_test_id("job-history-section")).to_contain_text("3 transitions")
    await expect(page.get_by_test_id("view-error-details-button")).to_have_count(0)


async def test_an_api_without_the_detailed_form_still_shows_the_job(site: Site, open_page: OpenPage) -> None:
    site.double.refusing.update({"detail": (404, "Not Found"), "history": (404, "Not Found")})
    page = await _open(site, open_page, status="completed", result={"rows": 3})

    await expect(page.get_by_test_id("status-badge")).to_have_text("Completed (100%)")
    await expect(page.get_by_test_id("job-result")).to_contain_text('"rows": 3')
