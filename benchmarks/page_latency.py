"""How long the page takes to show what happened: a state set in Prefect until its card has changed, and a line logged
in a flow's process until it stands in the open viewer; with up to a hundred tabs, and beside Prefect's own page.

    python -m benchmarks.page_latency --api-url http://127.0.0.1:8000 --prefect-api-url http://127.0.0.1:4200/api

Everything runs on one machine, so both ends read one clock. The state is set through Prefect's client and timed from
before that call, so Prefect's answer time is part of the figure. The line is logged by a process of its own with
Prefect's `APILogHandler` under the worker's settings, as in a flow, and timed from before `logger.info`. In the browser
a MutationObserver notes the moment when the change is in the document. One tab is a real one of Chromium with the job
and its log open, and is measured; the others are `light_viewers` of the same job, because a hundred real ones keep two
cores busy by drawing. Prefect's page is looked at with one tab, a few times only, as it asks its server every few
seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import psutil
from playwright.async_api import Browser, Page, async_playwright
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.states import Pending, Running

from benchmarks.percentile import p95
from prefect_jobs import prefect_environment

GOAL_MS = 300
WARM_UP = 5
TABS = (1, 10, 50, 100)
TAB_GOAL_MB = 1.0
PREFECT_LOOKS = 6
PREFECT_PATIENCE = 90.0

# Notes when the awaited text is first in its place: in milliseconds since 1970, like `time.time() * 1000`.
WATCH = """() => {
    const look = () => {
        const awaited = window.awaited
        if (awaited && !awaited.at && document.querySelector(awaited.place)?.textContent.includes(awaited.text)) {
            awaited.at = performance.timeOrigin + performance.now()
        }
    }
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true})
}"""

# A flow's process, reduced to its logging: logs each line it reads and answers when.
LOGGING_PROCESS = """
import logging, sys, time
from prefect.logging.handlers import APILogHandler
logger = logging.getLogger("prefect.flow_runs.page_latency")
logger.setLevel(logging.INFO)
logger.addHandler(APILogHandler())
print("ready", flush=True)
for text in sys.stdin:
    began = time.time() * 1000
    logger.info(text.strip(), extra={"flow_run_id": sys.argv[1]})
    print(began, flush=True)
"""


@flow(name="page-latency")
def page_latency() -> None:
    """Stands in for a job; its runs are made and moved by hand."""


async def _await(page: Page, place: str, text: str) -> None:
    await page.evaluate("([place, text]) => { window.awaited = {place, text} }", [place, text])


async def _seen(page: Page, within: float = 30.0) -> float:
    await page.wait_for_function("() => window.awaited.at", timeout=within * 1000)
    return float(await page.evaluate("() => window.awaited.at"))


async def _cards(page: Page, client: PrefectClient, run_id: UUID, count: int) -> list[float]:
    """Milliseconds from a state set in Prefect to the card that says so."""
    place = f'[data-testid="job-item-{run_id}"] .card-status'
    await page.locator(place).wait_for()
    taken: list[float] = []
    for number in range(count):
        state, text = (Pending(), "pending") if number % 2 else (Running(), "running")
        await _await(page, place, text)
        began = time.time() * 1000
        await client.set_flow_run_state(run_id, state, force=True)
        taken.append(await _seen(page) - began)
        await asyncio.sleep(0.1)
    return taken


@asynccontextmanager
async def _logging_process(prefect_api_url: str, run_id: UUID) -> AsyncGenerator[asyncio.subprocess.Process]:
    environment = {**os.environ, **prefect_environment.WORKER, "PREFECT_API_URL": prefect_api_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOGGING_PROCESS, str(run_id),
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def _lines(page: Page, prefect_api_url: str, run_id: UUID, count: int) -> list[float]:
    """Milliseconds from `logger.info` to the line on the page."""
    await page.locator(".indicator.connected").wait_for()
    taken: list[float] = []
    async with _logging_process(prefect_api_url, run_id) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        for number in range(count):
            text = f"line {number} of {count}"
            await _await(page, ".lines", text)
            process.stdin.write(f"{text}\n".encode())
            began = float(await process.stdout.readline())
            taken.append(await _seen(page) - began)
            await asyncio.sleep(0.1)
    return taken


async def _prefects_list(page: Page, client: PrefectClient, prefect_url: str, run_id: UUID) -> list[float]:
    """Milliseconds from a state set in Prefect to Prefect's own list of runs; each state has a name of its own."""
    await page.goto(f"{prefect_url}/runs")
    await page.locator(f'a[href*="{run_id}"]').first.wait_for()
    await page.evaluate(WATCH)
    taken: list[float] = []
    for number in range(PREFECT_LOOKS):
        await _await(page, "body", f"Step {number}")
        began = time.time() * 1000
        await client.set_flow_run_state(run_id, Running(name=f"Step {number}"), force=True)
        taken.append(await _seen(page, PREFECT_PATIENCE) - began)
    return taken


