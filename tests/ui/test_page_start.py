"""Starting a job from the page: the form is drawn from the type's schema, and checked as the server would."""

from __future__ import annotations

from typing import Any

from playwright.async_api import expect

from tests.ui.conftest import OpenPage, Site
from tests.ui.contract_double import job, job_type

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["camera"],
    "properties": {
        "format": {"type": "string", "title": "Format", "enum": ["csv", "json"], "default": "csv", "position": 0,
                   "description": "What the file is."},
        "camera": {"type": "string", "title": "Camera", "position": 1},
        "limit": {"type": "integer", "title": "Limit", "minimum": 1, "maximum": 1000, "default": 100, "position": 2},
        "since": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "title": "Since",
                  "default": None, "position": 3},
        "reviewed": {"type": "boolean", "title": "Reviewed", "default": False, "position": 4},
    },
}  # fmt: skip


def _offer(site: Site) -> None:
    site.double.types = [
        job_type("export", "Export", SCHEMA),
        job_type("cleanup", "Cleanup"),
        job_type("backup", "Backup", can_start=False),
    ]


async def test_a_form_is_drawn_from_the_schema_and_starts_the_job_and_selects_it(
    site: Site, open_page: OpenPage
) -> None:
    _offer(site)
    page = await open_page(f"{site.url}/jobs", timezone_id="Europe/Berlin")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog", name="New job")
    options = window.get_by_label("Job type").locator("option")
    await expect(options).to_have_text(["Export", "Cleanup", "Backup"])
    await expect(options.nth(2)).to_be_disabled()
    await expect(window.get_by_label("Format")).to_have_value('"csv"')
    await expect(window.get_by_label("Format")).to_have_accessible_description("What the file is.")
    await expect(window.get_by_label("Limit")).to_have_value("100")
    await expect(window.get_by_label("Limit")).to_have_accessible_description("1 to 1,000")

    await window.get_by_label("Format").select_option('"json"')
    await window.get_by_label("Camera").fill("front")
    await window.get_by_label("Since").fill("2026-03-04T09:15:00")
    await window.get_by_label("Reviewed").select_option("true")
    await window.get_by_role("button", name="Start job").click()

    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page).to_have_url(f"{site.url}/jobs?job=started-1")
    await expect(page.get_by_test_id("word")).to_have_text("Job started")
    await expect(page.get_by_test_id("status-badge")).to_have_text("Pending")
    assert site.double.started == [
        {
            "job_type": "export", "deployment": None, "run_at": None,
            "parameters": {"format": "json", "camera": "front", "since": "2026-03-04T08:15:00.000Z", "reviewed": True},
        }
    ]  # fmt: skip


async def test_what_does_not_fit_is_told_at_its_field_before_anything_is_sent(site: Site, open_page: OpenPage) -> None:
    _offer(site)
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog")
    await window.get_by_label("Limit").fill("5000")
    await expect(window.get_by_label("Limit")).to_have_accessible_description("1 to 1,000 At most 1,000.")

    await window.get_by_role("button", name="Start job").click()

    await expect(window.get_by_label("Camera")).to_be_focused()
    await expect(window.get_by_label("Camera")).to_have_attribute("aria-invalid", "true")
    await expect(window.get_by_role("alert")).to_have_text("2 values are not accepted.")
    assert site.double.started == []


async def test_what_only_the_server_knows_is_told_at_its_field_too(site: Site, open_page: OpenPage) -> None:
    _offer(site)
    site.double.start_errors = [
        {"field": "body.parameters.camera", "message": "There is no camera front", "value": "front"}
    ]
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog")
    await window.get_by_label("Camera").fill("front")

    await window.get_by_role("button", name="Start job").click()

    await expect(window.get_by_label("Camera")).to_have_accessible_description("There is no camera front")
    site.double.start_errors = []
    await window.get_by_label("Camera").fill("back")
    await expect(window.get_by_label("Camera")).to_have_accessible_description("")
    await window.get_by_role("button", name="Start job").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_job_runs_again_with_changes(site: Site, open_page: OpenPage) -> None:
    _offer(site)
    site.double.put(job("job-7", "failed"))
    parameters = {"format": "json", "camera": "front", "limit": 7, "gone": True}
    site.double.details["job-7"] = {"metadata": {"input_params": parameters}}
    page = await open_page(f"{site.url}/jobs?job=job-7")
    await page.get_by_role("button", name="Run again with changes").click()
    window = page.get_by_role("dialog", name="Run again with changes")
    await expect(window.get_by_label("Format")).to_have_value('"json"')
    await expect(window.get_by_label("Camera")).to_have_value("front")
    await expect(window).to_contain_text("Not a parameter any more, left out: gone")

    await window.get_by_label("Camera").fill("back")
    await window.get_by_role("button", name="Start job").click()

    await expect(page).to_have_url(f"{site.url}/jobs?job=started-1")
    assert site.double.started[0]["parameters"] == {"format": "json", "camera": "back", "limit": 7}


