"""The export job's own code, called as a plain function on a small store."""

import csv
import io
import json
import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.events import open_event_store
from prefect_jobs.events.sample import write_sample
from prefect_jobs.events.selection import EventSelection
from prefect_jobs.export_terms import read_terms
from prefect_jobs.exports import EXPORT_FILE_NAME
from prefect_jobs.kit.stop_flag import JobStopped
from tests.unit.job_bodies import body, stopping_at

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
export = body("export")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('events') / 'events.db'}"
    write_sample(url, 1_000, 7, now=NOW)
    return url


@pytest.fixture
def exports(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", database)
    monkeypatch.setenv("PREFECT_JOBS_EXPORTS_DIR", str(tmp_path / "exports"))
    return tmp_path / "exports"


def content(exports: Path, result: dict[str, Any]) -> bytes:
    return (exports / Path(result["file_path"]).name).read_bytes()


def event_ids(exports: Path, result: dict[str, Any]) -> list[int]:
    return [event["event_id"] for event in json.loads(content(exports, result))]


def selected_ids(database: str, selection: EventSelection) -> list[int]:
    with open_event_store(database) as store, store.snapshot() as connection:
        return [row[0] for batch in selection.rows(connection, 100) for row in batch]


@pytest.mark.usefixtures("exports")
def test_progress_goes_through_the_steps_of_the_contract(reports: list[tuple[int, str | None]]) -> None:
    count = export(format="json")["event_count"]
    assert 900 < count < 1_000
    assert reports == [
        (0, "Starting json export..."),
        (10, f"Found {count} events to export"),
        *((10 + 70 * i // count, f"Processing event {i}/{count}") for i in range(100, count + 1, 100)),
        (80, "Writing JSON file..."),
        (95, "Finalizing export..."),
    ]


def test_the_result_names_a_file_that_is_there(exports: Path) -> None:
    for format in ("csv", "json", "zip"):
        result = export(format=format)
        folder, name = result["file_path"].rsplit("/", 1)
        assert folder == "/api/exports"
        assert EXPORT_FILE_NAME.fullmatch(name)
        assert name.endswith(f".{format}")
        assert result["file_size"] == len(content(exports, result))
        assert result["format"] == format


def test_the_three_formats_hold_the_same_events(exports: Path, database: str) -> None:
    expected = selected_ids(database, EventSelection())
    assert event_ids(exports, export(format="json")) == expected
    rows = csv.DictReader(io.StringIO(content(exports, export(format="csv")).decode(), newline=""))
    assert [int(row["Event ID"]) for row in rows] == expected
    result = export(format="zip")
    with zipfile.ZipFile(io.BytesIO(content(exports, result))) as archive:
        assert archive.namelist() == [Path(result["file_path"]).with_suffix(".json").name]
        assert [event["event_id"] for event in json.loads(archive.read(archive.namelist()[0]))] == expected


def test_no_events_make_an_empty_file_and_a_good_end(exports: Path, reports: list[tuple[int, str | None]]) -> None:
    result = export(format="json", camera_id="nowhere")
    assert result["event_count"] == 0
    assert content(exports, result) == b"[]"
    assert reports == [(0, "Starting json export..."), (50, "No events to export")]


def test_filters_reach_the_selection(exports: Path, database: str) -> None:
    start, end = NOW - timedelta(days=9), datetime(2026, 3, 1)  # noqa: DTZ001  # read as UTC, as the contract says
    result = export("json", camera_id="front-door", risk_level="low", start_date=start, end_date=end, reviewed=True)
    expected = selected_ids(database, EventSelection("front-door", "low", start, end.replace(tzinfo=UTC), True))
    assert event_ids(exports, result) == expected
    assert expected


def test_an_excel_export_is_a_workbook(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_JOBS_DATA_DIR", str(exports.parent))
    result = export(format="excel", camera_id="garage")
    assert result["file_path"].endswith(".xlsx")
    with zipfile.ZipFile(io.BytesIO(content(exports, result))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 1 + result["event_count"] > 1
    assert list((exports.parent / "scratch").iterdir()) == []


def test_alerts_are_events_of_a_high_or_critical_risk(exports: Path, database: str) -> None:
    expected = {id for level in ("high", "critical") for id in selected_ids(database, EventSelection(risk_level=level))}
    assert set(event_ids(exports, export(format="json", export_type="alerts"))) == expected
    assert expected


def test_chosen_columns_reach_the_file(exports: Path) -> None:
    result = export(format="csv", columns=["camera_name", "event_id"])
    assert content(exports, result).startswith(b"Camera,Event ID\r\n")


def test_an_unknown_column_fails_before_any_file_work(exports: Path) -> None:
    with pytest.raises(ValueError, match="There is no column password"):
        export(columns=["password"])
    assert not exports.exists()


def test_what_was_promised_of_a_file_lies_beside_it(exports: Path) -> None:
    result = export(format="json", retention_days=30, legal_hold=True, compliance_metadata={"case": "A-17"})
    name = Path(result["file_path"]).name
    terms = read_terms(exports, name)
    assert terms is not None
    assert (terms.retention_days, terms.legal_hold, terms.compliance_metadata) == (30, True, {"case": "A-17"})
    assert terms.job_id.startswith(name.removesuffix(".json")[-8:])
    assert EXPORT_FILE_NAME.fullmatch(f".{name}.terms") is None


def test_an_export_that_is_asked_to_stop_leaves_no_file_and_no_terms(exports: Path) -> None:
    with stopping_at(0), pytest.raises(JobStopped):
        export(format="csv", legal_hold=True)
    assert os.listdir(exports) == []


def test_an_unsupported_format_fails_before_any_file_work(exports: Path) -> None:
    with pytest.raises(ValueError, match=r"^Unsupported export format: xlsx$"):
        export(format="xlsx")
    assert not exports.exists()


def test_yesterday_is_the_utc_day_before(
    exports: Path, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'recent.db'}"
    write_sample(url, 1_000, 7, now=datetime.now(UTC))
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", url)
    asked = datetime.now(UTC)
    events = json.loads(content(exports, export(format="json", period="yesterday")))
    days = {event["started_at"][:10] for event in events}
    # The clock decides which day is yesterday, and midnight may have passed while the export ran.
    assert days in [{f"{now - timedelta(days=1):%Y-%m-%d}"} for now in (asked, datetime.now(UTC))]


def test_a_period_and_dates_contradict_each_other(exports: Path) -> None:
    with pytest.raises(ValueError, match="period cannot be combined"):
        export(period="yesterday", start_date=NOW)
    assert not exports.exists()


def test_an_export_that_breaks_leaves_nothing(exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store breaks in the middle: here a text that is no UTF-8, written by a program without manners."""
    url = f"sqlite:///{tmp_path / 'broken.db'}"
    write_sample(url, 500, 7, now=NOW)
    with open_event_store(url) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE event SET deleted_at = NULL, summary = CAST(x'ff' AS TEXT) WHERE id = 100")
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", url)
    with pytest.raises(Exception, match="UTF-8"):
        export(format="csv")
    assert os.listdir(exports) == []
