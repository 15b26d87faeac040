"""The page in each of its states, as pictures: `python -m tests.ui.gallery docs/screenshots` (or `make screenshots`).

Whoever changes how the page looks runs it, looks at every picture and commits those that the docs show.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from playwright.async_api import Page, ViewportSize, async_playwright, expect

from tests.ui.conftest import CHROMIUM_ARGUMENTS, DESKTOP, Site, serve
from tests.ui.contract_double import ContractDouble, job, job_type
from tests.ui.job_routes import bucket

PHONE: ViewportSize = {"width": 390, "height": 844}
FAILED_ID = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"
DISK = "OSError: [Errno 28] No space left on device: '/exports/tmp'"
WORK = {
    "export": "Streaming events to CSV",
    "batch_audit": "Processing event 112 of 400",
    "cleanup": "Vacuuming detections table",
    "re_evaluation": "Scoring events again",
    "import": "Reading events.jsonl",
    "nightly-etl": "Loading partition 14/32",
}
NULL = {"type": "null"}
EXPORT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "format": {"type": "string", "title": "Format", "enum": ["csv", "json", "zip"], "default": "csv"},
        "camera_id": {"anyOf": [{"type": "string"}, NULL], "title": "Camera", "description": "Only of this camera."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1000, "title": "Limit"},
        "start_date": {"anyOf": [{"type": "string", "format": "date-time"}, NULL], "title": "From"},
        "reviewed": {"anyOf": [{"type": "boolean"}, NULL], "title": "Reviewed"},
    },
}


def furnish(double: ContractDouble) -> None:
    """Jobs of every kind and state, with what the API tells of them."""
    chance = Random(4)
    kinds = list(WORK)
    for number in range(400):
        kind = chance.choice(kinds)
        age = 60.0 + (400 - number) * 97
        ended = chance.choices(["completed", "failed", "cancelled"], [88, 9, 3])[0]
        if number > 388:
            progress = chance.randint(5, 96)
            double.put(
                job(f"job-{9600 + number}", "running", job_type=kind, age=age, progress=progress, message=WORK[kind])
            )
        elif ended == "completed":
            double.put(
                job(f"job-{9600 + number}", job_type=kind, status=ended, age=age, message="Completed successfully")
            )
        else:
            text = DISK if ended == "failed" else "Cancelled by user"
            state = "failed" if ended == "failed" else "cancelled"
            double.put(job(f"job-{9600 + number}", "failed", job_type=kind, age=age, state=state, error=text,
                           progress=chance.randint(5, 96), message=f"Failed: {text}"))  # fmt: skip
    double.put(job("job-10000", "running", job_type="batch_audit", age=39, progress=67, message="Writing verdicts"))
    double.put(job(FAILED_ID, "failed", job_type="export", age=700, progress=54, error=f"{DISK}\nwhile writing row 540",
                   message=f"Failed: {DISK}"))  # fmt: skip
    double.put(job("job-10001", job_type="backup", age=50))
    waits = "Deployment api runs 1 job at a time:"
    double.reasons["job-10001"] = {"code": "deployment_limit", "text": waits, "held_by": ["job-10000"]}
    double.details["job-10000"] = {
        "queue_name": "default", "priority": 2, "metadata": {"worker_id": "worker-1", "input_params": {"limit": 400}},
        "timing": {"eta": {"p50": 21.0, "p90": 44.0, "sample": 412}, "slower_than_usual": False},
    }  # fmt: skip
    double.details[FAILED_ID] = {
        "queue_name": "default", "priority": 2,
        "metadata": {"worker_id": "worker-3", "input_params": {"format": "csv"}},
        "retry_info": {"attempt_number": 3, "max_attempts": 3, "previous_errors": [DISK, DISK]},
        "error_traceback": f'Traceback (most recent call last):\n  File "flows/export.py", line 67, in export\n{DISK}',
    }  # fmt: skip
    for number in range(300):
        for job_id in ("job-10000", FAILED_ID):
            double.store_lines(job_id, f"[{number:06}] fetched batch of 500 rows in {chance.randint(30, 60)} ms")
    double.store_lines(FAILED_ID, f"Could not write chunk 300: {DISK}", level="ERROR")
    double.types = [job_type("export", "Export", EXPORT_SCHEMA), *(job_type(name) for name in ("cleanup", "backup"))]
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours in range(24):
        for kind in ("export", "batch_audit", "cleanup"):
            times = {"p50": 1 + chance.random() * 2, "p95": 4 + chance.random() * 8}
            runs = {"p50": 20 + chance.random() * 30, "p95": 60 + chance.random() * 90}
            counts = {
                "created": chance.randint(4, 30),
                "completed": chance.randint(3, 28),
                "failed": chance.randint(0, 3),
            }
            double.buckets.append(bucket(now - timedelta(hours=hours), kind, **counts, cancelled=chance.randint(0, 1),
                                         queue_wait_seconds=times, run_seconds=runs))  # fmt: skip


async def nothing(page: Page) -> None:
    """Show the page as it opens."""


async def history(page: Page) -> None:
    """Open the history, and go back to the top."""
    await page.get_by_role("button", name="History").click()
    await page.locator(".detail-body").evaluate("body => body.scrollTo(0, 0)")


async def abort(page: Page) -> None:
    """Ask before an abort."""
    await page.get_by_role("button", name="Abort").click()


async def error(page: Page) -> None:
    """Open the error's window."""
    await page.get_by_test_id("view-error-details-button").click()


