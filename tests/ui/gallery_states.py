"""Each part of the page in each of its states: which jobs it takes, how to get there, and what must be seen then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.ui.contract_double import ContractDouble, job, job_type
from tests.ui.job_routes import bucket

Act = Callable[[Page, ContractDouble], Awaitable[None]]
Prepare = Callable[[ContractDouble], None]

LONG_ID = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e1f"
HOSTILE = '<img src=x onerror="document.title=1"> {{ 7*7 }} "quoted" </script> שלום 中文 🎉'
DISK = "OSError: [Errno 28] No space left on device: '/exports/tmp'"
TRACEBACK = "\n".join(
    ["Task failed", "Traceback (most recent call last):",
     *(f'  File "/srv/app/flow.py", line {number}, in step' for number in range(20)), DISK]
)  # fmt: skip
ANSI = (
    "\x1b[32m✓ passed\x1b[0m \x1b[1;31mfailed\x1b[0m \x1b[33mskipped\x1b[0m \x1b[7m inverse \x1b[0m \x1b[36mcyan\x1b[0m"
)
NULL = {"type": "null"}
EVERY_KIND: dict[str, Any] = {
    "type": "object",
    "required": ["camera"],
    "properties": {
        "format": {"type": "string", "title": "Format", "enum": ["csv", "json", "zip"], "default": "csv"},
        "camera": {"type": "string", "title": "Camera", "description": "Only events of this camera."},
        "token": {"type": "string", "title": "Token", "format": "password"},
        "limit": {"type": "integer", "title": "Limit", "minimum": 1, "maximum": 1000, "default": 100},
        "threshold": {"type": "number", "title": "Threshold", "minimum": 0},
        "reviewed": {"anyOf": [{"type": "boolean"}, NULL], "title": "Reviewed"},
        "since": {"anyOf": [{"type": "string", "format": "date-time"}, NULL], "title": "Since"},
        "day": {"type": "string", "format": "date", "title": "Day"},
        "tags": {"type": "array", "items": {"type": "string"}, "title": "Tags", "default": ["night", "gate"]},
        "options": {"type": "object", "title": "Options", "default": {"deep": True}},
    },
}


@dataclass(frozen=True)
class State:
    """One state: `shows` is what must be seen where, by test id or (with a dot, a hash or a space) by CSS."""

    name: str
    query: str = ""
    shows: Mapping[str, str] = field(default_factory=dict[str, str])
    act: Act | None = None
    prepare: Prepare | None = None
    """What is changed in the double before the page opens; undone afterwards."""
    picture: str = "#detail"
    fresh: bool = False
    """Whether the page must be opened anew for it, whatever its group."""


# -- jobs -------------------------------------------------------------------------------------------------------------


def furnish(double: ContractDouble) -> None:
    """The jobs of the gallery, newest first as they are written here."""
    for age, (job_id, status, fields) in enumerate(JOBS):
        defaults: dict[str, Any] = {"message": f"What {job_id} does", "age": 40 + 130 * age}
        double.put(job(job_id, status, **{**defaults, **fields}))
    for job_id, (code, text) in WAITING.items():
        held = ["job-202"] if code.endswith("limit") else []
        double.reasons[job_id] = {"code": code, "text": text, "held_by": held}
    double.details.update(DETAILS)
    double.histories.update(HISTORIES)
    double.events.update(EVENTS)
    for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
        for job_id in ("job-202", "job-203", "job-208", "job-211", "job-212", "job-301"):
            double.store_lines(job_id, f"Said as {level.lower()}: fetched batch of 500 rows in 41 ms", level=level)
    double.store_lines("job-302", "Compiling", ANSI, TRACEBACK, *(f"\r{n}% of 4,096 rows" for n in range(0, 101, 5)))
    double.store_lines("job-302", TRACEBACK, level="ERROR")
    double.store_lines("job-303", *(f"[{n:04}] fetched batch of 500 rows" for n in range(1200)))
    older = double.store_lines("job-304", *(f"older line {n}" for n in range(40)))
    newest = double.store_lines("job-304", *(f"newest line {n}" for n in range(4)))
    for number, line in enumerate(newest):
        line["seq"] = 100_000_001 + number
    double.lines["job-304"] = [*older[:20], *newest]
    double.incomplete_logs.add("job-304")
    double.types = [job_type("export", "Export", EVERY_KIND), job_type("cleanup"), job_type("backup", can_start=False)]
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours in range(20):
        for number, kind in enumerate(("export", "batch_audit", "cleanup")):
            wait = {"p50": 1.5, "p95": 4.0 + (hours * 7 + number) % 9}
            run = {"p50": 20.0 + hours, "p95": 90.0 + (hours * 31) % 70}
            counts = {"created": 5 + (hours * 5 + number) % 13, "completed": 4 + (hours * 3) % 11,
                      "failed": (hours + number) % 3, "cancelled": hours % 2}  # fmt: skip
            double.buckets.append(bucket(now - timedelta(hours=hours), kind, **counts, queue_wait_seconds=wait,
                                         run_seconds=run))  # fmt: skip


JOBS: list[tuple[str, str, dict[str, Any]]] = [
    ("job-201", "pending", {"message": None}),
    ("job-202", "running", {"progress": 0, "message": "Opening the database"}),
    ("job-203", "running", {"progress": 38, "job_type": "batch_audit", "message": "Processing event 400/1000"}),
    ("job-204", "running", {"progress": 67, "state": "stopping", "job_type": "cleanup"}),
    ("job-205", "running", {"progress": 12, "state": "aborting", "job_type": "re_evaluation"}),
    ("job-206", "running", {"progress": 50, "state": "cancelling", "stoppable": "prefect", "job_type": "nightly-etl"}),
    ("job-207", "completed", {"result": {"file_path": "/api/exports/events_1.csv", "event_count": 4096}}),
    ("job-208", "completed", {"job_type": "backup", "result": {"rows": [1, 2, 3], "note": "x" * 300}}),
    ("job-209", "completed", {"job_type": "import"}),
    ("job-210", "failed", {"progress": 54, "error": "OSError: disk full", "message": "Failed: disk full"}),
    ("job-211", "failed", {"progress": 54, "error": f"{DISK}\nwhile writing row 540", "message": f"Failed: {DISK}"}),
    ("job-212", "failed", {"state": "crashed", "error": "The process died without a word (signal 9)"}),
    ("job-213", "failed", {"state": "timed_out", "progress": 80, "error": "Flow run exceeded timeout of 60 s"}),
    ("job-214", "failed", {"state": "cancelled", "progress": 20, "error": "Cancelled by user"}),
    ("job-215", "failed", {"state": "aborted", "progress": 61, "error": "Aborted by user"}),
    (LONG_ID, "completed", {"job_type": "a-flow-with-a-very-long-name-" * 3, "message": "a very long word " * 20}),
    ("hostile", "running", {"job_type": HOSTILE, "message": HOSTILE, "progress": 5}),
    ("job-220", "pending", {}),
    ("job-221", "pending", {"state": "scheduled"}),
    ("job-222", "pending", {"state": "awaiting_retry"}),
    ("job-223", "pending", {"state": "paused"}),
    ("job-224", "pending", {}),
    ("job-225", "pending", {"state": "late"}),
    ("job-226", "pending", {}),
    ("job-301", "running", {"progress": 10}),
    ("job-302", "completed", {}),
    ("job-303", "running", {"progress": 30}),
    ("job-304", "completed", {}),
    ("job-305", "running", {"progress": 3}),
    ("job-306", "running", {"progress": 71, "state": "aborting"}),
]
WAITING = {
    "job-220": ("no_worker", "No worker is online in work pool jobs"),
    "job-221": ("scheduled", "Scheduled for Mar 4, 2026, 08:15 UTC"),
    "job-222": ("retry", "Waits until 08:15 UTC for attempt 2"),
    "job-223": ("paused", "Work queue night is paused"),
    "job-224": ("deployment_limit", "Deployment api runs 1 job at once, and that many are at work:"),
    "job-225": ("late", "Due since 08:15 UTC, and not taken yet although a worker is online"),
    "job-226": ("starting", "Worker worker-1 is starting it"),
}
ATTEMPTS = {"attempt_number": 2, "max_attempts": 3, "next_retry_at": None, "previous_errors": [DISK, "ValueError: 7"]}
DETAILS: dict[str, dict[str, Any]] = {
    "job-202": {"timing": {"estimated_remaining_seconds": 320}},
    "job-203": {
        "queue_name": "night", "priority": 1,
        "metadata": {"worker_id": "worker-1", "input_params": {"limit": 400, "camera": "gate"},
                     "worker": {"host": "night-2", "pid": 47111, "version": "0.1.0", "limit": 4}},
        "progress": {"current_step": "Copying", "items_processed": 400, "items_total": 1000},
        "timing": {"eta": {"p50": 21.0, "p90": 44.0, "sample": 412}, "slower_than_usual": True},
        "retry_info": ATTEMPTS,
    },
    "job-211": {"error_traceback": TRACEBACK, "retry_info": {**ATTEMPTS, "attempt_number": 3}},
    "job-222": {"retry_info": {**ATTEMPTS, "attempt_number": 1,
                               "next_retry_at": (datetime.now(UTC) + timedelta(hours=3)).isoformat()}},
}  # fmt: skip


def step(before: str | None, to: str, second: int, whose: str = "worker", **details: Any) -> dict[str, Any]:
    """A step of a history."""
    at = f"2026-03-04T08:15:{second:02}Z"
    return {"from": before, "to": to, "at": at, "triggered_by": whose, "details": details or None}


RECEIPT = {
    "cause": "asked", "at": "2026-03-04T08:15:07Z", "delivered_after": 0.04, "how": "killed", "after": 0.36,
    "processes": [{"pid": 4711, "name": "python"}, {"pid": 4712, "name": "ffmpeg"}], "more": 2,
    "left": [{"pid": 99, "name": "sudo"}],
}  # fmt: skip
ASKED: dict[str, Any] = {
    "at": "2026-03-04T08:15:07Z",
    "kind": "stop_asked",
    "message": None,
    "by": "otto",
    "details": {},
}
EVENTS: dict[str, list[dict[str, Any]]] = {job_id: [ASKED] for job_id in ("job-204", "job-205", "job-215")}
ABORTED = step("running", "failed", 8, "user", state="aborted", by="otto", receipt=RECEIPT)
HISTORIES: dict[str, list[dict[str, Any]]] = {
    "job-204": [step(None, "pending", 0)],
    "job-205": [step(None, "pending", 0)],
    "job-209": [],
    "job-211": [
        step(None, "pending", 0, "api"), step("pending", "running", 1), step("running", "failed", 4, error=DISK,
        message="Attempt 1 failed"), step("failed", "pending", 5, state="awaiting_retry"),
        step("pending", "running", 20), step("running", "failed", 31, error=DISK),
    ],
    "job-215": [step(None, "pending", 0), step("pending", "running", 1), ABORTED],
    "job-306": [step(None, "pending", 0)],
}  # fmt: skip


# -- how to get there -------------------------------------------------------------------------------------------------


def press(*names: str) -> Act:
    """Press buttons one after another."""

    async def act(page: Page, double: ContractDouble) -> None:
        for name in names:
            await page.get_by_role("button", name=name, exact=True).last.click()

    return act


def keys(*names: str, typed: str = "") -> Act:
    """Press keys, then type."""

    async def act(page: Page, double: ContractDouble) -> None:
        for name in names:
            await page.keyboard.press(name)
        await page.keyboard.type(typed)

    return act


def then(*acts: Act) -> Act:
    """One after another."""

    async def act(page: Page, double: ContractDouble) -> None:
        for one in acts:
            await one(page, double)

    return act


def refuse(route: str, status: int, said: str) -> Prepare:
    """Let a route refuse."""

    def prepare(double: ContractDouble) -> None:
        double.refusing[route] = (status, said)

    return prepare


def hold(route: str) -> Prepare:
    """Let a route's answer wait."""

    def prepare(double: ContractDouble) -> None:
        double.gates[route] = asyncio.Event()

    return prepare


