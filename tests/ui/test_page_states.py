"""What the page says when there is nothing, when something is away, and when it is itself cut off."""

from __future__ import annotations

import asyncio

from playwright.async_api import WebSocketRoute, expect

from tests.ui.conftest import OpenPage, Site, serve
from tests.ui.contract_double import job


async def test_without_jobs_the_page_explains_where_they_come_from(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")

    empty = page.get_by_test_id("jobs-empty-state")

    await expect(empty.get_by_role("heading")).to_have_text("No Jobs Found")
    await expect(empty).to_contain_text("Jobs will appear here when you export data or run other background tasks.")
    site.double.put(job("one"))
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()


async def test_a_failed_load_is_told_and_heals_by_itself(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    site.double.failing = True
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="Refresh jobs").click()

    await expect(page.get_by_role("heading", name="Error Loading Jobs")).to_be_visible()
    await expect(page.get_by_role("alert").first).to_contain_text("The jobs API answered 500.")
    await expect(page.get_by_role("search")).to_have_count(0)
    site.double.failing = False

    await expect(page.get_by_test_id("job-item-one")).to_be_visible()


async def test_until_the_list_was_read_the_page_says_that_it_loads(site: Site, open_page: OpenPage) -> None:
    site.double.failing = True
    page = await open_page(f"{site.url}/jobs", wait=False, java_script_enabled=False)

    await expect(page.get_by_text("Loading jobs...")).to_be_visible()


async def test_a_refresh_that_fails_keeps_the_list_and_says_so(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    site.double.failing = True

    await page.get_by_role("button", name="Refresh jobs").click()

    await expect(page.get_by_test_id("feed-notice")).to_contain_text("could not be read again")
    await expect(page.get_by_test_id("feed-notice")).to_contain_text("(just now)")
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    site.double.failing = False
    await expect(page.get_by_test_id("feed-notice")).to_have_count(0)


async def test_the_page_says_how_old_its_data_is_when_prefect_is_away(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()

    site.double.say_status(prefect="down", behind_seconds=125.0)
    await expect(page.get_by_test_id("feed-notice")).to_contain_text("Prefect cannot be reached")
    await expect(page.get_by_test_id("feed-notice")).to_contain_text("2 minutes ago")

    site.double.say_status(prefect="up", behind_seconds=0.2)
    await expect(page.get_by_test_id("feed-notice")).to_have_count(0)


async def test_the_page_says_when_the_jobs_api_is_away_and_catches_up_after(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-one")).to_contain_text("10%")
    site.double.failing = True
    site.double.end_streams()
    await expect(page.get_by_test_id("feed-notice")).to_contain_text("the jobs API cannot be reached")
    await expect(page.get_by_test_id("feed-notice")).to_contain_text("(just now)")

    site.double.change("one", progress=80)
    site.double.failing = False

    await expect(page.get_by_test_id("job-item-one")).to_contain_text("80%")
    await expect(page.get_by_test_id("feed-notice")).to_have_count(0)


async def test_a_phone_that_shows_a_job_says_too_that_prefect_is_away(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running"))
    page = await open_page(f"{site.url}/jobs?job=one", viewport={"width": 390, "height": 844})
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    site.double.say_status(prefect="down", behind_seconds=125.0)
    notice = page.get_by_test_id("feed-notice")
    await expect(notice).to_contain_text("Prefect cannot be reached")
    await expect(notice).to_be_in_viewport(ratio=1)
    await expect(page.get_by_role("button", name="Back to the list")).to_be_in_viewport(ratio=1)


async def test_a_job_that_could_not_be_read_is_read_again_when_the_api_is_back(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one"))
    site.double.put(job("two", "running", progress=10))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    site.double.failing = True
    site.double.end_streams()
    await expect(page.get_by_test_id("feed-notice")).to_contain_text("the jobs API cannot be reached")
    await page.get_by_test_id("job-item-two").click()
    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Error Loading Job")
    site.double.failing = False
    await expect(page.get_by_test_id("status-badge")).to_contain_text("10%")


async def test_a_job_that_ends_while_nobody_can_read_it_stays_and_gets_its_result_later(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("status-badge")).to_contain_text("10%")
    site.double.refusing["job"] = (503, "Prefect is away")
    site.double.complete("one", result={"event_count": 12})
    await expect(page.get_by_test_id("status-badge")).to_contain_text("Completed")

    await page.get_by_role("button", name="Refresh jobs").click()
    await expect(page.get_by_role("button", name="Refresh jobs")).to_be_enabled()

    await expect(page.get_by_test_id("status-badge")).to_contain_text("Completed")
    await expect(page.get_by_test_id("job-result")).to_have_count(0)
    site.double.refusing.clear()
    await expect(page.get_by_test_id("job-result")).to_contain_text('"event_count": 12')


async def test_a_job_that_was_refused_once_is_asked_for_again(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running", progress=10))
    site.double.refusing["job"] = (503, "Prefect is away")
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Error Loading Job")
    site.double.refusing.clear()
    await expect(page.get_by_test_id("status-badge")).to_contain_text("10%")


async def test_a_connection_that_comes_late_takes_the_words_about_it_back(site: Site, open_page: OpenPage) -> None:
    """After fifteen seconds the page says that it could not connect, and said so for ever over a page that lived."""
    site.double.put(job("one"))
    page = await open_page("about:blank", wait=False)
    late = asyncio.Event()

    async def let_through(socket: WebSocketRoute) -> None:
        await late.wait()
        socket.connect_to_server()

    await page.route_web_socket("**/jobs/ws*", let_through)
    await page.clock.install()
    await page.goto(f"{site.url}/jobs")
    await page.clock.fast_forward(16_000)
    said = page.get_by_text("This page could not connect to its server")
    await expect(said).to_be_visible()
    late.set()
    await expect(page.locator("html[data-live]")).to_be_attached()
    await expect(said).to_be_hidden()


async def test_a_rebuilt_index_is_read_again_though_its_versions_begin_anew(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("old", "running", progress=10))
    site.double.put(job("kept", "running", progress=10))
    page = await open_page(f"{site.url}/jobs?job=kept")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (10%)")

    site.double.rebuild(job("kept", "running", progress=20))

    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (20%)")
    await expect(page.get_by_test_id("job-item-old")).to_have_count(0)


async def test_a_page_whose_server_is_gone_says_so_and_comes_back_with_its_view(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs?job=one")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (10%)")
    port = int(site.url.rsplit(":", 1)[1])

    await site.stop()
    await expect(page.locator("#lost")).to_contain_text("connection to this page's server is lost")
    await expect(page.locator("#lost")).to_contain_text("It shows what was known just now.")
    site.double.jobs["one"]["progress"] = 44
    again = await serve(site.double, port=port)
    try:
        await expect(page.get_by_test_id("status-badge")).to_have_text("Running (44%)")
        await expect(page.locator("#lost")).to_be_hidden()
        await expect(page).to_have_url(f"{site.url}/jobs?job=one")
    finally:
        await asyncio.gather(page.close(), return_exceptions=True)
        await again.stop()


async def test_while_prefect_is_read_for_the_first_time_the_page_says_how_far_it_is(
    site: Site, open_page: OpenPage
) -> None:
    """The first reading of a large Prefect takes minutes: the page said "No Jobs Found", then showed a part as all."""
    site.double.status["complete"] = False
    page = await open_page(f"{site.url}/jobs")
    notice = page.get_by_test_id("feed-notice")
    await expect(notice).to_have_text("Reading jobs from Prefect: 0 so far")
    await expect(page.get_by_text("Loading jobs...")).to_be_visible()
    await expect(page.get_by_test_id("jobs-empty-state")).to_have_count(0)

    site.double.put(job("one"))
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()
    await expect(notice).to_have_text("Reading jobs from Prefect: 1 so far")
    site.double.delete("one")
    await expect(page.get_by_text("Loading jobs...")).to_be_visible()

    site.double.say_status(complete=True)
    await expect(page.get_by_test_id("jobs-empty-state")).to_be_visible()
    await expect(notice).to_have_count(0)
