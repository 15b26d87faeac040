"""The log viewer in Chromium: how long a log of 100,000 lines takes to open, how smoothly it scrolls, and how it keeps
up with lines as they are written; and how long Prefect's own page takes to open the same log on the same server.

    python -m benchmarks.log_viewer [--lines 100000]

Opening is timed from the navigation (a browser context of its own each time, so nothing is cached; the browser itself
has drawn a page before) until the log's last line is in the document; from a click, until the last line of the clicked
job is. A frame is the time between two animation frames. Lines are written by `benchmarks.busy_logs`; each carries when
it was written, and each frame notes how old the newest line in the document is.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Error, Page, async_playwright
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.states import Running

from benchmarks.log_tail import ended_run, write_lines
from benchmarks.percentile import p95
from benchmarks.prefect_server import create_database, prefect_server
from tests.stack import clean_environment, free_port

OPEN_GOAL_MS = 1000
FRAME_GOAL_MS = 34
OPENINGS = 10
UNCOPIED = 5
PREFECT_OPENINGS = 5
PREFECT_PATIENCE = 60.0
RATES = (100, 1000, 5000)
RATE_SECONDS = 10.0
SCROLL_SECONDS = 5.0

# Notes when a text is first in the document, in milliseconds since the navigation began.
WATCH = """(text) => {
    const look = () => {
        if (window.seenAt === undefined && document.body?.textContent.includes(text)) window.seenAt = performance.now()
    }
    new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true})
}"""

# Until told to stop: the time of each frame, and how old the newest line is that stands in the document by then.
FRAMES = """() => {
    window.frames_ = []
    window.ages = []
    let last = performance.now()
    const frame = (now) => {
        window.frames_.push(now - last)
        last = now
        const line = [...document.querySelectorAll(".line-message")].at(-1)
        const written = parseFloat(line?.textContent ?? "")
        if (written > 1e12) window.ages.push(performance.timeOrigin + performance.now() - written)
        if (window.frames_) requestAnimationFrame(frame)
    }
    requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame) })
}"""


@flow(name="log-viewer")
def log_viewer() -> None:
    """Stands in for a job; its lines are written by hand."""


class Serving:
    """A `prefect-jobs serve` that writes lines when told to."""

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        self.url = url
        self._process = process

    async def write(self, job_id: str, rate: int, seconds: float) -> int:
        """Write lines of this job for so long. Returns how many there were."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{job_id} {rate} {seconds}\n".encode())
        while True:
            word, _, count = (await self._process.stdout.readline()).decode().partition(" ")
            if word == "WRITTEN":
                return int(count)
            if not word:
                raise RuntimeError("the adapter ended")