def double_says(**fields: Any) -> Prepare:
    """Set fields of the double."""

    def prepare(double: ContractDouble) -> None:
        for name, value in fields.items():
            setattr(double, name, value)

    return prepare


def find(text: str) -> Act:
    """Look for a text in the log."""

    async def act(page: Page, double: ContractDouble) -> None:
        await page.get_by_role("textbox", name="Find in logs").fill(text)

    return act


def at_level(name: str) -> Act:
    """Show the lines of a level."""

    async def act(page: Page, double: ContractDouble) -> None:
        await page.get_by_role("button", name="Filter by log level").click()
        await page.get_by_test_id("job-logs-viewer").get_by_role("option", name=name).click()

    return act


async def wheel_up(page: Page, pixels: int, *, until: Locator) -> None:
    """Turn the wheel until that is seen: a log that is still being drawn goes to its end once more."""
    await page.get_by_role("log").hover()
    async with asyncio.timeout(20):
        while not await until.is_visible():
            await page.mouse.wheel(0, -pixels)
            await asyncio.sleep(0.1)


async def read_upwards(page: Page, double: ContractDouble) -> None:
    """Scroll up in the log, while new lines come."""
    await expect(page.get_by_role("log")).to_contain_text("[1199]")
    await wheel_up(page, 900, until=page.get_by_role("button", name="Toggle auto-scroll", pressed=False))
    await double.log("job-303", *(f"new line {number}" for number in range(12)))


