"""What can be done to a job: the buttons of each status, what is confirmed, what happens while it is done and after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job

RECEIPT: dict[str, Any] = {
    "cause": "asked", "at": "2026-03-04T08:15:00Z", "delivered_after": 0.04, "how": "killed", "after": 0.36,
    "processes": [{"pid": 4711, "name": "python"}, {"pid": 4712, "name": "ffmpeg"}], "more": 0, "left": [],
}  # fmt: skip


def _buttons(page: Page) -> Locator:
    return page.get_by_test_id("job-actions").get_by_role("button")


async def _open(site: Site, open_page: OpenPage, status: str, **fields: Any) -> Page:
    site.double.put(job("job-7", status, **fields))
    page = await open_page(f"{site.url}/jobs?job=job-7")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    return page


@pytest.mark.parametrize(
    ("status", "state", "names"),
    [
        ("pending", "pending", ["Cancel", "Delete"]),
        ("running", "running", ["Cancel", "Abort"]),
        ("completed", "completed", ["Delete"]),
        ("failed", "crashed", ["Retry", "Delete"]),
        ("failed", "cancelled", ["Delete"]),
        ("failed", "aborted", ["Delete"]),
    ],
)
async def test_each_status_offers_its_actions_and_a_cancelled_job_no_retry(
    site: Site, open_page: OpenPage, status: str, state: str, names: list[str]
) -> None:
    page = await _open(site, open_page, status, state=state)

    await expect(_buttons(page)).to_have_text(names)
    for name in names:
        await expect(page.get_by_test_id("job-actions").get_by_role("button", name=name, exact=True)).to_be_enabled()


@pytest.mark.parametrize(
    ("status", "name", "title", "text", "confirm"),
    [
        (
            "running", "Cancel", "Cancel Job",
            "This will gracefully stop the job. The job will complete its current operation before stopping.",
            "Cancel Job",
        ),
        (
            "running", "Abort", "Force Abort Job",
            "WARNING: This will forcefully terminate the job immediately. This may cause data inconsistency if the "
            "job was in the middle of an operation.",
            "Force Abort",
        ),
        (
            "completed", "Delete", "Delete Job",
            "This action cannot be undone. The job record will be permanently deleted from the database.",
            "Delete Job",
        ),
    ],
)  # fmt: skip
async def test_what_would_be_lost_is_confirmed_in_a_window_that_keeps_the_focus(
    site: Site, open_page: OpenPage, status: str, name: str, title: str, text: str, confirm: str
) -> None:
    page = await _open(site, open_page, status)
    opener = page.get_by_test_id("job-actions").get_by_role("button", name=name, exact=True)
    window = page.get_by_role("dialog", name=title)

    await opener.click()
    await expect(page.get_by_test_id("confirm-dialog")).to_have_attribute("aria-modal", "true")
    await expect(window).to_have_accessible_description(text)
    dismiss, act = window.get_by_role("button", name="Cancel", exact=True), window.get_by_role("button", name=confirm)
    if confirm == "Cancel Job":
        dismiss = window.get_by_role("button").first
    await expect(dismiss).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(act).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(dismiss).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(act).to_be_focused()

    await page.keyboard.press("Escape")
    await expect(window).to_have_count(0)
    await expect(opener).to_be_focused()
    await opener.click()
    await page.get_by_test_id("dialog-backdrop").click(position={"x": 5, "y": 5})
    await expect(window).to_have_count(0)
    await opener.click()
    await dismiss.click()
    await expect(window).to_have_count(0)
    assert site.double.acted == []


async def test_a_cancelled_job_shows_that_it_stops_and_can_still_be_aborted(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running", progress=38)
    await _buttons(page).nth(0).click()

    await page.get_by_role("dialog").get_by_role("button", name="Cancel Job").click()

    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_test_id("word")).to_have_text("Cancellation requested")
    await expect(page.get_by_test_id("stopping")).to_contain_text("Stopping: it finishes its current step.")
    await expect(_buttons(page).nth(0)).to_be_disabled()
    await _buttons(page).nth(1).click()
    await page.get_by_role("dialog").get_by_role("button", name="Force Abort").click()
    await expect(page.get_by_test_id("stopping")).to_contain_text("Aborting")
    assert site.double.acted == [("cancel", "job-7"), ("abort", "job-7")]


async def test_a_stopped_job_shows_its_receipt(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running", state="aborting")
    await expect(page.get_by_test_id("stopping")).to_be_visible()
    site.double.histories["job-7"] = [
        {"from": "running", "to": "failed", "at": "2026-03-04T08:15:01Z", "triggered_by": "user",
         "details": {"state": "aborted", "by": "otto", "receipt": RECEIPT}},
    ]  # fmt: skip

    site.double.change("job-7", status="failed", state="aborted", error="Aborted by user")

    shown = page.get_by_test_id("stopped")
    for said in ("Asked for", "by otto", "after 0.04 s", "Killed, and nothing of it is left", "after 0.36 s"):
        await expect(shown).to_contain_text(said)
    await expect(shown).to_contain_text("2 processes ended")
    await expect(shown).to_contain_text("ffmpeg 4712")


async def test_retry_asks_nothing_and_queues_the_job_again(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "failed", error="OSError: disk full")

    await page.get_by_role("button", name="Retry").click()

    await expect(page.get_by_test_id("status-badge")).to_have_text("Pending")
    await expect(page.get_by_test_id("message-section")).to_contain_text("Queued for attempt 2")
    await expect(page.get_by_test_id("error-section")).to_have_count(0)
    assert site.double.acted == [("retry", "job-7")]


async def test_a_deleted_job_is_left_and_gone_from_the_list(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("other", age=5))
    page = await _open(site, open_page, "completed")
    await page.get_by_role("button", name="Delete").click()

    await page.get_by_role("dialog").get_by_role("button", name="Delete Job").click()

    await expect(page.get_by_test_id("word")).to_have_text("Job deleted")
    await expect(page).to_have_url(f"{site.url}/jobs")
    await expect(page.get_by_test_id("job-detail-panel")).to_contain_text("Select a job")
    await expect(page.get_by_test_id("job-item-job-7")).to_have_count(0)


async def test_while_it_is_done_the_window_is_busy_and_stays(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running")
    site.double.gates["abort"] = asyncio.Event()
    await _buttons(page).nth(1).click()
    window = page.get_by_role("dialog")

    await window.get_by_role("button", name="Force Abort").click()

    await expect(window.get_by_test_id("loading-spinner")).to_be_visible()
    await expect(window.get_by_role("button", name="Aborting...")).to_be_disabled()
    await expect(window.get_by_role("button", name="Cancel")).to_be_disabled()
    behind = page.get_by_test_id("job-actions").locator("button")  # whoever looks past the window sees it too
    await expect(behind).to_have_text(["Cancel", "Abort..."])
    assert [await button.is_disabled() for button in await behind.all()] == [True, True]
    await page.keyboard.press("Escape")
    await page.get_by_test_id("dialog-backdrop").click(position={"x": 5, "y": 5})
    await expect(window).to_be_visible()
    site.double.gates.pop("abort").set()
    await expect(window).to_have_count(0)


async def test_an_api_that_never_answers_is_given_up_and_the_page_is_free_again(
    site: Site, open_page: OpenPage
) -> None:
    """A dropped connection kept the window busy for ever: neither Escape nor a button led out of it."""
    page = await _open(site, open_page, "running")
    await page.evaluate(
        "window.AbortSignal.timeout = (wait => ms => wait(ms / 60))(AbortSignal.timeout.bind(AbortSignal))"
    )
    site.double.gates["abort"] = asyncio.Event()
    await _buttons(page).nth(1).click()
    window = page.get_by_role("dialog")
    await window.get_by_role("button", name="Force Abort").click()

    await expect(window.get_by_role("alert")).to_have_text("The jobs API did not answer in time.")
    await page.keyboard.press("Escape")
    await expect(window).to_have_count(0)
    await expect(_buttons(page).nth(1)).to_be_enabled()
    site.double.gates.pop("abort").set()


async def test_a_refusal_is_told_in_the_window_and_nothing_is_closed(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running")
    said = "Job cannot be cancelled - it has already completed or failed"
    site.double.refusing["cancel"] = (409, said)
    await _buttons(page).nth(0).click()

    await page.get_by_role("dialog").get_by_role("button", name="Cancel Job").click()

    await expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text(said)
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel Job")).to_be_enabled()


async def test_a_refused_retry_is_told_in_a_word(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "failed")
    said = "Job cannot be retried - its run has no deployment to run it again"
    site.double.refusing["retry"] = (409, said)

    await page.get_by_role("button", name="Retry").click()

    await expect(page.get_by_test_id("word")).to_have_text(said)
    await expect(page.get_by_role("button", name="Retry")).to_be_enabled()


async def test_a_flow_without_checkpoints_says_how_it_is_cancelled(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running", stoppable="prefect")
    await _buttons(page).nth(0).click()

    await expect(page.get_by_role("dialog")).to_contain_text("Prefect's own cancel ends its process")
    await page.keyboard.press("Escape")
    await _buttons(page).nth(1).click()
    await expect(page.get_by_role("dialog")).to_contain_text("nothing proves that it is gone")


async def test_a_flow_without_checkpoints_is_not_said_to_finish_its_step(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running", state="cancelling", stoppable="prefect")
    await expect(page.get_by_test_id("stopping")).to_contain_text("Cancelling: Prefect's own cancel ends its process.")


async def test_a_stopping_job_shows_who_asked_when_and_that_its_end_is_awaited(site: Site, open_page: OpenPage) -> None:
    site.double.events["job-7"] = [
        {"at": "2026-03-04T08:15:01Z", "kind": "stop_asked", "message": None, "by": "otto", "details": {}},
    ]
    page = await _open(site, open_page, "running", state="stopping")
    awaited = page.get_by_test_id("stop-awaited")
    await expect(awaited).to_contain_text("by otto")
    await expect(awaited).to_contain_text("Endednot yet")


async def test_a_receipt_that_comes_after_the_end_appears_by_itself(site: Site, open_page: OpenPage) -> None:
    page = await _open(site, open_page, "running", state="stopping")
    await expect(page.get_by_test_id("stopping")).to_be_visible()
    ended: dict[str, Any] = {"status": "failed", "state": "cancelled", "error": "Cancelled by user"}
    site.double.change("job-7", **ended)
    await expect(page.get_by_test_id("stopping")).to_have_count(0)
    async with asyncio.timeout(15):
        while site.double.asked.count("history") < 2:  # it was read when the job ended, without a receipt
            await asyncio.sleep(0.02)
    await expect(page.get_by_test_id("stopped")).to_have_count(0)

    step = {"from": "running", "to": "failed", "at": "2026-03-04T08:15:01Z", "triggered_by": "user"}
    site.double.histories["job-7"] = [{**step, "details": {"state": "cancelled", "by": "otto", "receipt": RECEIPT}}]
    site.double.change("job-7")  # nothing of the card is new but its version

    await expect(page.get_by_test_id("stopped")).to_contain_text("Killed, and nothing of it is left")


async def test_a_job_that_changes_at_every_moment_has_its_history_read_now_and_then(
    site: Site, open_page: OpenPage
) -> None:
    page = await _open(site, open_page, "running")
    await expect(page.get_by_test_id("job-history-section")).to_contain_text("2 transitions")
    for progress in range(1, 40):
        site.double.change("job-7", progress=progress)
        await expect(page.get_by_test_id("status-badge")).to_have_text(f"Running ({progress}%)")
    assert site.double.asked.count("history") < 20

    site.double.histories["job-7"] = []  # the last change is not forgotten
    await expect(page.get_by_test_id("job-history-section")).not_to_contain_text("2 transitions")


async def test_a_flow_inside_its_parent_says_which_job_is_to_be_stopped(site: Site, open_page: OpenPage) -> None:
    site.double.put(job("parent-1", "running"))
    page = await _open(site, open_page, "running", stoppable="with_parent", parent_job_id="parent-1")

    await expect(page.get_by_test_id("inside-parent")).to_have_text("Runs inside job #1 - stop that one.")
    await expect(_buttons(page)).to_have_count(0)
    await page.get_by_test_id("inside-parent").get_by_role("button").click()
    await expect(page).to_have_url(f"{site.url}/jobs?job=parent-1")
    await expect(_buttons(page)).to_have_text(["Cancel", "Abort"])

    site.double.change("job-7", status="completed", state="completed")
    await page.get_by_test_id("job-item-job-7").click()
    await expect(_buttons(page)).to_have_text(["Delete"])
    await expect(page.get_by_test_id("inside-parent")).to_have_count(0)


async def test_a_job_that_is_stopped_before_it_began_is_said_to_stop_and_not_cancelled_twice(
    site: Site, open_page: OpenPage
) -> None:
    site.double.reasons["job-7"] = {"kind": "no_worker", "text": "No worker is online", "since": None, "held_by": []}
    page = await _open(site, open_page, "pending", state="stopping")

    await expect(page.get_by_test_id("stopping")).to_contain_text("a worker had taken it and gives it up")
    await expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    await expect(page.get_by_test_id("metadata-item-created")).to_be_visible()
    await expect(page.get_by_test_id("waiting-section")).to_have_count(0)


@pytest.mark.parametrize(
    ("role", "names", "may_start"),
    [("viewer", [], False), ("operator", ["Cancel"], True), ("admin", ["Cancel", "Abort"], True)],
)
async def test_the_page_hides_what_the_role_may_not_do(
    site: Site, open_page: OpenPage, role: str, names: list[str], may_start: bool
) -> None:
    site.double.keys = {"a-key": ("someone", role)}
    site.double.put(job("job-7", "running"))
    page = await open_page(f"{site.url}/jobs?job=job-7", wait=False)
    await page.get_by_label("API key").fill("a-key")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("status-badge")).to_be_visible()
    await expect(page.get_by_test_id("jobs-count")).to_have_text("1 job")

    await expect(_buttons(page)).to_have_text(names)
    await expect(page.get_by_role("button", name="New job")).to_have_count(int(may_start))
    await expect(page.get_by_role("checkbox")).to_have_count(int(role == "admin"))
