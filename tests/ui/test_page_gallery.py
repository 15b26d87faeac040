"""The state gallery: each part of the page in each of its states, once, in both themes, seen by axe and as a picture.

`make gallery` keeps the pictures, to be looked at by whoever changes how the page looks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from axe_playwright_python.async_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]  # it has none
from playwright.async_api import Locator, Page, ViewportSize, expect

from tests.ui.conftest import DESKTOP, OpenPage, Site
from tests.ui.contract_double import ContractDouble, job
from tests.ui.gallery_states import CARDS, DETAIL, LOGS_OF_A_JOB, PHONE, WHOLE, WINDOWS, State, furnish

Scheme = Literal["dark", "light"]
THEMES: tuple[Scheme, ...] = ("dark", "light")
PHONE_SIZE: ViewportSize = {"width": 390, "height": 844}
HIGH: ViewportSize = {"width": 1440, "height": 1250}
TALL: ViewportSize = {"width": 1440, "height": 2700}
NO_MOTION = "*, *::before { animation: none !important; transition: none !important; }"
GROUPS: dict[str, tuple[tuple[State, ...], ViewportSize, str]] = {
    "cards": (CARDS[:1], TALL, "#list"),
    "list": (CARDS[1:], DESKTOP, "#left"),
    "detail": (DETAIL, HIGH, "#detail"),
    "logs": (LOGS_OF_A_JOB, DESKTOP, "#detail"),
    "windows": (WINDOWS, DESKTOP, ".dialog"),
    "page": (WHOLE, DESKTOP, "#jobs-page"),
    "phone": (PHONE, PHONE_SIZE, "#jobs-page"),
}


IN_PLACE = ("detail",)
"""The group whose states need no new page: nobody acts in it but by unfolding."""


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go."""
    folder = Path(os.environ.get("GALLERY") or tmp_path_factory.mktemp("gallery"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _place(page: Page, where: str) -> Locator:
    by_css = where.startswith((".", "#", "["))
    return page.locator(where).first if by_css else page.get_by_test_id(where).first


AXE_SCRIPT: str = cast(Any, Axe()).axe_script
FINDINGS = """async ([part, rules]) => (await axe.run(part, {resultTypes: ["violations"], ...rules}))
    .violations.map(({id, nodes}) => [id, nodes[0].html.slice(0, 200)])"""
EVERYTHING: dict[str, Any] = {}
CONTRAST: dict[str, Any] = {"runOnly": ["color-contrast"]}  # what a theme can change


async def _go(page: Page, url: str, query: str, *, reload: bool) -> None:
    """Open an address: anew, or as Back and Forward do, which is faster and leaves nothing of a job behind."""
    if reload:
        await page.goto("about:blank")
        await page.goto(f"{url}?{query}")
        await expect(page.locator("html[data-live]")).to_be_attached()
        return
    go = "url => { history.pushState(null, '', url); dispatchEvent(new PopStateEvent('popstate')) }"
    await page.evaluate(go, url)
    await page.keyboard.press("Escape")  # chosen jobs are left too
    await expect(page.get_by_test_id("bulk-bar")).to_have_count(0)
    await expect(page.locator("#detail")).to_contain_text("Select a job")
    await page.evaluate(go, f"{url}?{query}")


async def _draw(page: Page, state: State, folder: Path, name: str, *, schemes: Sequence[Scheme] = THEMES) -> None:
    for where, text in state.shows.items():
        await expect(_place(page, where)).to_be_visible()
        await expect(_place(page, where)).to_contain_text(text)
    if not await page.evaluate("'axe' in window"):
        await page.add_style_tag(content=NO_MOTION)  # colours that fade in are not yet what they will be
        await page.evaluate(AXE_SCRIPT)
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        await expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        rules = EVERYTHING if scheme == schemes[0] else CONTRAST
        assert await page.evaluate(FINDINGS, [state.picture, rules]) == []
        picture = await page.locator(state.picture).first.screenshot(path=folder / f"{name}-{scheme}.png")
        assert len(picture) > 1000
    sideways = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert sideways == 0


def _undo(double: ContractDouble, kept: dict[str, Any]) -> None:
    for gate in double.gates.values():
        gate.set()
    double.gates.clear()
    double.refusing.clear()
    for name, value in kept.items():
        setattr(double, name, value)
    double.say_status(prefect="up", behind_seconds=0.0)


@pytest.mark.parametrize("group", GROUPS)
async def test_each_state_is_drawn(site: Site, open_page: OpenPage, gallery: Path, group: str) -> None:
    states, viewport, picture = GROUPS[group]
    double = site.double
    furnish(double)
    kept = {name: getattr(double, name) for name in (
        "failing", "refuse_logs", "counted_at_most", "start_errors", "buckets",
    )}  # fmt: skip
    page = await open_page(f"{site.url}/jobs", viewport=viewport)
    await expect(page.get_by_test_id("jobs-count")).to_have_text("30 jobs")
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    for state in states:
        shown = replace(state, picture=picture) if state.picture == "#detail" else state
        if state.prepare:
            state.prepare(double)
        await _go(page, f"{site.url}/jobs", state.query, reload=state.fresh or group not in IN_PLACE)
        if state.act:
            await state.act(page, double)
        await _draw(page, shown, gallery, f"{group}-{state.name}")
        _undo(double, kept)
    # A planned refusal is written to the console by the browser itself.
    assert [
        said for said in complaints if not said.startswith(("Failed to load resource", "WebSocket connection"))
    ] == []


@pytest.mark.parametrize("scheme", THEMES)
async def test_the_form_to_sign_in_is_drawn(site: Site, open_page: OpenPage, gallery: Path, scheme: Scheme) -> None:
    site.double.put(job("job-1", "running", progress=38))
    site.double.keys = {"a-key": ("vera", "viewer")}
    page = await open_page(f"{site.url}/jobs", wait=False, color_scheme=scheme)

    async def draw(name: str, picture: str, text: str) -> None:
        await _draw(page, State(name, shows={picture: text}, picture=picture), gallery, name, schemes=(scheme,))

    await draw("sign-in", ".sign-in", "API key")
    await page.get_by_label("API key").fill("wrong")
    await page.keyboard.press("Enter")
    await draw("sign-in-refused", ".sign-in", "This API key is not valid.")
    await page.get_by_label("API key").fill("a-key")
    await page.keyboard.press("Enter")
    await draw("page-viewer", "#jobs-page", "38%")
    site.double.end_sessions()
    await draw("sign-in-over", ".sign-in", "Your session is over.")


async def test_a_failed_an_empty_and_a_lost_page_are_drawn(double: ContractDouble, site: Site, open_page: OpenPage,
                                                           gallery: Path) -> None:  # fmt: skip
    double.failing = True
    page = await open_page(f"{site.url}/jobs")
    await page.get_by_role("button", name="Refresh jobs").click()
    failed = State("page-failed", shows={".load-error": "Error Loading Jobs"}, picture="#jobs-page")
    await _draw(page, failed, gallery, failed.name)

    double.failing = False
    empty = State("page-empty", shows={"jobs-empty-state": "No Jobs Found"}, picture="#jobs-page")
    await _draw(page, empty, gallery, empty.name)

    await site.stop()
    lost = State("page-lost", shows={"#lost": "connection to this page's server is lost"}, picture="body")
    await _draw(page, lost, gallery, lost.name)
    await page.close()