async def to_older_lines(page: Page, double: ContractDouble) -> None:
    """Scroll to where lines are missing."""
    await expect(page.get_by_role("log")).to_contain_text("newest line 3")
    await wheel_up(page, 300, until=page.locator(".line-gap"))


async def lose_lines(page: Page, double: ContractDouble) -> None:
    """Cut the log's connection, and write lines meanwhile."""
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")
    await double.drop_log_sockets()
    double.store_lines("job-301", "written meanwhile", "and this one")


async def lose_for_good(page: Page, double: ContractDouble) -> None:
    """Let every attempt to connect again fail."""
    await page.clock.install()
    await page.reload()
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Reconnecting (1/5)")
    async with asyncio.timeout(20):
        while not await page.get_by_test_id("connection-indicator").get_by_text("Failed", exact=True).is_visible():
            await page.clock.fast_forward(40_000)
            await asyncio.sleep(0.1)


async def open_history(page: Page, double: ContractDouble) -> None:
    """Unfold the history."""
    await page.locator(".history-head").click()


async def finish_abort(page: Page, double: ContractDouble) -> None:
    """Let a job that is being aborted end under the eyes of who waits for it."""
    await expect(page.get_by_test_id("stopping")).to_be_visible()
    double.histories["job-306"] = [step(None, "pending", 0), ABORTED]
    now = datetime.now(UTC).isoformat()
    double.change("job-306", status="failed", state="aborted", error="Aborted by user", completed_at=now)