async def bulk(page: Page) -> None:
    """Preview the deletion of all jobs."""
    await page.get_by_test_id("job-item-job-10000").focus()
    await page.keyboard.press("x")
    await page.get_by_role("button", name="Select all").click()
    await page.get_by_test_id("bulk-bar").get_by_role("button", name="Delete").click()
    await expect(page.get_by_test_id("bulk-preview")).to_be_visible()


async def start(page: Page) -> None:
    """Open the form of a new job."""
    await page.get_by_role("button", name="New job").click()
    await expect(page.get_by_label("Job type")).to_be_visible()


async def commands(page: Page) -> None:
    """Look for a job."""
    await page.keyboard.press("Control+k")
    await page.keyboard.type("9990")
    await expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()


@dataclass(frozen=True)
class Picture:
    """One state of the page."""

    name: str
    query: str = ""
    act: Callable[[Page], Awaitable[None]] = nothing
    scheme: str = "dark"
    viewport: ViewportSize | None = None


PICTURES = (
    Picture("desktop-dark", "job=job-10000"),
    Picture("desktop-light", "job=job-10000", history, "light"),
    Picture("failed-light", f"status=failed&job={FAILED_ID}", scheme="light"),
    Picture("failed-dark", f"status=failed&job={FAILED_ID}", history),
    Picture("waiting", "job=job-10001"),
    Picture("abort", "job=job-10000", abort),
    Picture("error", f"job={FAILED_ID}", error),
    Picture("bulk", act=bulk),
    Picture("new-job", act=start),
    Picture("commands", act=commands, scheme="light"),
    Picture("statistics", "view=stats"),
    Picture("statistics-light", "view=stats", scheme="light"),
    Picture("phone", "job=job-10000", viewport=PHONE),
    Picture("phone-list", scheme="light", viewport=PHONE),
    Picture("phone-statistics", "view=stats", scheme="light", viewport=PHONE),
    Picture("nothing-matches", "q=nobody+says+this"),
)


async def take(site: Site, folder: Path) -> None:
    """Take every picture."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS)
        for picture in PICTURES:
            options: dict[str, Any] = {"viewport": picture.viewport or DESKTOP, "color_scheme": picture.scheme}
            context = await browser.new_context(**options)
            page = await context.new_page()
            await page.goto(f"{site.url}/jobs?{picture.query}")
            await expect(page.locator("html[data-live]")).to_be_attached()
            if "job=" in picture.query:
                await expect(page.get_by_test_id("job-history-section")).to_contain_text("transition")
            await picture.act(page)
            await page.wait_for_load_state("networkidle")
            await page.screenshot(path=folder / f"{picture.name}.png", animations="disabled")
            await context.close()
        await browser.close()


async def main(folder: Path) -> None:
    """Serve the page before a furnished double, and take its pictures."""
    double = ContractDouble()
    furnish(double)
    site = await serve(double)
    try:
        await take(site, folder)
    finally:
        await site.stop()


if __name__ == "__main__":
    chosen = Path(sys.argv[1])
    chosen.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(chosen))
