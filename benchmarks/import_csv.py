"""How much slower than the `sqlite3` command line's `.import` is the import job, and how much memory does it take?

Both bring the same CSV export into an empty event store with all its indexes, in turns, on the same disk. The command
line only parses; the job also judges every value, finds duplicates, looks up cameras and commits every thousand rows.
Prints Markdown table rows.

    python -m benchmarks.import_csv [--count 1000000] [--rounds 3]
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.export_csv import machine, peak_mb, resident_mb
from prefect_jobs.events import open_event_store
from prefect_jobs.events.sample import write_sample
from tests.flows.runs import load_flow

RATIO_GOAL = 6.0
MEMORY_GOAL_MB = 50
# What the command line needs: a table of the file's columns, and one statement that makes events of its rows.
COMMAND_LINE = """
.mode csv
.import {file} raw
INSERT INTO event (id, batch_id, camera_id, started_at, ended_at, risk_score, risk_level, summary, reasoning, reviewed,
                   is_fast_path, object_types, past_detections)
SELECT "Event ID", 'import-' || "Event ID", "Camera", "Started At", nullif("Ended At", ''), nullif("Risk Score", ''),
       nullif("Risk Level", ''), nullif("Summary", ''), nullif("Reasoning", ''), "Reviewed" = 'Yes', 0,
       nullif("Object Types", ''), "Detections" FROM raw;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="sample events (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; the medians count (default: 3)")
    parser.add_argument("--run-import", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_import:
        return run_import(options.run_import)
    with tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-") as folder:
        compare(Path(folder), options.count, options.rounds)


def compare(folder: Path, count: int, rounds: int) -> None:
    file = exported(folder, count)
    rows = 0
    line, first, again, memory = list[float](), list[float](), list[float](), list[float]()
    for number in range(rounds):
        line.append(run_command_line(empty_store(folder / f"line{number}.db"), file))
        store = folder / f"job{number}.db"
        for seconds in (first, again):
            measured = run_import_apart(folder, store, file)
            seconds.append(measured["seconds"])
            memory.append(measured["peak_mb"])
            rows = int(measured["rows"])
        same_number(folder / f"line{number}.db", store)
        for database in (folder / f"line{number}.db", store):
            database.unlink()
    job, sqlite, known = statistics.median(first), statistics.median(line), statistics.median(again)
    print("| Measure | Value | Goal |")
    print("|---|---|---|")
    print(f"| import of {rows:,} events from CSV, against `.import` of `sqlite3` into the same tables, ratio ", end="")
    print(f"| {job / sqlite:.2f} ({job:.0f} s, {sqlite:.0f} s) | ≤ {RATIO_GOAL:g} |")
    print(f"| rows a second | {rows / job:,.0f} | |")
    print(f"| the same file again, every event known, rows a second | {rows / known:,.0f} | |")
    print(f"| its peak memory above its start | {max(memory):.0f} MB | ≤ {MEMORY_GOAL_MB} MB |")
    print(f"\nMedians of {rounds}. {machine()}")


def exported(folder: Path, count: int) -> Path:
    """A CSV export of sample events."""
    database = folder / "sample.db"
    write_sample(f"sqlite:///{database}", count, 1, now=datetime.now(UTC))
    os.environ |= {
        "PREFECT_JOBS_EVENTS_URL": f"sqlite:///{database}",
        "PREFECT_JOBS_EXPORTS_DIR": str(folder / "imports"),
    }
    name = Path(load_flow("export").fn(format="csv")["file_path"]).name
    database.unlink()
    return folder / "imports" / name


def empty_store(database: Path) -> Path:
    open_event_store(f"sqlite:///{database}").close()
    return database


def run_command_line(database: Path, file: Path) -> float:
    """Seconds that the command line takes."""
    started = time.perf_counter()
    script = COMMAND_LINE.format(file=file)
    subprocess.run(["sqlite3", str(database)], input=script, text=True, check=True)
    return time.perf_counter() - started


def run_import_apart(folder: Path, database: Path, file: Path) -> dict[str, float]:
    """What `run_import` measures in a process of its own."""
    environment = os.environ | {
        "PREFECT_JOBS_EVENTS_URL": f"sqlite:///{database}",
        "PREFECT_JOBS_DATA_DIR": str(folder),
        "PREFECT_JOBS_IMPORTS_DIR": str(file.parent),
    }
    command = [sys.executable, "-m", "benchmarks.import_csv", "--run-import", file.name]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def run_import(name: str) -> None:
    body = load_flow("import_").fn
    before = resident_mb()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    started = time.perf_counter()
    result = body(path=name)
    seconds = time.perf_counter() - started
    assert result["rejected"] == 0, result
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb() - before, "rows": result["rows"]}))


def same_number(one: Path, other: Path) -> None:
    """Stop unless both stores hold as many events."""
    counts = list[int]()
    for database in (one, other):
        with sqlite3.connect(database) as connection:
            counts += connection.execute("SELECT count(*) FROM event").fetchone()
        connection.close()
    if len(set(counts)) > 1:
        sys.exit(f"The stores hold {counts} events")


if __name__ == "__main__":
    main()