def pick(*ids: str) -> Act:
    """Choose jobs."""

    async def act(page: Page, double: ContractDouble) -> None:
        for job_id in ids:
            await page.get_by_test_id(f"job-item-{job_id}").focus()
            await page.keyboard.press("x")

    return act


def bulk(action: str) -> Act:
    """Ask what an action would do to the chosen jobs."""

    async def act(page: Page, double: ContractDouble) -> None:
        await page.get_by_test_id("bulk-bar").get_by_role("button", name=action).click()

    return act


def start(kind: str = "", **values: str) -> Act:
    """Fill in the form of a new job, and send it if there are values."""

    async def act(page: Page, double: ContractDouble) -> None:
        await page.get_by_role("button", name="New job").click()
        window = page.get_by_role("dialog")
        await expect(window.get_by_label("Job type")).to_be_visible()
        if kind:
            await window.get_by_label("Job type").select_option(kind)
        for label, value in values.items():
            await window.get_by_label(label).fill(value)
        if values:
            await window.get_by_role("button", name="Start job").click()

    return act


async def newer(page: Page, double: ContractDouble) -> None:
    """Let jobs come while the list is read."""
    await page.locator("#list").hover()
    await page.mouse.wheel(0, 400)
    await expect(page.get_by_test_id("job-item-job-201")).not_to_be_in_viewport()
    for number in range(12):
        double.put(job(f"new-{number}", age=0))