async def test_a_job_runs_again_with_its_secrets_which_nobody_sees(site: Site, open_page: OpenPage) -> None:
    mask = "**********"
    secret = {"type": "string", "format": "password", "writeOnly": True}
    login = {"type": "object", "title": "Login", "properties": {"user": {"type": "string"}, "password": secret}}
    schema = {"required": ["token", "login"], "properties": {
        "token": {**secret, "title": "Token"}, "login": login, "camera": {"type": "string", "title": "Camera"},
    }}  # fmt: skip
    site.double.types = [job_type("export", "Export", schema)]
    site.double.put(job("job-7", "failed"))
    given = {"token": mask, "login": {"user": "otto", "password": mask}, "camera": "front"}
    site.double.details["job-7"] = {"metadata": {"input_params": given}}
    page = await open_page(f"{site.url}/jobs?job=job-7")
    await page.get_by_role("button", name="Run again with changes").click()
    window = page.get_by_role("dialog", name="Run again with changes")
    token = window.get_by_label("Token")
    await expect(token).to_have_attribute("type", "password")
    await expect(token).to_have_value("")
    await expect(token).to_have_accessible_description(
        "Holds a secret: left as it is, it is taken from the job before, unseen. What you write replaces all of it."
    )
    await expect(window.get_by_label("Login")).to_have_value("")

    await window.get_by_label("Camera").fill("back")
    await window.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(f"{site.url}/jobs?job=started-1")
    assert site.double.started[0]["parameters"] == {"camera": "back"}
    assert site.double.started[0]["like"] == "job-7"

    await page.get_by_test_id("job-item-job-7").click()
    await page.get_by_role("button", name="Run again with changes").click()
    await token.fill("new")
    await window.get_by_label("Login").fill('{"user": "otto", "password": "his"}')
    await window.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(f"{site.url}/jobs?job=started-2")
    again = site.double.started[1]
    assert again["parameters"] == {"token": "new", "login": {"user": "otto", "password": "his"}, "camera": "front"}
    assert "like" not in again


async def test_a_pattern_is_checked_by_the_server_and_told_at_its_field(site: Site, open_page: OpenPage) -> None:
    schema = {"properties": {"name": {"type": "string", "title": "Name", "pattern": "^(a+)+$"}}}
    site.double.types = [job_type("export", "Export", schema)]
    said = "String should match pattern '^(a+)+$'"
    site.double.start_errors = [{"field": "body.parameters.name", "message": said, "value": "a!"}]
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog", name="New job")
    await window.get_by_label("Name").fill("a" * 40 + "!")
    await expect(window.get_by_label("Name")).to_have_accessible_description("")

    await window.get_by_role("button", name="Start job").click()

    await expect(window.get_by_label("Name")).to_have_accessible_description(said)


async def test_a_job_can_begin_later_and_not_in_the_past(site: Site, open_page: OpenPage) -> None:
    _offer(site)
    page = await open_page(f"{site.url}/jobs", timezone_id="UTC")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog")
    await window.get_by_label("Job type").select_option("cleanup")
    await expect(window).to_contain_text("This job takes no parameters.")
    await window.get_by_text("When").click()
    await window.get_by_label("Start at").fill("2020-01-01T00:00")
    await window.get_by_role("button", name="Start job").click()
    await expect(window.get_by_label("Start at")).to_have_accessible_description("Choose a time in the future.")

    await window.get_by_label("Start at").fill("2999-01-01T00:00")
    await window.get_by_role("button", name="Start job").click()

    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert site.double.started[0]["run_at"] == "2999-01-01T00:00:00.000Z"


async def test_the_form_shows_what_the_chosen_deployment_gives(site: Site, open_page: OpenPage) -> None:
    """It showed the default of the schema, and the job ran with the deployment's value."""
    _offer(site)
    site.double.types[0]["deployments"] = [
        {"id": "1", "name": "api", "parameters": {"camera": "front"}},
        {"id": "2", "name": "nightly", "parameters": {"camera": "all", "limit": 500}},
    ]
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog", name="New job")
    await expect(window.get_by_label("Camera")).to_have_value("front")
    await expect(window.get_by_label("Limit")).to_have_value("100")
    await window.get_by_text("When").click()
    await window.get_by_label("Deployment").select_option("nightly")
    await expect(window.get_by_label("Camera")).to_have_value("all")
    await expect(window.get_by_label("Limit")).to_have_value("500")

    await window.get_by_label("Limit").fill("100")
    await window.get_by_role("button", name="Start job").click()

    await expect(page.get_by_role("dialog")).to_have_count(0)
    [started] = site.double.started
    assert (started["deployment"], started["parameters"]) == ("nightly", {"limit": 100})


async def test_text_of_several_lines_keeps_them(site: Site, open_page: OpenPage) -> None:
    """A browser drops the ends of lines in a field of one line."""
    _offer(site)
    page = await open_page(f"{site.url}/jobs", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog", name="New job")
    await window.get_by_label("Camera").fill("front")
    await page.evaluate("navigator.clipboard.writeText('select 1\\n  from cameras\\n')")

    await window.get_by_label("Camera").press("Control+a")
    await window.get_by_label("Camera").press("Control+v")
    await expect(window.get_by_label("Camera")).to_have_value("select 1\n  from cameras")
    await window.get_by_role("button", name="Start job").click()

    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert site.double.started[0]["parameters"] == {"camera": "select 1\n  from cameras"}


async def test_a_refusal_of_the_whole_is_told_below_the_form(site: Site, open_page: OpenPage) -> None:
    _offer(site)
    site.double.refusing["start"] = (409, "No deployment can run jobs of type cleanup")
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="New job").click()
    window = page.get_by_role("dialog")
    await window.get_by_label("Job type").select_option("cleanup")

    await window.get_by_role("button", name="Start job").click()

    await expect(window.get_by_role("alert")).to_have_text("No deployment can run jobs of type cleanup")


async def test_types_that_cannot_be_read_are_said_to_be(site: Site, open_page: OpenPage) -> None:
    site.double.refusing["types"] = (503, "Prefect is away")
    page = await open_page(f"{site.url}/jobs")

    await page.get_by_role("button", name="New job").click()

    await expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("Prefect is away")
