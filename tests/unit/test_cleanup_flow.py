"""The cleanup job: what is old goes, what is held, written or somebody else's stays."""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from prefect_jobs.events import Detection, Event, open_event_store
from prefect_jobs.events.models import Audit
from prefect_jobs.events.retention import remove_old_events
from prefect_jobs.events.selection import EventSelection
from prefect_jobs.export_terms import ExportTerms, write_terms
from prefect_jobs.finished_files import new_finished_file
from prefect_jobs.kit.stop_flag import JobStopped
from prefect_jobs.scratch import scratch_folder
from tests.unit.job_bodies import body, stopping_at

cleanup = body("cleanup")
NOW = datetime.now(UTC) - timedelta(minutes=1)
NAMES = [f"events_export_20260304_081552_{number:08x}.csv" for number in range(20)]


@pytest.fixture
def data(tmp_path: Path, events_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_JOBS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", events_url)
    for folder in ("exports", "uploads", "backups", "scratch"):
        (tmp_path / folder).mkdir()
    return tmp_path


def put_events(url: str, *days_old: float, detections: int = 2) -> None:
    with open_event_store(url) as store, store.writing() as connection:
        for number, days in enumerate(days_old, 1):
            started = NOW - timedelta(days=days)
            event = {"id": number, "batch_id": "b", "camera_id": "c", "started_at": started, "reviewed": False}
            connection.execute(insert(Event), [event | {"summary": "x" * 500}])
            seen = {"event_id": number, "object_type": "cat", "confidence": 0.9, "detected_at": started}
            box = {"box_x": 1, "box_y": 1, "box_width": 1, "box_height": 1}
            connection.execute(insert(Detection), [seen | box] * detections)
            audit = {"event_id": number, "run_id": "r", "audited_at": NOW, "verdict": "passed", "findings": "[]"}
            connection.execute(insert(Audit), [audit | {"engine": "rules"}])


def held(url: str) -> tuple[list[int], int, list[int]]:
    """Ids of events, number of detections, and what the export says of each event's number of detections."""
    with open_event_store(url) as store, store.snapshot() as connection:
        ids = list(connection.execute(select(Event.id).order_by(Event.id)).scalars())
        detections = connection.execute(select(func.count()).select_from(Detection)).scalar_one()
        rows = [row for batch in EventSelection().rows(connection, 100) for row in batch]
    return ids, detections, [row[7] for row in rows]


def put_file(folder: Path, name: str, days_old: float, size: int = 100) -> Path:
    path = folder / name
    path.write_bytes(b"x" * size)
    at = (NOW - timedelta(days=days_old)).timestamp()
    os.utime(path, (at, at))
    return path


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_old_events_go_with_everything_that_belongs_to_them(data: Path, events_url: str) -> None:
    put_events(events_url, 400, 366, 364, 1)
    result = cleanup(event_days=365, detection_days=None)
    assert (result["events_deleted"], result["detections_deleted"]) == (2, 4)
    assert held(events_url)[:2] == ([3, 4], 4)


def test_old_detections_go_and_their_events_keep_the_number(data: Path, events_url: str) -> None:
    put_events(events_url, 100, 91, 89)
    result = cleanup(detection_days=90)
    assert (result["events_deleted"], result["detections_deleted"]) == (0, 4)
    assert held(events_url) == ([1, 2, 3], 2, [2, 2, 2])
    assert cleanup(detection_days=90)["detections_deleted"] == 0


def test_more_than_a_batch_goes_in_batches_and_a_stop_leaves_whole_ones(data: Path, events_url: str) -> None:
    put_events(events_url, *([400] * 1_100), detections=1)
    with stopping_at(1), pytest.raises(JobStopped):
        cleanup(detection_days=None)
    ids, detections, _ = held(events_url)
    assert (len(ids), detections) == (100, 100)
    result = cleanup(detection_days=None)
    assert result["events_deleted"] == 100
    assert result["space_reclaimed"] > 100 * 500
    assert held(events_url)[0] == []


def test_a_dry_run_foresees_the_same_numbers_and_removes_nothing(data: Path, events_url: str) -> None:
    put_events(events_url, 400, 100, 1)
    put_file(data / "exports", NAMES[0], 31)
    put_file(data / "uploads", "a.upload", 8)
    said = cleanup(dry_run=True)
    assert held(events_url)[:2] == ([1, 2, 3], 6)
    assert NAMES[0] in names(data / "exports")
    done = cleanup()
    assert {**said, "space_reclaimed": 0, "dry_run": False} == {**done, "space_reclaimed": 0}
    assert (done["events_deleted"], done["detections_deleted"]) == (1, 4)
    assert (done["export_files_deleted"], done["temporary_files_deleted"]) == (1, 1)
    assert said["space_reclaimed"] == 200


def test_without_days_nothing_goes(data: Path, events_url: str) -> None:
    put_events(events_url, 4_000)
    put_file(data / "exports", NAMES[0], 4_000)
    cleanup(event_days=None, detection_days=None, export_days=None)
    assert held(events_url)[:2] == ([1], 2)
    assert names(data / "exports") == {NAMES[0]}


def test_export_files_go_by_their_own_days_and_never_under_legal_hold(data: Path) -> None:
    exports = data / "exports"

    def put(number: int, days_old: float, **terms: Any) -> None:
        put_file(exports, NAMES[number], days_old)
        if terms:
            write_terms(exports, NAMES[number], ExportTerms("job", **terms))

    put(0, 31)
    put(1, 29)
    put(2, 31, retention_days=60)
    put(3, 4, retention_days=3)
    put(4, 4_000, legal_hold=True, retention_days=1)
    put(5, 4_000, legal_hold=True)
    (exports / f".{NAMES[5]}.terms").write_text("damaged")
    result = cleanup()
    assert (result["export_files_deleted"], result["space_reclaimed"]) == (2, 200)
    left = {name for name in names(exports) if not name.startswith(".")}
    assert left == {NAMES[number] for number in (1, 2, 4, 5)}
    assert f".{NAMES[3]}.terms" not in names(exports)
    assert f".{NAMES[4]}.terms" in names(exports)


def test_reports_that_jobs_published_are_old_some_day_too(data: Path) -> None:
    put_file(data / "exports", "import_report_5d1c0f4e.csv", 31)
    assert cleanup()["export_files_deleted"] == 1


def test_nothing_that_is_not_a_jobs_own_is_touched(data: Path) -> None:
    outside = put_file(data, "precious.txt", 4_000)
    (data / "exports" / NAMES[0]).symlink_to(outside)
    (data / "uploads" / "link.upload").symlink_to(outside)
    (data / "scratch" / "job-link").symlink_to(data / "backups")
    folder = data / "exports" / NAMES[1]
    folder.mkdir()
    put_file(data / "exports", "notes.txt", 4_000)
    put_file(data / "backups", "backup_20200304_081552_5d1c0f4e.zip", 4_000)
    put_file(data / "uploads", "notes.txt", 4_000)
    before = {path: path.lstat().st_mtime for path in data.rglob("*") if path.suffix not in (".db", ".db-wal")}
    result = cleanup()
    assert (result["export_files_deleted"], result["temporary_files_deleted"]) == (0, 0)
    assert [path for path in before if not path.is_symlink() and not path.exists()] == []
    assert outside.read_bytes() == b"x" * 100


def test_what_a_job_writes_or_reads_at_this_moment_stays(data: Path) -> None:
    upload = put_file(data / "uploads", "a.upload", 8)
    with (
        new_finished_file(data / "exports", NAMES[0]) as file,
        new_finished_file(data / "backups", "backup_20260304_081552_5d1c0f4e.zip"),
        scratch_folder(data / "scratch") as scratch,
        upload.open("rb") as reading,
    ):
        fcntl.flock(reading, fcntl.LOCK_SH)
        (scratch / "half").write_text("half")
        file.write(b"half")
        assert cleanup()["temporary_files_deleted"] == 0
        assert (scratch / "half").exists()
    assert names(data / "exports") == {NAMES[0]}
    assert upload.exists()


def test_what_killed_jobs_left_goes(data: Path) -> None:
    put_file(data / "exports", f".{NAMES[0]}.part", 0, size=10)
    put_file(data / "backups", ".backup_20260304_081552_5d1c0f4e.zip.part", 0, size=20)
    left = data / "scratch" / "job-0123"
    left.mkdir()
    put_file(left, "copy.db", 0, size=30)
    result = cleanup()
    assert (result["temporary_files_deleted"], result["space_reclaimed"]) == (3, 60)
    assert names(data / "scratch") == names(data / "exports") == names(data / "backups") == set()


def test_readers_and_writers_go_on_between_two_batches(events_url: str) -> None:
    put_events(events_url, *([400] * 600), detections=1)
    with open_event_store(events_url) as store:
        removing = remove_old_events(store, NOW - timedelta(days=365))
        assert next(removing).events == 500
        with store.writing() as connection:
            row = {"batch_id": "b", "camera_id": "c", "started_at": NOW, "reviewed": False}
            connection.execute(insert(Event), [row])
        assert sum(removed.events for removed in removing) == 100
    assert len(held(events_url)[0]) == 1


def test_the_steps_are_those_of_the_contract(data: Path, reports: list[tuple[int, str | None]]) -> None:
    cleanup()
    assert reports == [
        (5, "Scanning for files to delete"),
        (15, "Deleting old detections"),
        (30, "Deleting old events"),
        (70, "Deleting old export files"),
        (85, "Deleting temporary files"),
    ]