def feed(**status: Any) -> Act:
    """Let the feed say how it is."""

    async def act(page: Page, double: ContractDouble) -> None:
        double.say_status(**status)

    return act


async def lose_answers(page: Page, double: ContractDouble) -> None:
    """Let the API answer nothing any more, once the log is there. The feed goes on: its end draws the viewer anew."""
    await expect(page.get_by_role("log")).to_contain_text("Said as error")
    double.failing = True


async def lose_feed(page: Page, double: ContractDouble) -> None:
    """Let the API go away."""
    double.failing = True
    double.end_streams()


# -- the states -------------------------------------------------------------------------------------------------------

BADGE, BUTTONS, ERROR, NOTE, LOGS = "status-badge", "job-actions", "error-section", "waiting-section", "job-logs-viewer"
LOG, COUNT, INDICATOR, HISTORY = ".lines", "logs-count", "connection-indicator", "job-history-section"
VIEWER = '[data-testid="job-logs-viewer"]'

CARDS = (
    State("all", picture="#list", shows={f"job-item-{name}": text for name, text in {
        "job-201": "Export#ob-201", "job-202": "Opening the database", "job-203": "38%", "job-204": "67%",
        "job-207": "completed", "job-210": "Failed: disk full", "job-214": "cancelled", "job-215": "cancelled",
        LONG_ID: "#2c9e1f", "hostile": "<img src=x",
    }.items()}),
    State("selected", "job=job-203", {"#list .selected": "Batch Audit"}, picture="#list"),
    State("chosen", act=pick("job-203", "job-207", "job-210"), shows={"bulk-bar": "3 selected", "#list .picked": ""},
          picture="#left"),
    State("all-chosen", act=then(pick("job-201"), press("Select all 30")), shows={"bulk-bar": "30 selected"},
          picture="#left"),
    State("newer", act=newer, shows={".newer": "12 new"}, picture="#left"),
)  # fmt: skip

