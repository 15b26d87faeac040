"""The selected job: header, metadata, error, result."""

from __future__ import annotations

from playwright.async_api import expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job


async def test_without_a_selection_the_detail_says_how_to_get_one(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs")

    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Select a job to view details")


async def test_a_running_job_shows_title_badge_progress_and_times(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("job-142", "running", job_type="re_evaluation", progress=38, message="Scoring", age=125))
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_test_id("job-item-job-142").click()

    await expect(page.get_by_role("heading", level=2)).to_have_text("Re-evaluation #142")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (38%)")
    await expect(page.get_by_role("progressbar", name="Job progress: 38%")).to_have_attribute("aria-valuenow", "38")
    await expect(page.get_by_test_id("metadata-item-type")).to_have_text("Type:Re-evaluation")
    await expect(page.get_by_test_id("metadata-item-created")).to_contain_text("2 minutes ago (")
    await expect(page.get_by_test_id("metadata-item-started")).to_contain_text("2 minutes ago (")
    await expect(page.get_by_test_id("message-section")).to_contain_text("Scoring")
    await expect(page.get_by_test_id("metadata-item-completed")).to_have_count(0)


async def test_a_pending_job_has_no_progress_and_has_not_started(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("status-badge")).to_have_text("Pending")
    await expect(page.get_by_test_id("metadata-item-started")).to_contain_text("Not started")
    await expect(page.get_by_role("progressbar")).to_have_count(0)


async def test_a_pending_job_says_why_it_waits_until_it_begins(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    site.double.reasons["one"] = {"code": "no_worker", "text": "No worker is online in work pool jobs"}
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("waiting-section")).to_contain_text("No worker is online in work pool jobs")
    # Another reason comes by itself: nothing of the job changes with it.
    site.double.reasons["one"] = {"code": "waiting", "text": "A worker will take it in a moment"}
    await expect(page.get_by_test_id("waiting-section")).to_contain_text("in a moment", timeout=10_000)

    del site.double.reasons["one"]
    site.double.change("one", status="running", state="running")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (0%)")
    await expect(page.get_by_test_id("waiting-section")).to_have_count(0)


async def test_a_failed_job_shows_its_error_and_how_long_it_ran(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "failed", progress=54, error="OSError: disk full\n  at line 3"))
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("error-section")).to_contain_text("OSError: disk full")
    await expect(page.get_by_test_id("error-section").get_by_role("heading")).to_have_text("Error")
    await expect(page.get_by_test_id("metadata-item-duration")).to_have_text("Duration:31 seconds")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Failed (54%)")


async def test_the_file_of_an_export_can_be_downloaded(site: Site, open_page: OpenPage) -> None:
    result = {"file_path": "/api/exports/events_export_1.csv", "event_count": 3}
    site.double.put(job("one", "completed", result=result))
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("job-result")).to_contain_text('"event_count": 3')
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download file").click()

    assert (await download.value).suggested_filename == "events_export_1.csv"


async def test_a_result_never_becomes_a_link_to_anywhere_else(site: Site, open_page: OpenPage) -> None:
    paths = ["javascript:alert(1)", "//evil.example/x.csv", "/api/exports/../jobs", "/api/exports/a?b", 7, None]
    for number, path in enumerate(paths):
        site.double.put(job(f"job-{number}", "completed", result={"file_path": path}))
    page = await open_page(f"{site.url}/jobs")
    for number in range(len(paths)):
        await page.get_by_test_id(f"job-item-job-{number}").click()
        await expect(page.get_by_role("heading", level=2)).to_contain_text(f"#{number}")
        await expect(page.get_by_test_id("job-result")).to_be_visible()
        await expect(page.get_by_role("link", name="Download file")).to_have_count(0)


async def test_the_detail_follows_its_job_to_the_result_that_the_feed_leaves_out(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (10%)")

    site.double.change("one", progress=67, message="Writing")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (67%)")
    await expect(page.get_by_test_id("message-section")).to_contain_text("Writing")

    site.double.complete("one", result={"event_count": 12})
    await expect(page.get_by_test_id("status-badge")).to_have_text("Completed (100%)")
    await expect(page.get_by_test_id("job-result")).to_contain_text('"event_count": 12')


async def test_a_retried_job_loses_its_past_result_and_end(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "completed", result={"a": 1}))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("job-result")).to_be_visible()

    site.double.change("one", status="running", state="running", progress=5, completed_at=None, result=None)

    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (5%)")
    await expect(page.get_by_test_id("job-result")).to_have_count(0)
    await expect(page.get_by_test_id("metadata-item-duration")).to_have_count(0)


async def test_an_unknown_job_says_so_and_appears_once_it_exists(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs?job=later")
    await expect(page.get_by_role("heading", name="Job Not Found")).to_be_visible()

    site.double.put(job("later", "running", progress=3))

    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (3%)")


async def test_a_job_deleted_while_it_is_shown_says_so(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    site.double.put(job("two"))
    page = await open_page(f"{site.url}/jobs?job=two")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()

    site.double.delete("two")

    await expect(page.get_by_role("heading", name="Job Not Found")).to_be_visible()
