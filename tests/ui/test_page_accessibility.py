"""axe-core finds nothing, in every state, width and theme; and nothing is wider than its window."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]  # it has none
from playwright.async_api import Page, ViewportSize, expect

from tests.ui.conftest import DESKTOP, OpenPage, Site
from tests.ui.contract_double import job

PHONE: ViewportSize = {"width": 390, "height": 844}
NARROW: ViewportSize = {"width": 320, "height": 640}
LONG = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"


def _fill(site: Site) -> None:
    site.double.put(job("job-1", "running", progress=38, message="Processing event 400/1000", job_type="batch_audit"))
    site.double.put(job(LONG, "failed", progress=54, message="Failed: OSError", error="OSError: disk full"))
    site.double.put(job("job-3", "failed", state="cancelled", error="Cancelled by user"))
    site.double.put(job("job-4", "completed", result={"file_path": "/api/exports/a.csv", "note": "x" * 400}))
    site.double.put(job("job-5"))
    for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
        for job_id in site.double.jobs:
            site.double.store_lines(job_id, f"a line of {level}, {'long ' * 40}", level=level)


async def assert_accessible(page: Page) -> None:
    # Colours that fade in are not yet what they will be.
    await page.add_style_tag(content="*, *::before { animation: none !important; transition: none !important; }")
    axe: Any = Axe()
    results = await axe.run(page)
    violations = [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]])
        for violation in results.response["violations"]
    ]
    assert violations == []
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0


@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(DESKTOP, "dark"), (DESKTOP, "light"), (PHONE, "dark"), (PHONE, "light"), (NARROW, "dark")],
    ids=["desktop dark", "desktop light", "phone dark", "phone light", "narrow"],
)
async def test_list_details_and_notice(site: Site, open_page: OpenPage, scheme: str, viewport: ViewportSize) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs", color_scheme=scheme, viewport=viewport)
    await expect(page.get_by_test_id("job-item-job-1")).to_be_visible()
    site.double.say_status(prefect="down", behind_seconds=90.0)
    await expect(page.get_by_test_id("feed-notice")).to_be_visible()
    await assert_accessible(page)

    for job_id in site.double.jobs:
        page = await open_page(f"{site.url}/jobs?job={job_id}", color_scheme=scheme, viewport=viewport)
        await expect(page.get_by_test_id("logs-count")).to_have_text("4 logs")
        await page.get_by_role("button", name="Filter by log level").click()
        await assert_accessible(page)
        await page.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_empty_missing_and_failed(site: Site, open_page: OpenPage, scheme: str, viewport: ViewportSize) -> None:
    page = await open_page(f"{site.url}/jobs", color_scheme=scheme, viewport=viewport)
    await expect(page.get_by_test_id("jobs-empty-state")).to_be_visible()
    await assert_accessible(page)

    site.double.put(job("one"))
    missing = await open_page(f"{site.url}/jobs?job=nobody", color_scheme=scheme, viewport=viewport)
    await expect(missing.get_by_role("heading", name="Job Not Found")).to_be_visible()
    await assert_accessible(missing)


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_a_failed_load(site: Site, open_page: OpenPage, scheme: str) -> None:
    site.double.failing = True
    page = await open_page(f"{site.url}/jobs", color_scheme=scheme)
    await page.get_by_role("button", name="Refresh jobs").click()
    await expect(page.get_by_role("heading", name="Error Loading Jobs")).to_be_visible()

    await assert_accessible(page)