DETAIL = (
    State("nothing-selected", shows={"#detail": "Select a job to view details"}),
    State("loading", "job=job-201", {"#detail": "Loading job details..."}, prepare=hold("job")),
    State("not-found", "job=nobody", {"#detail h2": "Job Not Found", "#detail code": "nobody"}),
    State("not-read", "job=job-201", {"#detail h2": "Error Loading Job"}, prepare=refuse("job", 503, "away")),
    State("pending", "job=job-201", {BADGE: "Pending", BUTTONS: "CancelDelete", "job-metadata": "Not started"}),
    *(State(f"waiting-{code}", f"job={job_id}", {BADGE: "Pending", NOTE: text})
      for job_id, (code, text) in WAITING.items()),
    State("running", "job=job-202", {BADGE: "Running (0%)", BUTTONS: "CancelAbort", "job-metadata": "about 5 min"}),
    State("running-everything", "job=job-203", {BADGE: "Running (38%)", "current-step": "400 / 1000",
          "slower-than-usual": "Slower", "metadata-item-remaining": "9 of 10", "retry-info": "Attempt 2 of 3"},
          act=open_history),
    State("stopping", "job=job-204", {"stopping": "finishes its current step", "stop-awaited": "by otto"}),
    State("aborting", "job=job-205", {"stopping": "processes are being ended", "stop-awaited": "by otto"}),
    State("cancelling", "job=job-206", {"stopping": "Prefect's own cancel"}),
    State("completed-file", "job=job-207", {BADGE: "Completed (100%)", BUTTONS: "Delete", "job-result": "Download"}),
    State("completed-json", "job=job-208", {BADGE: "Completed", "job-result": "rows", "metadata-item-duration": "31"}),
    State("completed-plain", "job=job-209", {BADGE: "Completed", HISTORY: "History"}),
    State("failed", "job=job-210", {BADGE: "Failed (54%)", BUTTONS: "RetryDelete", ERROR: "OSError: disk full"}),
    State("failed-long", "job=job-211", {ERROR: "View Details", "retry-info": "Attempt 3 of 3"}),
    State("crashed", "job=job-212", {BADGE: "Failed", ERROR: "died without a word"}),
    State("timed-out", "job=job-213", {BADGE: "Failed (80%)", ERROR: "exceeded timeout"}),
    State("cancelled", "job=job-214", {BADGE: "Cancelled (20%)", BUTTONS: "Delete", ERROR: "Cancelled by user"}),
    State("aborted", "job=job-215", {BADGE: "Cancelled (61%)", BUTTONS: "Delete", ERROR: "Aborted by user"}),
    State("stopped", "job=job-306", {"stopped": "Killed, and nothing of it is left"}, act=finish_abort),
    State("retry-next", "job=job-222", {"retry-info": "Next retry: in 2 hours"}),
    State("long-names", f"job={LONG_ID}", {BADGE: "Completed", "#detail h2": LONG_ID}),
    State("hostile", "job=hostile", {BADGE: "Running (5%)", "#detail h2": "<img src=x"}),
    State("parameters", "job=job-203", {"job-parameters": "gate"},
          act=lambda page, _: page.get_by_text("Parameters").click()),
    State("history", "job=job-211", {HISTORY: "Attempt 1 failed", "job-history-timeline": "+11 s"},
          act=open_history),
    State("history-receipt", "job=job-215", {"stop-receipt": "2 more"}, act=open_history),
    State("history-loading", "job=job-211", {"timeline-loading": ""}, act=open_history, prepare=hold("history")),
    State("history-failed", "job=job-211", {HISTORY: "Failed to load job history"}, act=open_history,
          prepare=refuse("history", 503, "Prefect is away")),
    State("history-empty", "job=job-209", {HISTORY: "No history available for this job."}, act=open_history),
    State("retrying", "job=job-210", {BUTTONS: "Retry...Delete"}, prepare=hold("retry"), act=press("Retry")),
)  # fmt: skip

LOGS_OF_A_JOB = (
    State("loading", "job=job-303", {LOG: "Loading logs..."}, prepare=hold("logs"), picture=VIEWER),
    State("empty-live", "job=job-305", {LOG: "Waiting for log entries...", INDICATOR: "Live"}, picture=VIEWER),
    State("empty-over", "job=job-209", {LOG: "No logs available yet", INDICATOR: "Offline"}, picture=VIEWER),
    State("lines", "job=job-203", {COUNT: "4 logs", "logs-completeness": "live"}, picture=VIEWER),
    State("level-menu", "job=job-203", {".menu-list": "Warning"}, act=press("Filter by log level"), picture=VIEWER),
    State("level", "job=job-203", {COUNT: "2 of 4 logs"}, act=at_level("Warning"), picture=VIEWER),
    State("filtered-away", "job=job-303", {LOG: 'No logs matching filter "ERROR"'}, act=at_level("Error"),
          picture=VIEWER),
    State("options", "job=job-203", {".popup": "Wrap long lines"}, act=press("Display options"), picture=VIEWER),
    State("download", "job=job-203", {".popup": "JSON lines"}, act=press("Download logs"), picture=VIEWER),
    State("colours", "job=job-302", {".ansi-green": "passed", LOG: "20 updates", ".line-more": "more lines"},
          picture=VIEWER),
    State("unfolded", "job=job-302", {LOG: "line 12, in step"}, picture=VIEWER,
          act=lambda page, _: page.get_by_role("button", name="20 more lines").last.click()),
    State("find", "job=job-303", {"find-hits": "of 1,200 hits", ".line.current": "batch"}, act=find("batch"),
          picture=VIEWER),
    State("find-nothing", "job=job-303", {"find-hits": "No hits"}, act=find("nobody wrote this"), picture=VIEWER),
    State("only-hits", "job=job-303", {COUNT: "1 of 1,200 logs"}, picture=VIEWER,
          act=then(find("[0007]"), press("Only matching lines"))),
    State("linked", "job=job-303#L600", {".line.linked": "[0599]"}, picture=VIEWER),
    State("missing-line", "job=job-203#L99", {".said": "Line 99 is not in this log"}, picture=VIEWER),
    State("read-upwards", "job=job-303", {".to-end": "12 new lines: go to the end"}, act=read_upwards, picture=VIEWER),
    State("copying", "job=job-304", {".line-gap": "still being copied"}, act=to_older_lines, picture=VIEWER),
    State("cleared", "job=job-208", {LOG: "Show the cleared lines"}, act=press("Clear logs"), picture=VIEWER),
    State("gap-filled", "job=job-301", {".line-mark": "Filled: 2 lines came later"}, act=lose_lines, picture=VIEWER),
    State("not-read", "job=job-208", {LOG: "The log could not be read."}, picture=VIEWER,
          act=then(lose_answers, at_level("Info"))),
    State("large", "job=job-303", {".logs.large": "Job Logs"}, act=press("Enlarge logs"), picture="#jobs-page"),
    State("reconnecting", "job=job-301", {INDICATOR: "Reconnecting (", ".line-mark": "The connection was lost here."},
          act=then(lambda page, double: refuse_logs(page, double), lose_lines), picture=VIEWER),
    State("failed", "job=job-301", {INDICATOR: "Failed"}, prepare=double_says(refuse_logs=True), act=lose_for_good,
          picture=VIEWER),
)  # fmt: skip


