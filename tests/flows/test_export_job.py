"""The export on a real Prefect server, its files held against the database row by row."""

import csv
import functools
import io
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import State

from prefect_jobs.events.export_file import COLUMNS
from prefect_jobs.events.sample import write_sample
from tests.flows.runs import FLOWS, Prefect, load_flow
from tests.stack import eventually

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SLOW_DETECTIONS = """
    DROP TABLE detection;
    CREATE VIEW detection AS
        WITH RECURSIVE counted(event_id) AS (SELECT 1 UNION ALL SELECT event_id + 1 FROM counted LIMIT 20000)
        SELECT event_id FROM counted;
"""  # milliseconds an event, so that an export of thousands lasts until it is killed
KEYS = tuple(COLUMNS)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("events") / "events.db"
    write_sample(f"sqlite:///{file}", 2_500, 11, now=NOW)
    return file


@pytest.fixture
def environment(database: Path, exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", f"sqlite:///{database}")
    monkeypatch.setenv("PREFECT_JOBS_EXPORTS_DIR", str(exports))


def events_in(database: Path, where: str = "1") -> list[dict[str, Any]]:
    """What an export must hold, read without any of the export's code."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    cameras = dict(connection.execute("SELECT id, name FROM camera").fetchall())
    rows = connection.execute(f"SELECT * FROM event WHERE {where}").fetchall()
    counts = dict(connection.execute("SELECT event_id, count(*) FROM detection GROUP BY event_id").fetchall())
    connection.close()
    kept = sorted((row for row in rows if row["deleted_at"] is None), key=lambda row: (row["started_at"], row["id"]))
    return [
        {
            "event_id": row["id"],
            "camera_name": cameras.get(row["camera_id"], "Unknown"),
            "detection_count": counts.get(row["id"], 0),
            "reviewed": bool(row["reviewed"]),
        }
        | {key: row[key] for key in KEYS if key not in ("event_id", "camera_name", "detection_count", "reviewed")}
        for row in reversed(kept)
    ]


def as_csv_cells(event: dict[str, Any]) -> list[str]:
    cells: list[str] = []
    for key in KEYS:
        value = event[key]
        text = "" if value is None else {True: "Yes", False: "No"}[value] if key == "reviewed" else str(value)
        cells.append(f"'{text}" if text.startswith(FORMULA_STARTS) else text)
    return cells


def finished(**parameters: Any) -> tuple[str, dict[str, Any]]:
    """Run the export; the run's id and its result."""
    state: State[Any] = load_flow("export")(**parameters, return_state=True)
    assert state.is_completed(), state.message
    return str(state.state_details.flow_run_id), state.result()


def file_of(exports: Path, result: dict[str, Any]) -> bytes:
    return (exports / Path(result["file_path"]).name).read_bytes()


@pytest.mark.usefixtures("prefect", "environment")
def test_a_csv_file_holds_every_event_row_by_row(database: Path, exports: Path) -> None:
    run_id, result = finished(format="csv")
    expected = events_in(database)
    content = file_of(exports, result)
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert rows[0][0] == "Event ID"
    assert rows[1:] == [as_csv_cells(event) for event in expected]
    assert (result["event_count"], result["file_size"]) == (len(expected), len(content))
    assert f"_{run_id[:8]}.csv" in result["file_path"]


@pytest.mark.usefixtures("prefect", "environment")
def test_a_json_file_holds_every_event_row_by_row(database: Path, exports: Path) -> None:
    _, result = finished(format="json")
    assert json.loads(file_of(exports, result)) == events_in(database)


@pytest.mark.usefixtures("prefect", "environment")
def test_a_zip_file_holds_the_filtered_events_row_by_row(database: Path, exports: Path) -> None:
    day = datetime(2026, 3, 1)  # noqa: DTZ001  # without offset: read as UTC
    _, result = finished(format="zip", camera_id="driveway", reviewed=False, start_date=day)
    with zipfile.ZipFile(io.BytesIO(file_of(exports, result))) as archive:
        (member,) = archive.namelist()
        events = json.loads(archive.read(member))
    assert member == Path(result["file_path"]).with_suffix(".json").name
    assert events == events_in(database, "camera_id = 'driveway' AND NOT reviewed AND started_at >= '2026-03-01'")
    assert events


@pytest.mark.usefixtures("environment")
def test_a_run_tells_progress_result_and_log_lines(prefect: Prefect) -> None:
    run_id, result = finished(format="csv")
    assert prefect.label(run_id, "kit") == 1
    assert prefect.label(run_id, "result") == {"attempt": 1, "result": result}
    last = {"percent": 95, "message": "Finalizing export...", "attempt": 1}
    assert {**prefect.label(run_id, "progress"), "at": None} == last | {"at": None}
    events = eventually(lambda: prefect.progress_events(run_id), within=30)
    assert {**events[-1], "at": None} == last | {"at": None}
    assert [event["percent"] for event in events] == sorted(event["percent"] for event in events)
    lines = [line for line in _lines(prefect, run_id, "Job completed successfully in") if line[1].startswith("Job ")]
    assert [level for level, _ in lines] == [logging.INFO, logging.INFO]
    assert lines[0][1] == "Job started: export"


@pytest.mark.usefixtures("environment")
def test_no_events_are_a_success_with_an_empty_file(prefect: Prefect, exports: Path) -> None:
    run_id, result = finished(format="json", camera_id="nowhere")
    assert result["event_count"] == 0
    assert file_of(exports, result) == b"[]"
    assert prefect.label(run_id, "progress")["message"] == "No events to export"


@pytest.mark.usefixtures("environment")
def test_an_unsupported_format_fails_the_run_and_writes_nothing(prefect: Prefect, exports: Path) -> None:
    state: State[Any] = load_flow("export")(format="parquet", return_state=True)
    assert state.is_failed()
    assert "Unsupported export format: parquet" in str(state.message)
    run_id = str(state.state_details.flow_run_id)
    assert prefect.label(run_id, "result") is None
    assert (logging.ERROR, "Job failed: Unsupported export format: parquet") in _lines(prefect, run_id, "Job failed")
    assert not exports.exists()


@pytest.mark.usefixtures("prefect", "environment")
def test_exports_at_the_same_moment_have_files_of_their_own(exports: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(copy_context().run, finished, format="json") for _ in range(4)]
        results = [future.result() for future in running]
    assert len({result["file_path"] for _, result in results}) == 4
    assert len({file_of(exports, result) for _, result in results}) == 1


@pytest.mark.usefixtures("environment")
def test_the_flow_file_runs_as_a_script(prefect: Prefect, exports: Path) -> None:
    subprocess.run([sys.executable, FLOWS / "export.py"], env=_environment(prefect), check=True, capture_output=True)
    assert [Path(name).suffix for name in os.listdir(exports)] == [".csv"]


@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.usefixtures("environment")
def test_an_export_that_is_killed_leaves_no_final_file(
    prefect: Prefect, exports: Path, tmp_path: Path, deadly: signal.Signals
) -> None:
    url = f"sqlite:///{tmp_path / 'slow.db'}"
    write_sample(url, 3_000, 3, now=NOW)
    with sqlite3.connect(tmp_path / "slow.db") as connection:
        connection.executescript(SLOW_DETECTIONS)
    connection.close()
    environment = _environment(prefect) | {"PREFECT_JOBS_EVENTS_URL": url}
    process = subprocess.Popen(
        [sys.executable, FLOWS / "export.py"],
        env=environment,
        stderr=subprocess.DEVNULL,
        # What a shell puts into the background ignores Ctrl-C, and so would what these tests start there.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    while not (exports.exists() and os.listdir(exports)):
        assert process.poll() is None
    process.send_signal(deadly)
    process.wait()
    assert [name for name in os.listdir(exports) if not name.endswith(".part")] == []
    if deadly == signal.SIGINT:
        assert os.listdir(exports) == []


def _environment(prefect: Prefect) -> dict[str, str]:
    return os.environ | {"PREFECT_API_URL": prefect.url}


def _lines(prefect: Prefect, run_id: str, last: str) -> list[tuple[int, str]]:
    """The run's log lines, once the one that begins as given has arrived."""

    def arrived() -> list[tuple[int, str]] | None:
        lines = prefect.log_lines(run_id)
        return lines if any(text.startswith(last) for _, text in lines) else None

    return eventually(arrived, within=30)
