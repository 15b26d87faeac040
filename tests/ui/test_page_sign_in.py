"""Signing in and out: the form, what it says, whose session the page asks with, and what happens when it is over."""

from __future__ import annotations

import httpx
import pytest
import websockets
from playwright.async_api import Page, ViewportSize, expect

from tests.ui.conftest import DESKTOP, OpenPage, Site
from tests.ui.contract_double import job
from tests.ui.test_page_accessibility import NARROW, PHONE, assert_accessible

KEY = "veras-key"


@pytest.fixture
def closed_site(site: Site) -> Site:
    """A page in front of an API with keys."""
    site.double.keys = {KEY: ("vera", "viewer"), "ottos-key": ("otto", "admin")}
    site.double.put(job("job-1", "running", progress=38))
    return site


async def _sign_in(page: Page, key: str = KEY) -> None:
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def test_who_signs_in_gets_the_page_he_asked_for(closed_site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{closed_site.url}/jobs?job=job-1", wait=False)
    await expect(page.get_by_label("API key")).to_be_focused()
    assert await page.locator("[data-testid=jobs-page]").count() == 0

    await page.keyboard.type(KEY)
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("job-item-job-1")).to_be_visible()
    await expect(page.get_by_role("heading", level=2)).to_contain_text("#1")
    closed_site.double.change("job-1", progress=55)
    await expect(page.get_by_test_id("status-badge")).to_have_text("Running (55%)")
    assert KEY not in page.url
    assert set(closed_site.double.asked_as) == {"vera"}


async def test_the_form_follows_the_systems_theme_as_the_page_does(closed_site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{closed_site.url}/jobs", wait=False, color_scheme="dark")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.emulate_media(color_scheme="light")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def test_no_script_can_read_the_session(closed_site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{closed_site.url}/jobs", wait=False)
    await _sign_in(page)
    await expect(page.get_by_test_id("job-item-job-1")).to_be_visible()

    assert await page.evaluate("document.cookie") == ""
    html = await page.evaluate("fetch(location.href).then((answer) => answer.text())")
    assert next(iter(closed_site.double.sessions)) not in html


@pytest.mark.parametrize(
    ("key", "said"), [("nobodys-key", "This API key is not valid."), ("too-often", "Try again in 42 seconds.")]
)
async def test_a_refused_key_is_told_and_can_be_typed_again(
    closed_site: Site, open_page: OpenPage, key: str, said: str
) -> None:
    page = await open_page(f"{closed_site.url}/jobs", wait=False)
    await _sign_in(page, key)
    await expect(page.get_by_role("alert")).to_contain_text(said)
    await expect(page.get_by_label("API key")).to_be_focused()

    await _sign_in(page)
    await expect(page.get_by_test_id("job-item-job-1")).to_be_visible()


async def test_signing_out_shows_the_form_in_every_tab(closed_site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{closed_site.url}/jobs", wait=False)
    await _sign_in(page)
    await expect(page.get_by_test_id("job-item-job-1")).to_be_visible()
    other = await page.context.new_page()
    await other.goto(f"{closed_site.url}/jobs")
    await expect(other.locator("html[data-live]")).to_be_attached()

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    closed_site.double.end_streams()
    await expect(other.get_by_label("API key")).to_be_visible()


async def test_a_session_that_is_over_brings_the_form_back_and_the_view_with_it(
    closed_site: Site, open_page: OpenPage
) -> None:
    page = await open_page(f"{closed_site.url}/jobs?job=job-1", wait=False)
    await _sign_in(page)
    await expect(page.get_by_test_id("status-badge")).to_be_visible()

    closed_site.double.end_sessions()
    await expect(page.get_by_text("Your session is over.")).to_be_visible()
    await _sign_in(page)
    await expect(page.get_by_test_id("status-badge")).to_be_visible()


async def test_two_viewers_each_ask_with_their_own_session(closed_site: Site, open_page: OpenPage) -> None:
    for key, who in ((KEY, "vera (viewer)"), ("ottos-key", "otto (admin)")):
        page = await open_page(f"{closed_site.url}/jobs", wait=False)
        await _sign_in(page, key)
        await expect(page.get_by_role("button", name="Sign out")).to_have_attribute(
            "title", f"Signed in as {who}. Click to sign out."
        )
    assert {"vera", "otto"} == set(closed_site.double.asked_as)


async def test_without_a_session_there_is_no_page_and_no_socket(closed_site: Site) -> None:
    async with httpx.AsyncClient(base_url=closed_site.url, trust_env=False) as client:
        answer = await client.get("/jobs?bokeh-session-id=mine")
        assert answer.status_code == 401
        assert "job-1" not in answer.text
        assert answer.headers["content-security-policy"]
        assert (await client.get("/jobs/autoload.js?bokeh-autoload-element=x")).status_code == 401
        assert (await client.get("/jobs/alive")).status_code == 204
        assert (await client.get("/jobs/assets/page.css")).status_code == 200
    with pytest.raises(websockets.InvalidStatus, match="403"):
        await websockets.connect(f"{closed_site.url.replace('http', 'ws', 1)}/jobs/ws", proxy=None)


async def test_where_nobody_signs_in_nobody_can_sign_out(site: Site, open_page: OpenPage) -> None:
    page = await open_page(f"{site.url}/jobs")

    await expect(page.get_by_role("button", name="Refresh jobs")).to_be_visible()
    assert await page.get_by_role("button", name="Sign out").count() == 0


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, NARROW], ids=["desktop", "phone", "narrow"])
async def test_the_form_and_the_header_are_accessible(
    closed_site: Site, open_page: OpenPage, scheme: str, viewport: ViewportSize
) -> None:
    page = await open_page(f"{closed_site.url}/jobs", wait=False, color_scheme=scheme, viewport=viewport)
    await assert_accessible(page)
    await _sign_in(page, "nobodys-key")
    await expect(page.get_by_role("alert")).not_to_be_empty()
    widths = "() => ['input', 'button'].map((name) => document.querySelector(`#sign-in ${name}`).offsetWidth)"
    field, button = await page.evaluate(widths)
    assert field == button  # on a phone it once was as small as the header's button
    await assert_accessible(page)

    await _sign_in(page)
    await expect(page.get_by_test_id("job-item-job-1")).to_be_visible()
    await assert_accessible(page)