async def refuse_logs(page: Page, double: ContractDouble) -> None:
    """Let no log connection be opened from now on."""
    await expect(page.get_by_test_id("connection-indicator")).to_contain_text("Live")
    double.refuse_logs = True


CONFIRM = "confirm-dialog"
NO_CAMERA = [{"field": "body.parameters.camera", "message": "There is no camera gate"}]
WINDOWS = (
    State("cancel", "job=job-203", {CONFIRM: "This will gracefully stop the job."}, act=press("Cancel")),
    State("cancel-prefect", "job=job-301", {CONFIRM: "This flow has no checkpoints"}, act=press("Cancel"),
          prepare=lambda double: double.change("job-301", stoppable="prefect")),
    State("abort", "job=job-203", {CONFIRM: "WARNING: This will forcefully terminate"}, act=press("Abort")),
    State("delete", "job=job-207", {CONFIRM: "This action cannot be undone."}, act=press("Delete")),
    State("busy", "job=job-303", {CONFIRM: "Aborting...", "loading-spinner": ""}, prepare=hold("abort"),
          act=press("Abort", "Force Abort")),
    State("refused", "job=job-203", {CONFIRM: "it has already completed"}, act=press("Cancel", "Cancel Job"),
          prepare=refuse("cancel", 409, "Job cannot be cancelled - it has already completed or failed")),
    State("error", "job=job-211", {"job-error-modal": "while writing row 540", "error-traceback": "line 12"},
          act=press("View Details")),
    State("bulk-preview", act=then(pick("job-203", "job-207", "job-210"), bulk("Delete")),
          shows={"bulk-preview": "2 of 3 allow it now"}),
    State("bulk-none", act=then(pick("job-203"), bulk("Retry")), shows={"bulk-preview": "None of these jobs"}),
    State("bulk-failed", act=then(pick("job-203"), bulk("Retry")), shows={".problem": "one operation takes"},
          prepare=refuse("bulk", 422, "The filter selects 200000 jobs; one operation takes at most 100000")),
    State("bulk-progress", act=then(pick("job-210", "job-212"), bulk("Retry"), press("Retry 2 jobs")),
          shows={".bulk-progress": "0 of 2 done"}, prepare=hold("bulk-step")),
    State("bulk-stopped", act=then(pick("job-213", "job-211"), bulk("Retry"), press("Retry 2 jobs", "Stop")),
          shows={".bulk-progress": "2 left undone"}, prepare=hold("bulk-step")),
    State("bulk-receipt", act=then(pick("job-209", "job-206"), bulk("Delete"), press("Delete 1 job")),
          shows={"bulk-receipt": "Refused: Job is running"}),
    State("new-job", act=start(), shows={"start-dialog": "Options"}),
    State("new-job-errors", act=start(Limit="5000", Threshold="x"), shows={"start-dialog": "At most 1,000."}),
    State("new-job-refused", act=start(Camera="gate"), shows={"start-dialog": "There is no camera gate"},
          prepare=double_says(start_errors=NO_CAMERA)),
    State("new-job-plain", act=start("cleanup"), shows={"start-dialog": "This job takes no parameters."}),
    State("new-job-loading", act=press("New job"), shows={"start-dialog": "Loading job types..."},
          prepare=hold("types"), fresh=True),
    State("help", act=keys("?"), shows={"help-dialog": "Keyboard shortcuts"}),
    State("commands", act=keys("Control+k"), shows={".commands": "View stats"}),
    State("commands-jobs", act=keys("Control+k", typed="job-2"), shows={".commands .active": "", ".palette": "2"}),
    State("commands-nothing", act=keys("Control+k", typed="nobody says this"), shows={".commands": "Nothing found"}),
)  # fmt: skip

