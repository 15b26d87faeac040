"""axe-core finds nothing in what opens over the page or beside it: each dialog, the commands, history, statistics."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.ui.conftest import DESKTOP, OpenPage, Site
from tests.ui.contract_double import job, job_type
from tests.ui.job_routes import bucket
from tests.ui.test_page_accessibility import PHONE, assert_accessible
from tests.ui.test_page_start import SCHEMA
from tests.ui.test_page_statistics import this_hour

ERROR = "OSError: disk full\nand more of it"
WIDTHS = pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(DESKTOP, "dark"), (DESKTOP, "light"), (PHONE, "dark"), (PHONE, "light")],
    ids=["desktop dark", "desktop light", "phone dark", "phone light"],
)


def _fill(site: Site) -> None:
    site.double.types = [job_type("export", "Export", SCHEMA), job_type("cleanup")]
    site.double.put(job("job-1", "running", progress=38, message="Copying: 4/10", state="stopping"))
    site.double.put(job("job-2", "failed", error=ERROR))
    site.double.put(job("job-3"))
    site.double.reasons["job-3"] = {"code": "late", "text": "No worker is online", "held_by": ["job-1"]}
    receipt = {"cause": "asked", "at": "2026-03-04T08:15:00Z", "delivered_after": 0.04, "how": "killed", "after": 0.36}
    details = {"state": "aborted", "by": "otto", "receipt": {**receipt, "processes": [{"pid": 1, "name": "python"}]}}
    step = {"from": "running", "to": "failed", "at": "2026-03-04T08:15:01Z", "triggered_by": "user"}
    site.double.histories["job-2"] = [{**step, "from": None, "to": "pending"}, {**step, "details": details}]
    site.double.details["job-2"] = {
        "error_traceback": "Traceback\n  a line", "retry_info": {"max_attempts": 3, "previous_errors": ["OSError"]},
        "metadata": {"input_params": {"format": "csv"}}, "queue_name": "default",
    }  # fmt: skip
    for hours in range(20):
        times = {"p50": 1.5, "p95": 9.0 + hours}
        start = this_hour() - timedelta(hours=hours)
        site.double.buckets.append(
            bucket(start, created=10, completed=6, failed=2, cancelled=1, queue_wait_seconds=times, run_seconds=times)
        )


async def _close(page: Page) -> None:
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


@WIDTHS
async def test_a_job_and_the_windows_over_it(
    site: Site, open_page: OpenPage, scheme: str, viewport: ViewportSize
) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs?job=job-2", color_scheme=scheme, viewport=viewport)
    await page.get_by_role("button", name="History").click()
    await expect(page.get_by_test_id("timeline-entry")).to_have_count(2)
    await page.get_by_text("Parameters").click()
    await assert_accessible(page)

    await page.get_by_test_id("view-error-details-button").click()
    await assert_accessible(page)
    await _close(page)
    await page.get_by_role("button", name="Delete").click()
    await assert_accessible(page)
    await _close(page)
    await page.get_by_role("button", name="Run again with changes").click()
    window = page.get_by_role("dialog")
    await window.get_by_label("Limit").fill("5000")
    await window.get_by_role("button", name="Start job").click()
    await expect(window.get_by_role("alert")).not_to_be_empty()
    await assert_accessible(page)
    await _close(page)
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
    await assert_accessible(page)


@WIDTHS
async def test_the_list_with_chosen_jobs_help_statistics_and_what_is_waited_for(
    site: Site, open_page: OpenPage, scheme: str, viewport: ViewportSize
) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs", color_scheme=scheme, viewport=viewport)
    await page.get_by_test_id("job-item-job-2").focus()
    await page.keyboard.press("x")
    await expect(page.get_by_test_id("bulk-bar")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Delete").click()
    await expect(page.get_by_test_id("bulk-preview")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("dialog").get_by_role("button", name="Delete 1 job").click()
    await expect(page.get_by_test_id("bulk-receipt")).to_be_visible()
    await assert_accessible(page)
    await _close(page)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await assert_accessible(page)
    await _close(page)

    await page.get_by_role("button", name="View stats").click()
    await expect(page.get_by_test_id("tile-created")).to_be_visible()
    await page.get_by_text("As a table").first.click()
    await assert_accessible(page)
    await page.goto(f"{site.url}/jobs?q=nobody&status=failed")
    await expect(page.get_by_text("No jobs match your search")).to_be_visible()
    await assert_accessible(page)
    for job_id, testid in (("job-3", "waiting-section"), ("job-1", "stopping")):
        await page.goto(f"{site.url}/jobs?job={job_id}")
        await expect(page.get_by_test_id(testid)).to_be_visible()
        await assert_accessible(page)
