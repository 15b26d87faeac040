"""The import job's own code: an export that comes back the same, and files that are good in part."""

import csv
import gzip
import io
import json
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.events import open_event_store
from prefect_jobs.events.incoming.records import UnreadableFile
from prefect_jobs.events.sample import write_sample
from prefect_jobs.events.selection import EventSelection
from prefect_jobs.kit.stop_flag import JobStopped
from tests.unit.job_bodies import body, stopping_at

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
EVENTS = 1_500
do_import, export = body("import_"), body("export")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('events') / 'events.db'}"
    write_sample(url, EVENTS, 7, now=NOW)
    return url


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_JOBS_DATA_DIR", str(tmp_path))
    for name in ("imports", "uploads"):
        (tmp_path / name).mkdir()
    return tmp_path


def exported(data: Path, url: str, format: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> bytes:
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", url)
    name = Path(export(format=format, **options)["file_path"]).name
    monkeypatch.delenv("PREFECT_JOBS_EVENTS_URL")
    return (data / "exports" / name).read_bytes()


def put(data: Path, content: bytes | str, name: str = "events.csv") -> str:
    (data / "imports" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def stored(data: Path) -> int:
    with open_event_store(f"sqlite:///{data / 'events.db'}") as store, store.snapshot() as connection:
        return EventSelection().count(connection)


def report(data: Path, result: dict[str, Any]) -> list[list[str]]:
    text = (data / "exports" / Path(result["report_path"]).name).read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("format", ["csv", "json", "zip"])
def test_an_export_imported_again_gives_the_same_events(
    data: Path, original: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte: the export of what was imported is the export that was imported."""
    content = exported(data, original, format, monkeypatch)
    result = do_import(path=put(data, content))
    assert (result["rejected"], result["skipped"], result["renumbered"]) == (0, 0, 0)
    assert result["rows"] == result["imported"] == stored(data) > 1_400
    again = "json" if format == "zip" else format
    url = f"sqlite:///{data / 'events.db'}"
    assert exported(data, url, again, monkeypatch) == exported(data, original, again, monkeypatch)


def test_an_export_imported_where_it_came_from_changes_nothing(
    data: Path, original: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = exported(data, original, "csv", monkeypatch)
    (tmp_path / "events.db").write_bytes(Path(original.removeprefix("sqlite:///")).read_bytes())
    result = do_import(path=put(data, content))
    assert result["skipped"] == result["rows"]
    assert exported(data, f"sqlite:///{tmp_path / 'events.db'}", "csv", monkeypatch) == content


def test_good_rows_are_kept_and_the_others_reported_with_line_column_and_reason(data: Path) -> None:
    rows = [
        "1,Front,2026-03-04T08:00:00Z,12,fine,blue",
        "2,Front,yesterday,120,=1+1,red",
        "3,Front,2026-03-04T08:02:00Z,13",
        "4,Front,2026-03-04T08:03:00Z,14,also fine,green",
    ]
    content = "\n".join(["event_id,camera_name,started_at,risk_score,summary,colour", *rows])
    result = do_import(path=put(data, content))
    assert result | {"rows": 4, "imported": 2, "rejected": 2, "ignored_columns": ["colour"], "dry_run": False} == result
    assert report(data, result) == [
        ["file", "line", "column", "reason"],
        ["", "3", "started_at", "It is no ISO 8601 time: 'yesterday'"],
        ["", "3", "risk_score", "It must be from 0 to 100, and is '120'"],
        ["", "4", "", "The row has 4 cells, and the heading 6"],
    ]
    assert stored(data) == 2


def test_text_in_another_encoding_is_reported_row_by_row(data: Path) -> None:
    text = "camera_name,started_at\nGarage,2026-03-04T08:00:00Z\nTür,2026-03-04T08:00:00Z\n"
    result = do_import(path=put(data, text.encode("latin-1")))
    assert (result["imported"], result["rejected"]) == (1, 1)
    assert report(data, result)[1][1:3] == ["3", "camera_name"]


def test_a_file_that_breaks_off_fails_the_job_and_keeps_what_came_before(data: Path) -> None:
    events = [{"camera_name": "A", "started_at": f"2026-03-04T08:00:{n:02}Z"} for n in range(60)]
    events[3]["started_at"] = "soon"
    name = put(data, json.dumps(events).encode()[:-10])
    message = (
        "ends before its JSON array does, in line 1. Of the rows before, 58 were imported, .* 1 rejected: /api/exp"
    )
    with pytest.raises(UnreadableFile, match=message) as caught:
        do_import(path=name)
    assert stored(data) == 58
    [listed] = [file for file in os.listdir(data / "exports") if file.startswith("import_report_")]
    assert listed in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        gzip.compress(b"a", mtime=0),
        gzip.compress(b"a", mtime=0x0D),
        b"PK\x03\x04broken",
    ],
)
def test_a_file_that_is_no_good_at_all_leaves_nothing(data: Path, content: bytes) -> None:
    """A gzip header holds a time, and for a part of each day that holds a carriage return.

    Python's CSV parser then complained of a `new-line character seen in unquoted field`, and the job said no more.
    """
    with pytest.raises(UnreadableFile, match=r"^The (file is empty|heading|archive is damaged)") as caught:
        do_import(path=put(data, content))
    assert "new-line" not in str(caught.value)
    assert not (data / "exports").exists()


def test_a_dry_run_says_what_would_happen(data: Path) -> None:
    name = put(data, "camera_name,started_at\nA,2026-03-04T08:00:00Z\nA,2026-03-04T08:00:00Z\nA,soon\n")
    said = do_import(path=name, dry_run=True)
    assert stored(data) == 0
    done = do_import(path=name)
    assert {**said, "dry_run": False, "report_path": None} == {**done, "report_path": None}
    assert (done["imported"], done["skipped"], done["rejected"]) == (1, 1, 1)


def test_an_import_that_is_asked_to_stop_keeps_whole_batches_and_can_be_started_again(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["A,soon"] + [f"A,2026-03-04T08:{n // 60:02}:{n % 60:02}Z" for n in range(2_500)]
    name = put(data, "\n".join(["camera_name,started_at", *lines]))
    with stopping_at(2), pytest.raises(JobStopped):
        do_import(path=name)
    assert stored(data) == 1_999
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(
        "Stopped after 2,000 rows: of those, 1,999 were imported, 0 updated, 0 skipped, 1 rejected: "
    )
    assert len(report(data, {"report_path": said.rpartition(" ")[2]})) == 2
    result = do_import(path=name)
    assert (result["skipped"], result["imported"], result["rejected"]) == (1_999, 501, 1)


def test_a_longer_file_takes_no_more_memory(data: Path) -> None:
    def peak(rows: int) -> int:
        line = '{{"camera_name": "{}", "started_at": "2026-03-04T{:02}:{:02}:{:02}Z"}}\n'
        lines = (line.format(rows, n // 3600, n // 60 % 60, n % 60) for n in range(rows))
        name = put(data, "".join(lines), f"{rows}.jsonl")
        tracemalloc.start()
        assert do_import(path=name)["imported"] == rows
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(10)  # loads what is loaded once
    assert peak(20_000) < 1.2 * peak(2_500)


def test_an_upload_goes_when_its_events_are_in(data: Path) -> None:
    upload = data / "uploads" / "one.upload"
    upload.write_text("camera_name,started_at\nA,2026-03-04T08:00:00Z\n")
    assert do_import(upload=upload.name, dry_run=True)["imported"] == 1
    assert upload.exists()
    assert do_import(upload=upload.name)["imported"] == 1
    assert not upload.exists()


def test_an_upload_stays_when_the_import_fails(data: Path) -> None:
    upload = data / "uploads" / "one.upload"
    upload.write_bytes(b"[")
    with pytest.raises(UnreadableFile):
        do_import(upload=upload.name)
    assert upload.exists()


def test_exactly_one_file_is_named(data: Path) -> None:
    for options in ({}, {"path": "a", "upload": "b"}):
        with pytest.raises(ValueError, match="either a path in the import folder or an upload"):
            do_import(**options)


def test_no_file_outside_of_the_import_folder_is_read(data: Path) -> None:
    (data / "secret.csv").write_text("camera_name,started_at\nA,2026-03-04T08:00:00Z\n")
    for options in ({"path": "../secret.csv"}, {"upload": "../secret.csv"}, {"path": str(data / "secret.csv")}):
        with pytest.raises(ValueError, match="There is no file"):
            do_import(**options)
