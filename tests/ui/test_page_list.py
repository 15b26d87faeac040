"""The list of cards, and what moves it."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job, job_type

HOSTILE = """<img src=x onerror="document.title='owned'"> "quoted" {{ 7*7 }} </script><script>1</script>"""


async def test_a_card_shows_type_short_id_status_message_and_progress(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("abc-123456", "running", job_type="batch_audit", progress=38, message="Event 4/10", age=130))
    page = await open_page(f"{site.url}/jobs")

    card = page.get_by_test_id("job-item-abc-123456")

    await expect(card).to_be_visible()
    assert await card.evaluate("node => node.role || node.tagName") == "BUTTON"
    for text in ("Batch Audit", "#123456", "running", "Event 4/10", "38%", "2 minutes ago"):
        await expect(card).to_contain_text(text)
    await expect(card.locator(".text-blue-400").first).to_be_visible()


async def test_a_title_that_the_author_gave_stands_on_card_and_detail_and_the_name_behind_it(
    site: Site, open_page: OpenPage
) -> None:
    """The filter said `Nightly Load` and the cards `etl-v2`: who chose the one looked in vain for it on the other."""
    site.double.types += [job_type("etl-v2", "Nightly Load"), job_type("plain-flow", "Plain flow")]
    site.double.put(job("one", "completed", job_type="etl-v2"))
    site.double.put(job("two", "completed", job_type="plain-flow"))
    page = await open_page(f"{site.url}/jobs?job=one")

    titled = page.get_by_test_id("job-item-one").locator(".card-type")
    await expect(titled).to_have_text("Nightly Load")
    await expect(titled).to_have_attribute("title", "etl-v2")
    await expect(page.get_by_role("heading", level=2)).to_contain_text("Nightly Load")
    await expect(page.get_by_test_id("job-type")).to_have_text("Nightly Load")
    await expect(page.get_by_label("Type", exact=True)).to_contain_text("Nightly Load")
    await expect(page.get_by_test_id("job-item-two").locator(".card-type")).to_have_text("plain-flow")


async def test_the_time_of_a_card_tells_its_moment_in_the_viewers_zone(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", age=120, created_at="2026-03-04T08:15:00+00:00"))
    page = await open_page(f"{site.url}/jobs", timezone_id="Asia/Tokyo")

    time = page.get_by_test_id("job-item-one").locator("time.card-time")
    await expect(time).to_have_attribute("datetime", "2026-03-04T08:15:00+00:00")
    await expect(time).to_have_attribute("title", re.compile(r"^Mar 4, 2026, 5:15:00\sPM"))


async def test_a_cancelled_job_reads_cancelled_in_yellow_though_the_wire_says_failed(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "failed", state="aborted", error="Aborted by user"))
    page = await open_page(f"{site.url}/jobs")

    status = page.get_by_test_id("job-item-one").locator(".card-status")

    await expect(status).to_have_text("cancelled")
    await expect(status).to_have_class("card-status text-yellow-400")


async def test_a_new_job_appears_on_top_and_is_counted(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("old", "completed", age=600))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("1 job")

    site.double.put(job("new", age=1))

    await expect(page.locator(".card").first).to_have_attribute("data-testid", "job-item-new")
    await expect(page.get_by_test_id("jobs-count")).to_have_text("2 jobs")


async def test_progress_and_end_of_a_job_reach_its_card(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs")
    card = page.get_by_test_id("job-item-one")
    await expect(card).to_contain_text("10%")

    site.double.change("one", progress=67, message="Writing")
    await expect(card).to_contain_text("67%")
    await expect(card).to_contain_text("Writing")

    site.double.complete("one")
    await expect(card).to_contain_text("completed")
    await expect(card.locator(".card-progress")).to_have_count(0)


async def test_a_deleted_job_leaves_the_list_and_the_last_one_leaves_the_empty_state(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one"))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-one")).to_be_visible()

    site.double.delete("one")

    await expect(page.get_by_test_id("jobs-empty-state")).to_contain_text("No Jobs Found")


async def test_a_change_sends_only_the_changed_job_to_the_tab(site: Site, open_page: OpenPage) -> None:
    for number in range(50):
        site.double.put(job(f"job-{number:03}", "running", progress=1, age=1000 - number))
    frames: list[str] = []
    page = await open_page("about:blank", wait=False)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    await page.goto(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-job-047")).to_contain_text("1%")
    frames.clear()

    site.double.change("job-047", progress=55)

    await expect(page.get_by_test_id("job-item-job-047")).to_contain_text("55%")
    assert sum(map(len, frames)) < 2000
    assert "job-048" not in "".join(frames)


async def test_hostile_text_of_a_job_stays_text_in_the_first_rows_and_in_the_drawn_ones(
    site: Site, open_page: OpenPage
) -> None:
    site.double.put(job("one", "running", job_type=HOSTILE, message=HOSTILE, progress=5))
    page = await open_page(f"{site.url}/jobs?job=one")

    await expect(page.get_by_test_id("job-item-one")).to_contain_text(HOSTILE)
    await expect(page.get_by_test_id("job-metadata")).to_contain_text(HOSTILE)
    assert await page.locator("img").count() == 0
    assert "owned" not in (await page.title()).split("<")[0]


async def test_refresh_reads_the_list_again(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("one", "running", progress=10))
    page = await open_page(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-item-one")).to_contain_text("10%")
    site.double.jobs["one"]["progress"] = 90  # a change the feed does not tell

    await page.get_by_role("button", name="Refresh jobs").click()

    await expect(page.get_by_test_id("job-item-one")).to_contain_text("90%")
    await expect(page.get_by_role("button", name="Refresh jobs")).to_be_enabled()
