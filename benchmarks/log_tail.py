"""A log of a million lines: how long its tail, a search, a page in its middle and the page behind a number take over
HTTP, before and after it is copied, and how much memory the adapter takes for it.

    python -m benchmarks.log_tail [--lines 1000000]

The lines are written straight into the SQLite database of a Prefect server of its own, as logging them would take
hours; the adapter then reads them from Prefect's API as it reads any log. Needs some minutes: copying is held back by
the budget of questions (PREFECT_JOBS_LOG_READS_PER_SECOND).
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.states import Completed, Running

from benchmarks.percentile import p95
from tests.stack import Stack, running_stack

GOAL_MS = 100
REPEATS = 30
STEP = timedelta(milliseconds=1)
AT_ONCE = 20_000


@flow(name="log-tail")
def log_tail() -> None:
    """Stands in for a job; its lines are written by hand."""


async def ended_run(api_url: str) -> str:
    """A completed run on this server, without any lines. Returns its id."""
    async with PrefectClient(api_url) as client:
        run = await client.create_flow_run(log_tail, state=Running())
        await client.set_flow_run_state(run.id, Completed())
        return str(run.id)


def write_lines(database: Path, run_id: str, count: int) -> None:
    """Write so many lines of a run into Prefect's database: a millisecond apart, each thousandth an error."""
    start = datetime.now(UTC) - count * STEP

    def row(number: int) -> tuple[Any, ...]:
        level = 40 if number % 1000 == 999 else 10 if number % 3 == 0 else 20
        moment = (start + number * STEP).strftime("%Y-%m-%d %H:%M:%S.%f")
        text = f"Processing event {number}/{count} of camera {number % 17}: disk and network as usual"
        return str(uuid4()), "prefect.flow_runs", level, str(UUID(run_id)), text, moment

    insert = "INSERT INTO log (id, name, level, flow_run_id, message, timestamp) VALUES (?, ?, ?, ?, ?, ?)"
    with sqlite3.connect(database, timeout=60) as connection:
        for first in range(0, count, AT_ONCE):
            connection.executemany(insert, [row(number) for number in range(first, min(count, first + AT_ONCE))])
            connection.commit()
    connection.close()


def _row(name: str, taken: list[float], goal: str = "") -> str:
    steady = sorted(taken)
    return f"| {name} | {len(taken)} | {statistics.median(steady):.0f} | {p95(steady):.0f} | {goal} |"


def _timed(client: httpx.Client, path: str, repeats: int = REPEATS, **query: Any) -> tuple[list[float], Any]:
    taken: list[float] = []
    answer: Any = None
    for _ in range(repeats):
        began = time.perf_counter()
        answer = client.get(path, params=query).raise_for_status().json()
        taken.append((time.perf_counter() - began) * 1000)
    return taken, answer


def _measure(stack: Stack, run_id: str, lines: int) -> list[str]:
    path = f"/api/jobs/{run_id}/logs"
    adapter = psutil.Process(stack.pid_of("serve"))
    before = peak = adapter.memory_info().rss
    with httpx.Client(base_url=stack.api_url, timeout=60) as client:
        client.get(f"/api/jobs/{run_id}").raise_for_status()
        first, answer = _timed(client, path, 1, order="desc", limit=200)
        assert answer["logs"][0]["message"].startswith(f"Processing event {lines - 1}/"), answer["logs"][0]
        rows = [_row("tail, nothing copied yet", first, f"<= {GOAL_MS}")]
        began, meanwhile = time.monotonic(), list[float]()
        while not answer["complete"]:
            time.sleep(1)
            taken, answer = _timed(client, path, 1, order="desc", limit=200)
            meanwhile += taken
            peak = max(peak, adapter.memory_info().rss)
        copied = time.monotonic() - began
        if meanwhile:
            rows.append(_row("tail, while the rest is copied", meanwhile, f"<= {GOAL_MS}"))
        assert answer["total_lines"] == lines, answer["total_lines"]
        middle = client.get(path, params={"order": "desc", "limit": 1, "level": "ERROR"}).json()["logs"][0]["seq"]
        questions: list[tuple[str, dict[str, Any], str]] = [
            ("tail of 200", {"order": "desc", "limit": 200}, f"<= {GOAL_MS}"),
            ("200 lines in front of a number", {"order": "desc", "before": middle // 2, "limit": 200}, ""),
            ("200 lines behind a number", {"after": lines // 2, "limit": 200}, ""),
            ("the newest 200 errors", {"order": "desc", "level": "ERROR", "limit": 200}, ""),
            ("a common word, newest 200", {"order": "desc", "contains": "NETWORK", "limit": 200}, ""),
            ("a rare text", {"contains": f"event {lines // 2}/", "limit": 200}, ""),
            ("a text that no line holds", {"contains": "no such text", "limit": 200}, ""),
        ]
        for name, query, goal in questions:
            taken, _ = _timed(client, path, 5 if "text" in name else REPEATS, **query)
            rows.append(_row(name, taken, goal))
            peak = max(peak, adapter.memory_info().rss)
        began, first_byte, size = time.perf_counter(), 0.0, 0
        with client.stream("GET", f"{path}/download") as file:
            for chunk in file.iter_bytes():
                first_byte = first_byte or (time.perf_counter() - began) * 1000
                size += len(chunk)
                peak = max(peak, adapter.memory_info().rss)
        took = time.perf_counter() - began
    return [
        "| question | n | p50 ms | p95 ms | goal p95 ms |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"Copied and proved whole in {copied:.0f} s. Download of {size / 2**20:.0f} MiB: first byte after "
        f"{first_byte:.0f} ms, all in {took:.1f} s. Peak memory of the adapter above its start: "
        f"{(peak - before) / 2**20:.0f} MiB.",
    ]


def measure(lines: int) -> str:
    """The table, as Markdown."""
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-") as folder, running_stack(Path(folder)) as stack:
        run_id = asyncio.run(ended_run(stack.prefect_api_url))
        write_lines(stack.data_dir / "prefect.db", run_id, lines)
        time.sleep(20)  # the job is over for long: no more lines are expected
        return "\n".join([f"A log of {lines:,} lines, over HTTP, on SQLite.", "", *_measure(stack, run_id, lines)])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    print(measure(parser.parse_args().lines))


if __name__ == "__main__":
    main()