@asynccontextmanager
async def serving(folder: Path, prefect_api_url: str) -> AsyncGenerator[Serving]:
    """Start the adapter, with databases in this folder."""
    port = free_port()
    environment = {
        **clean_environment(),
        "PREFECT_API_URL": prefect_api_url,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_JOBS_DATA_DIR": str(folder / "data"),
        "PREFECT_JOBS_ACCESS_LOG": "false",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.busy_logs", "--port", str(port),
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await _eventually(lambda: _is_ready(client))
        yield Serving(url, process)
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def _until_copied(url: str, job_id: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:

        async def copied() -> bool:
            answer = await http.get(f"/api/jobs/{job_id}/logs", params={"order": "desc", "limit": 1})
            return bool(answer.json()["complete"])

        await _eventually(copied, within=600)


async def _eventually(look: Any, within: float = 300.0) -> None:
    deadline = time.monotonic() + within
    while not await look():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {within:g} s")
        await asyncio.sleep(0.2)


def _row(name: str, taken: Sequence[float], goal: float | None = None) -> str:
    met = "" if goal is None else "yes" if p95(taken) <= goal else "**no**"
    limit = "" if goal is None else f"<= {goal:g}"
    return f"| {name} | {len(taken)} | {statistics.median(taken):.0f} | {p95(taken):.0f} | {limit} | {met} |"


@asynccontextmanager
async def _fresh(browser: Browser) -> AsyncGenerator[Page]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _open(browser: Browser, address: str, text: str, *, within: float = 60.0) -> float:
    """Milliseconds from the navigation until this text is in the document."""
    async with _fresh(browser) as page:
        await page.add_init_script(f"({WATCH})({text!r})")
        await page.goto(address, wait_until="commit")
        await page.wait_for_function("() => window.seenAt !== undefined", timeout=within * 1000)
        return float(await page.evaluate("() => window.seenAt"))


async def _clicked(browser: Browser, url: str, other: str, job_id: str, text: str) -> list[float]:
    """Milliseconds from a click on a job's card until its log's last line is in the document."""
    taken: list[float] = []
    async with _fresh(browser) as page:
        await page.goto(f"{url}/jobs?job={other}")
        await page.locator("html[data-live]").wait_for(state="attached")
        for _ in range(OPENINGS):
            await page.get_by_test_id(f"job-item-{other}").click()
            await page.wait_for_function("(text) => !document.body.textContent.includes(text)", arg=text)
            began = await page.evaluate(
                """([job, text]) => {
                    window.seenAt = undefined
                    const began = performance.now()
                    document.querySelector(`[data-testid="job-item-${job}"]`).click()
                    const look = () => {
                        const box = document.querySelector(".lines")
                        if (box?.textContent.includes(text)) window.seenAt = performance.now()
                        else setTimeout(look, 2)
                    }
                    look()
                    return began
                }""",
                [job_id, text],
            )
            await page.wait_for_function("() => window.seenAt !== undefined")
            taken.append(float(await page.evaluate("() => window.seenAt")) - float(began))
    return taken


async def _measured(page: Page) -> tuple[list[float], list[float]]:
    frames, ages = await page.evaluate(
        "() => { const found = [window.frames_, window.ages]; window.frames_ = null; return found }"
    )
    return frames, ages


async def _scrolled(browser: Browser, address: str, text: str) -> tuple[list[float], list[float]]:
    """The frames while the wheel turns upwards from the end, and while the scroll bar is dragged through the log."""
    async with _fresh(browser) as page:
        await page.goto(address)
        await page.get_by_text(text).wait_for()
        await page.get_by_role("log").hover()
        await page.evaluate(FRAMES)
        ends = time.monotonic() + SCROLL_SECONDS
        while time.monotonic() < ends:
            await page.mouse.wheel(0, -120)
        wheel, _ = await _measured(page)
        await page.evaluate(FRAMES)
        await page.evaluate(
            """(seconds) => new Promise((done) => {
                const box = document.querySelector(".lines")
                const began = performance.now()
                const turn = (now) => {
                    const part = (now - began) / 1000 / seconds
                    if (part >= 1) return done()
                    box.scrollTop = box.scrollHeight * Math.abs(Math.cos(part * Math.PI))
                    requestAnimationFrame(turn)
                }
                requestAnimationFrame(turn)
            })""",
            SCROLL_SECONDS,
        )
        drag, _ = await _measured(page)
        return wheel, drag


async def _followed(browser: Browser, serve: Serving, job_id: str, rate: int) -> str:
    """A line of the table for this rate."""
    async with _fresh(browser) as page:
        await page.goto(f"{serve.url}/jobs?job={job_id}")
        await page.locator(".indicator.connected").wait_for()
        before = await _lines_shown(page)
        await page.evaluate(FRAMES)
        written = await serve.write(job_id, rate, RATE_SECONDS)
        frames, ages = await _measured(page)
        await page.wait_for_function(
            """(count) => document.querySelector('[data-testid="logs-count"]').textContent.startsWith(count)""",
            arg=f"{before + written:,} ",
            timeout=60_000,
        )
        nodes = await page.locator(".lines *").count()
    return (
        f"| {rate:,} | {written:,} | {statistics.median(frames):.0f} | {p95(frames):.0f} | "
        f"{statistics.median(ages):.0f} | {p95(ages):.0f} | {nodes} |"
    )


async def _lines_shown(page: Page) -> int:
    words = (await page.get_by_test_id("logs-count").inner_text()).split()
    return int(words[0].replace(",", "")) if words else 0


async def _prefects_page(browser: Browser, prefect_url: str, run_id: str, last: str) -> list[str]:
    """How long Prefect's page takes to show the first lines of a run's log, and how long until its end can be read."""
    address = f"{prefect_url}/runs/flow-run/{run_id}"
    first = [await _open(browser, address, "Processing event 0/") for _ in range(PREFECT_OPENINGS)]
    rows = [_row("Prefect's page: the first lines of the log", first)]
    async with _fresh(browser) as page:
        await page.goto(address)
        await page.get_by_text("Processing event 0/").first.wait_for()
        began, deadline = time.monotonic(), time.monotonic() + PREFECT_PATIENCE
        reached = False
        while not reached and time.monotonic() < deadline:
            await page.mouse.move(700, 700)
            await page.mouse.wheel(0, 100_000)
            reached = await page.get_by_text(last).count() > 0
        took = f"{(time.monotonic() - began) * 1000:.0f}"
        if not reached:
            numbers = await page.evaluate("() => document.body.textContent.match(/Processing event \\d+/g)")
            took = f"not within {PREFECT_PATIENCE * 1000:.0f}; at line {int(numbers[-1].split()[-1]):,}"
        rows.append(f"| Prefect's page: scrolling on to the last line | 1 | {took} | | | |")
    return rows


async def measure(folder: Path, lines: int) -> str:
    """The tables, as Markdown."""
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Chromium is missing. On Debian: apt-get install chromium")
    database = folder / "prefect.db"
    create_database(database)
    with prefect_server(database) as prefect_api_url:
        uncopied = [await ended_run(prefect_api_url) for _ in range(UNCOPIED)]
        run_id, other_id = uncopied[-1], await ended_run(prefect_api_url)
        for ended in uncopied:
            write_lines(database, ended, lines)
        write_lines(database, other_id, 20)
        async with PrefectClient(prefect_api_url) as client:
            running = [str((await client.create_flow_run(log_viewer, state=Running())).id) for _ in RATES]
        last = f"Processing event {lines - 1}/{lines}"
        async with serving(folder, prefect_api_url) as serve, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
            )
            try:
                await _open(browser, f"{serve.url}/jobs", "Jobs")
                first: list[float] = []
                for ended in uncopied:
                    first.append(await _open(browser, f"{serve.url}/jobs?job={ended}", last))
                    await _until_copied(serve.url, ended)
                rows = [_row("opening, nothing copied yet", first, OPEN_GOAL_MS)]
                address = f"{serve.url}/jobs?job={run_id}"
                opened = [await _open(browser, address, last) for _ in range(OPENINGS)]
                rows.append(_row("opening at the end", opened, OPEN_GOAL_MS))
                clicked = await _clicked(browser, serve.url, other_id, run_id, last)
                rows.append(_row("the same from a click on the job's card", clicked, OPEN_GOAL_MS))
                wheel, drag = await _scrolled(browser, address, last)
                rows.append(_row("frames while the wheel turns, older lines loading", wheel, FRAME_GOAL_MS))
                rows.append(_row("frames while the scroll bar is dragged through the log", drag, FRAME_GOAL_MS))
                rates = [
                    await _followed(browser, serve, job_id, rate) for job_id, rate in zip(running, RATES, strict=True)
                ]
                prefect_url = prefect_api_url.removesuffix("/api")
                try:
                    rows += await _prefects_page(browser, prefect_url, run_id, last)
                except Error as error:
                    rows.append(f"| Prefect's page | 0 | {str(error).splitlines()[0]} | | | |")
            finally:
                await browser.close()
    return "\n".join(
        [
            f"A log of {lines:,} lines, in milliseconds.",
            "",
            "| what | n | p50 | p95 | goal p95 | met |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Lines as they are written, for {RATE_SECONDS:.0f} s each, in milliseconds. Goal: frames p95 <= "
            f"{FRAME_GOAL_MS} at 1,000 lines a second. Every written line was counted on the page in the end.",
            "",
            "| lines a second | written | frame p50 | frame p95 | newest line's age p50 | p95 | elements in the box |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *rates,
        ]
    )


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-") as folder:
        print(asyncio.run(measure(Path(folder) / "server", asked.lines)))


if __name__ == "__main__":
    main()