WHOLE = (
    State("filters", "q=fail&status=failed&type=export", {"active-filters-indicator": "Filters active",
          "jobs-count": "jobs"}, picture="#toolbar"),
    State("no-match", "q=nobody+says+this", {"#list": "No jobs match your search", "jobs-count": "0 jobs"}),
    State("search-refused", "q=%22open", {"#list": "This search cannot be read"}),
    State("lower-bound", "q=job", {"jobs-count": "5+ jobs"}, prepare=double_says(counted_at_most=5),
          picture="#toolbar"),
    State("statistics", "view=stats", {"tile-created": "Created", ".plots": ""}),
    State("statistics-tables", "view=stats", {".plot-table[open]": "Time"},
          act=lambda page, _: page.get_by_text("As a table").first.click()),
    State("statistics-empty", "view=stats", {"#statistics": "Nothing happened in this period."},
          prepare=double_says(buckets=[])),
    State("statistics-failed", "view=stats", {"#statistics": "Error Loading Statistics"},
          prepare=refuse("timeline", 503, "Prefect is away")),
    State("embedded", "embed=1&job=job-203", {BADGE: "Running (38%)", "jobs-count": "jobs"}),
    State("word", "job=job-212", {"word": "Job queued again"}, act=press("Retry")),
    State("word-bad", "job=job-213", {"word": "no deployment"}, act=press("Retry"),
          prepare=refuse("retry", 409, "Job cannot be retried - its run has no deployment to run it again")),
    State("behind", act=feed(prefect="up", behind_seconds=42.0), shows={"feed-notice": "arrive late"},
          picture="#toolbar"),
    State("prefect-away", act=feed(prefect="down", behind_seconds=125.0), picture="#toolbar",
          shows={"feed-notice": "Prefect cannot be reached"}),
    State("api-away", act=lose_feed, shows={"feed-notice": "the jobs API cannot be reached"}, picture="#toolbar"),
)  # fmt: skip

PHONE = (
    State("list", picture="#jobs-page", shows={"job-item-job-203": "38%"}),
    State("chosen", act=pick("job-203"), shows={"bulk-bar": "1 selected"}, picture="#jobs-page"),
    State("filters", "q=fail&status=failed", {"active-filters-indicator": "Filters"}, picture="#jobs-page"),
    State("running", "job=job-203", {BADGE: "Running (38%)", COUNT: "4 logs"}, picture="#jobs-page"),
    State("failed", "job=job-211", {BADGE: "Failed (54%)", ERROR: "No space left"}, picture="#jobs-page"),
    State("waiting", "job=job-224", {NOTE: "Deployment api"}, picture="#jobs-page"),
    State("abort", "job=job-203", {CONFIRM: "WARNING"}, act=press("Abort"), picture="#jobs-page"),
    State("new-job", act=start(), shows={"start-dialog": "Options"}, picture="#jobs-page"),
    State("statistics", "view=stats", {"tile-created": "Created"}, picture="#jobs-page"),
    State("long-names", f"job={LONG_ID}", {BADGE: "Completed"}, picture="#jobs-page"),
)
