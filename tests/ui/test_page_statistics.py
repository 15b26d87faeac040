"""The statistics behind the Stats button: what they say, and that every bar leads to its jobs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job
from tests.ui.job_routes import bucket


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _fill(site: Site) -> None:
    site.double.put(job("run-1", "running"))
    site.double.put(job("bad-2", "failed"))
    hour = this_hour()
    times: dict[str, Any] = {"queue_wait_seconds": {"p50": 1.5, "p95": 9}, "run_seconds": {"p50": 31, "p95": 125}}
    site.double.buckets = [
        bucket(hour - timedelta(hours=2), created=10, completed=6, failed=2, cancelled=1, **times),
        bucket(hour - timedelta(hours=3), created=4, completed=2, **times),
        bucket(hour - timedelta(hours=3), "backup", created=1, failed=1),
        bucket(hour - timedelta(days=3), "backup", created=90, completed=90),
    ]


async def _open(site: Site, open_page: OpenPage, query: str = "view=stats") -> Page:
    _fill(site)
    return await open_page(f"{site.url}/jobs?{query}", timezone_id="UTC")


async def test_the_stats_button_opens_the_statistics_and_back_returns(site: Site, open_page: OpenPage) -> None:
    _fill(site)
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="View stats").click()

    await expect(page.get_by_role("heading", name="Statistics")).to_be_visible()
    await expect(page).to_have_url(f"{site.url}/jobs?view=stats")
    await expect(page.get_by_test_id("jobs-list")).to_be_hidden()
    await page.go_back()
    await expect(page.get_by_test_id("jobs-list")).to_be_visible()


async def test_counts_throughput_failure_rate_wait_and_run_time_of_the_period(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page)

    await expect(page.get_by_test_id("tile-created")).to_contain_text("15")
    await expect(page.get_by_test_id("tile-throughput")).to_contain_text("12")
    await expect(page.get_by_test_id("tile-throughput")).to_contain_text("0.5 per hour on average")
    await expect(page.get_by_test_id("tile-failure-rate")).to_contain_text("27.3%")
    await expect(page.get_by_test_id("tile-failure-rate")).to_contain_text("3 of 11 that ended")
    await expect(page.get_by_test_id("tile-wait")).to_contain_text("1.5 s p50")
    await expect(page.get_by_test_id("tile-run")).to_contain_text("31 s p50")
    await expect(page.get_by_test_id("tile-run")).to_contain_text("2 min 5 s p95")
    await expect(page.get_by_test_id("tile-now")).to_contain_text("1 running")


async def test_the_period_is_chosen_and_shared(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page)
    await expect(page.get_by_test_id("tile-created")).to_contain_text("15")

    await page.get_by_role("button", name="Last 7 days").click()

    await expect(page.get_by_test_id("tile-created")).to_contain_text("105")
    await expect(page).to_have_url(f"{site.url}/jobs?view=stats&period=week")
    await page.get_by_label("Job type").select_option("backup")
    await expect(page.get_by_test_id("tile-created")).to_contain_text("91")
    other = await open_page(page.url)
    await expect(other.get_by_test_id("tile-created")).to_contain_text("91")
    assert {wanted["bucket"] for wanted in site.double.timelines} == {"hour"}


async def test_every_bar_leads_to_the_jobs_behind_it(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page)
    hour = this_hour() - timedelta(hours=2)

    await page.locator(".piece.failed").last.click()

    stamp = hour.strftime("%Y-%m-%dT%H:00:00Z")
    end = (hour + timedelta(hours=1, milliseconds=-1)).strftime("%Y-%m-%dT%H:%M:59.999Z")
    await expect(page.get_by_role("textbox", name="Search jobs")).to_have_value(f"completed:{stamp}..{end}")
    asked = parse_qs(urlsplit(page.url).query)
    assert asked == {"q": [f"completed:{stamp}..{end}"], "status": ["failed"]}
    await page.go_back()
    await expect(page.get_by_role("heading", name="Statistics")).to_be_visible()


async def test_the_plots_can_be_read_as_tables_with_the_same_links(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page)
    figure = page.get_by_role("figure").filter(has_text="Jobs that ended, per hour")
    await figure.get_by_text("As a table").click()

    rows = figure.get_by_role("row")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(0)).to_contain_text("Completed")
    await expect(rows.nth(2).get_by_role("cell")).to_have_text(["6", "2", "1"])
    await rows.nth(2).get_by_role("link", name="6").click()
    await expect(page.get_by_label("Status", exact=True)).to_have_value("completed")


async def test_an_hour_alone_is_a_dot_that_is_seen(site: Site, open_page: OpenPage) -> None:
    """On a new server there is one hour, whose line had no length."""
    times: dict[str, Any] = {"queue_wait_seconds": {"p50": 1.5, "p95": 9}, "run_seconds": {"p50": 31, "p95": 125}}
    site.double.put(job("one", "completed"))
    site.double.buckets = [bucket(this_hour() - timedelta(hours=2), created=1, completed=1, **times)]
    page = await open_page(f"{site.url}/jobs?view=stats")
    dots = page.locator(".lines-plot .alone")
    await expect(dots).to_have_count(4)
    for dot in await dots.all():
        assert await dot.get_attribute("d")
        await expect(dot).to_have_css("stroke-width", "7px")

    site.double.buckets.append(bucket(this_hour() - timedelta(hours=3), created=1, completed=1, **times))
    await page.reload()

    await expect(page.locator(".lines-plot .p50").first).to_have_attribute("d", re.compile("^M.+L"))
    for dot in await dots.all():
        assert not await dot.get_attribute("d")


async def test_types_are_compared_and_lead_to_their_jobs(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page)
    table = page.get_by_role("region", name="By type")

    await expect(table.get_by_role("row")).to_have_count(4)
    await expect(table.get_by_role("row").nth(1)).to_contain_text("Export")
    cells = await table.get_by_role("row").nth(3).get_by_role("cell").all_inner_texts()
    assert cells[:4] == ["15", "8", "3", "1"]  # what came, and how many of it ended how, of all types
    await table.get_by_role("link", name="Backup").click()
    await expect(page).to_have_url(f"{site.url}/jobs?type=backup")


async def test_a_day_keeps_its_name_west_of_greenwich(site: Site, open_page: OpenPage) -> None:
    """The API counts by days of UTC. Written in New York's time, each stood under the day before."""
    day = this_hour().replace(hour=0) - timedelta(days=2)
    site.double.buckets = [bucket(day, created=5, completed=5)]
    page = await open_page(f"{site.url}/jobs?view=stats&period=month", timezone_id="America/New_York")
    await page.get_by_text("As a table").first.click()

    row = page.get_by_role("rowheader").first
    await expect(row).to_have_text(f"{day:%b} {day.day}, {day.year}, UTC")


async def test_a_period_without_jobs_and_a_failure_say_so(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs?view=stats")
    await expect(page.get_by_text("Nothing happened in this period.")).to_be_visible()

    site.double.refusing["timeline"] = (503, "The index is busy")
    await page.get_by_role("button", name="Last hour").click()

    await expect(page.get_by_role("alert").filter(has_text="Error Loading Statistics")).to_contain_text(
        "The index is busy"
    )


async def test_the_cancelled_are_counted_apart_from_the_failed_as_the_tabs_of_the_list_do(
    site: Site, open_page: OpenPage
) -> None:
    """They stood among the failed: the numbers differed from the tabs', and no row led to them."""
    for number in range(3):
        site.double.put(job(f"stopped-{number}", "failed", state="cancelled"))
    page = await _open(site, open_page)
    statuses = page.locator(".statuses").get_by_role("listitem")

    await expect(statuses.filter(has_text="Failed")).to_contain_text("1")
    await expect(statuses.filter(has_text="Cancelled")).to_contain_text("3")
    await statuses.get_by_role("link", name="Cancelled").click()
    await expect(page).to_have_url(f"{site.url}/jobs?status=cancelled")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("3 jobs")
