"""How much slower than the `sqlite3` command line is the export job, and how much memory does it take?

Both write the same join of the same sample events to a CSV file, in turns, on the same disk. The job is measured by its
own function, from its first line to the rename of the file; Prefect's start-up is apart. Prints Markdown table rows.

    python benchmarks/export_csv.py [--count 1000000] [--rounds 3]
"""

import argparse
import csv
import importlib.util
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from prefect_jobs.events import open_event_store
from prefect_jobs.events.sample import write_sample
from prefect_jobs.events.selection import EventSelection

FLOW = Path(__file__).resolve().parents[1] / "flows" / "export.py"
RATIO_GOAL = 2.0
MEMORY_GOAL_MB = 200
SAMPLE_GOAL_SECONDS = 120
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="sample events (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; the medians count (default: 3)")
    parser.add_argument("--run-export", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_export:
        return run_export()
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-") as folder:
        compare(Path(folder), options.count, options.rounds)


def compare(folder: Path, count: int, rounds: int) -> None:
    database = folder / "events.db"
    started = time.perf_counter()
    write_sample(f"sqlite:///{database}", count, 1, now=datetime.now(UTC))
    sample_seconds = time.perf_counter() - started
    with open_event_store(f"sqlite:///{database}") as store:
        sql = str(EventSelection().statement().compile(store.engine, compile_kwargs={"literal_binds": True}))
    line, job, memory = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        line.append(run_command_line(database, sql, folder / "line.csv"))
        measured = run_export_apart(folder, database)
        job.append(measured["seconds"])
        memory.append(measured["peak_mb"])
        same_rows(folder / "line.csv", folder / "exports" / measured["file"])
        (folder / "exports" / measured["file"]).unlink()
    line_seconds, job_seconds = statistics.median(line), statistics.median(job)
    print("| Measure | Value | Goal |")
    print("|---|---|---|")
    print(f"| export of {count:,} events to CSV, against `sqlite3 -csv` of the same join, ratio ", end="")
    print(f"| {job_seconds / line_seconds:.2f} ({job_seconds:.1f} s, {line_seconds:.1f} s) | ≤ {RATIO_GOAL:g} |")
    print(f"| its peak memory above its start | {max(memory):.0f} MB | ≤ {MEMORY_GOAL_MB} MB |")
    print(f"| writing {count:,} sample events | {sample_seconds:.0f} s | ≤ {SAMPLE_GOAL_SECONDS} s per million |")
    print(f"\nMedians of {rounds}. {machine()}")


def run_command_line(database: Path, sql: str, output: Path) -> float:
    """Seconds that the command line takes."""
    with output.open("wb") as file:
        started = time.perf_counter()
        subprocess.run(["sqlite3", "-csv", "-header", str(database), sql], stdout=file, check=True)
        return time.perf_counter() - started


def run_export_apart(folder: Path, database: Path) -> dict[str, float | str]:
    """What `run_export` measures in a process of its own."""
    environment = os.environ | {
        "PREFECT_JOBS_EVENTS_URL": f"sqlite:///{database}",
        "PREFECT_JOBS_EXPORTS_DIR": str(folder / "exports"),
    }
    command = [sys.executable, __file__, "--run-export"]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def run_export() -> None:
    spec = importlib.util.spec_from_file_location("export", FLOW)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before = resident_mb()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    started = time.perf_counter()
    result = module.export.fn(format="csv")
    seconds = time.perf_counter() - started
    file = Path(result["file_path"]).name
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb() - before, "file": file}))


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def same_rows(one: Path, other: Path) -> None:
    """Stop unless both files hold the same events in the same order."""
    with one.open(newline="", encoding="utf-8") as left, other.open(newline="", encoding="utf-8") as right:
        for number, (a, b) in enumerate(zip(csv.reader(left), csv.reader(right), strict=True)):
            if number and (a[0], a[2]) != (b[0], b[2]):
                sys.exit(f"Row {number} differs: {a} and {b}")


def machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / 2**30
    line = subprocess.run(["sqlite3", "--version"], capture_output=True, text=True, check=True).stdout.split()[0]
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version} (command line {line})"
    return f"{versions}, {platform.system()}, {os.cpu_count()} cores, {memory:.0f} GiB."


if __name__ == "__main__":
    main()
