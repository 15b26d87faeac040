"""What happened to a job, and what else the detailed form tells: attempts, waiting, estimates, the error's window."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job


def _step(before: str | None, to: str, second: int, by: str = "worker", **details: Any) -> dict[str, Any]:
    at = f"2026-03-04T08:15:{second:02}Z"
    return {"from": before, "to": to, "at": at, "triggered_by": by, "details": details or None}


async def _open(site: Site, open_page: OpenPage, *, status: str = "failed", **fields: Any) -> Page:
    site.double.put(job("job-7", status, **fields))
    return await open_page(f"{site.url}/jobs?job=job-7", timezone_id="UTC")


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

    site.double.refusing["history"] = (503, "Prefect is away")
    site.double.gates.pop("history").set()
    section = page.get_by_test_id("job-history-section")
    await expect(section.get_by_role("alert")).to_have_text("Failed to load job history")
    await expect(section).to_contain_text("Prefect is away")

    site.double.refusing.clear()
    site.double.histories["job-7"] = []
    await expect(section).to_contain_text("No history available for this job.")


async def test_the_history_follows_the_job(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, status="running")
    await page.get_by_role("button", name="History").click()
    await expect(page.get_by_test_id("timeline-entry")).to_have_count(2)

    ended = job("x", "completed")["completed_at"]
    site.double.change("job-7", status="completed", state="completed", completed_at=ended)

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