async def _prefects_log(page: Page, prefect_url: str, prefect_api_url: str, run_id: UUID) -> list[float]:
    """Milliseconds from `logger.info` to the line on Prefect's own page of the run."""
    await page.goto(f"{prefect_url}/runs/flow-run/{run_id}")
    taken: list[float] = []
    async with _logging_process(prefect_api_url, run_id) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        process.stdin.write(b"the first line\n")
        await process.stdout.readline()
        await page.get_by_text("the first line").first.wait_for(timeout=PREFECT_PATIENCE * 1000)
        await page.evaluate(WATCH)
        for number in range(PREFECT_LOOKS):
            text = f"looked for {number}"
            await _await(page, "body", text)
            process.stdin.write(f"{text}\n".encode())
            began = float(await process.stdout.readline())
            taken.append(await _seen(page, PREFECT_PATIENCE) - began)
    return taken


def row(name: str, taken: Sequence[float], tabs: int) -> str:
    """One line of the table; the first measurements, which fill caches, are left out."""
    steady = sorted(taken[WARM_UP:])
    rank = p95(steady)
    verdict = "yes" if rank <= GOAL_MS else f"no, {rank - GOAL_MS:.0f} ms over"
    return (
        f"| {name} | {tabs} | {len(steady)} | {statistics.median(steady):.0f} | {rank:.0f} | <= {GOAL_MS} | {verdict} |"
    )


def _prefects_row(name: str, taken: Sequence[float]) -> str:
    return f"| {name} | 1 | {len(taken)} | {statistics.median(taken):.0f} | {max(taken):.0f} (longest) | | |"


@asynccontextmanager
async def _light_viewers(api_url: str, run_id: UUID, count: int) -> AsyncGenerator[None]:
    """So many further tabs of the same job."""
    command = [sys.executable, "-m", "benchmarks.light_viewers", api_url, str(run_id), str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"ready", "the light viewers could not connect"
        yield
    finally:
        process.kill()
        await process.wait()


def _server_of(url: str) -> psutil.Process:
    """The process that listens at this address."""
    port = urlsplit(url).port
    listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    [found] = {one.pid for one in listening if getattr(one.laddr, "port", None) == port}
    return psutil.Process(found)


async def measure_ours(
    browser: Browser, client: PrefectClient, api_url: str, prefect_api_url: str, run_id: UUID, count: int
) -> tuple[list[str], float]:
    """The rows of our page, and the megabytes that the server takes for each tab."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    address = f"{api_url}/jobs?job={run_id}"
    server = _server_of(api_url)
    cards: list[str] = []
    lines: list[str] = []
    opened, before, used = 1, 0.0, 0.0
    others = AsyncExitStack()
    page = await context.new_page()
    await page.goto(address)
    await page.evaluate(WATCH)
    for tabs in TABS:
        if tabs > opened:
            await others.enter_async_context(_light_viewers(api_url, run_id, tabs - opened))
        opened = tabs
        cards.append(row("state set in Prefect → card", await _cards(page, client, run_id, count + WARM_UP), tabs))
        await client.set_flow_run_state(run_id, Running(), force=True)
        lines.append(row("`logger.info` → line", await _lines(page, prefect_api_url, run_id, count + WARM_UP), tabs))
        used = server.memory_full_info().uss / 1e6
        before = before or used
    await others.aclose()
    await context.close()
    return [*cards, *lines], (used - before) / (TABS[-1] - TABS[0])


async def measure(api_url: str, prefect_api_url: str, count: int) -> str:
    """The table, as Markdown."""
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Chromium is missing. On Debian: apt-get install chromium")
    async with PrefectClient(prefect_api_url) as client, async_playwright() as playwright:
        run = await client.create_flow_run(page_latency, state=Pending())
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        try:
            rows, memory = await measure_ours(browser, client, api_url, prefect_api_url, run.id, count)
            page = await browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
            prefect_url = prefect_api_url.removesuffix("/api")
            listed = await _prefects_list(page, client, prefect_url, run.id)
            rows.append(_prefects_row("state set in Prefect → Prefect's list of runs", listed))
            fresh = await client.create_flow_run(page_latency, state=Running())  # it shows the first 200 lines only
            logged = await _prefects_log(page, prefect_url, prefect_api_url, fresh.id)
            rows.append(_prefects_row("`logger.info` → line on Prefect's page", logged))
        finally:
            await browser.close()
            await client.delete_flow_run(run.id)
    return "\n".join(
        [
            "| from … to … | tabs | n | p50 ms | p95 ms | goal p95 ms | met |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"The server takes {memory:.2f} MB for each further tab with a log open (goal <= {TAB_GOAL_MB:g}).",
        ]
    )


def main() -> None:
    """Measure on a running stack and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api-url", default="http://127.0.0.1:8000")
    parser.add_argument("--prefect-api-url", default="http://127.0.0.1:4200/api")
    parser.add_argument("--count", type=int, default=60)
    asked = parser.parse_args()
    print(asyncio.run(measure(asked.api_url, asked.prefect_api_url, asked.count)))


if __name__ == "__main__":
    main()
