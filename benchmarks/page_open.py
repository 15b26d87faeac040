"""Opening the page, with ten jobs and with a million, beside Prefect's own list of the same runs.

    python -m benchmarks.page_open [--jobs 1000000] [--data FOLDER]

Each opening has a browser context of its own, so nothing is cached. From the beginning of the navigation: until the
first rows of the list are painted (the browser's first contentful paint, or the moment when a row is in the document
if that is later), and until the page can be used (its buttons are switched on). Bytes are what came over the network.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from benchmarks.million import seeded, serving, url_of_index
from benchmarks.percentile import p95
from benchmarks.prefect_server import prefect_server

FEW = 10
OPENINGS = 40
PAINT_GOAL_MS = 500
USABLE_GOAL_MS = 1200
OUR_ROW = "a.card, [data-testid^='job-item-']"
OUR_BUTTON = "button.refresh:not([disabled])"
PREFECTS_ROW = "a[href*='/runs/flow-run/']"

# Notes when a row, and when a usable button, is first in the document: milliseconds since the navigation began.
WATCH = """([row, button]) => {
    const look = () => {
        if (window.rowAt === undefined && document.querySelector(row)) window.rowAt = performance.now()
        if (window.usableAt === undefined && document.querySelector(button)) window.usableAt = performance.now()
    }
    new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true})
}"""
TIMES = """() => {
    const [paint] = performance.getEntriesByName("first-contentful-paint")
    const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    return {
        paint: paint?.startTime ?? 0, row: window.rowAt, usable: window.usableAt,
        bytes: loaded.reduce((sum, entry) => sum + entry.transferSize, 0),
    }
}"""


async def _opened(browser: Browser, address: str, row: str, button: str) -> dict[str, float]:
    """The times of one opening, and its bytes."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    try:
        page = await context.new_page()
        await page.add_init_script(f"({WATCH})({[row, button]!r})")
        await page.goto(address, wait_until="commit")
        await page.wait_for_function("() => window.rowAt && window.usableAt", timeout=120_000)
        await page.wait_for_load_state("networkidle" if row == PREFECTS_ROW else "load")
        return await page.evaluate(TIMES)
    finally:
        await context.close()


def _rows(name: str, jobs: int, found: Sequence[dict[str, float]], *, goals: bool) -> list[str]:
    painted = [max(one["paint"], one["row"]) for one in found]
    told: list[tuple[str, Sequence[float], float]] = [("first rows painted", painted, PAINT_GOAL_MS)]
    if goals:  # Prefect's page draws nothing before it can be used
        told.append(("usable", [one["usable"] for one in found], USABLE_GOAL_MS))
    size = statistics.median(one["bytes"] for one in found) / 1e6
    rows: list[str] = []
    for what, taken, goal in told:
        limit = f"<= {goal:g}" if goals else ""
        met = "" if not goals else "yes" if p95(taken) <= goal else "**no**"
        numbers = f"{len(taken)} | {statistics.median(taken):.0f} | {p95(taken):.0f} | {limit} | {met}"
        rows.append(f"| {name}: {what} | {jobs:,} | {numbers} | {size:.2f} |")
    return rows


async def _looked_at(browser: Browser, jobs: int, api_url: str, prefect_url: str) -> list[str]:
    ours = [await _opened(browser, f"{api_url}/jobs", OUR_ROW, OUR_BUTTON) for _ in range(OPENINGS)]
    theirs = [await _opened(browser, f"{prefect_url}/runs", PREFECTS_ROW, PREFECTS_ROW) for _ in range(OPENINGS // 4)]
    return [
        *_rows("the jobs page", jobs, ours, goals=True),
        *_rows("Prefect's list of runs", jobs, theirs, goals=False),
    ]


async def _measure(jobs: int, api_url: str, prefect_url: str) -> list[str]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            return await _looked_at(browser, jobs, api_url, prefect_url)
        finally:
            await browser.close()


def main() -> None:
    """Seed, look, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="keep what is seeded in this folder, and use what is there")
    options = parser.parse_args()
    if shutil.which("chromium") is None:
        raise SystemExit("Chromium is missing. On Debian: apt-get install chromium")
    rows: list[str] = []
    with ExitStack() as stack:
        folder: Any = options.data or stack.enter_context(tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-"))
        for jobs in (FEW, options.jobs):
            place = Path(folder) / str(jobs)
            url = url_of_index("sqlite", place, "")
            seeded(place, jobs, {"sqlite": url}, "")
            with (
                prefect_server(place / "prefect.db") as prefect_api_url,
                serving(place, url, prefect_api_url) as adapter,
            ):
                rows += asyncio.run(_measure(jobs, adapter.client.url, prefect_api_url.removesuffix("/api")))
    print(
        "\n".join(
            [
                "In milliseconds from the beginning of the navigation, with nothing cached.",
                "",
                "| what | jobs | n | p50 | p95 | goal p95 | met | MB over the network |",
                "| --- | --- | --- | --- | --- | --- | --- | --- |",
                *rows,
            ]
        )
    )


if __name__ == "__main__":
    main()
