"""Backups made while others write, proven by reading them, and restored whole or not at all, between both databases."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from prefect_jobs.backups import BackupUnderWay, backup_name, remove_all_but, the_only_backup
from prefect_jobs.events import Event, open_event_store
from prefect_jobs.events.backup.archive import DamagedBackup, NewerBackup
from prefect_jobs.events.backup.consistent_copy import CopyDamaged, consistent_copy
from prefect_jobs.events.backup.stored_tables import TABLES
from prefect_jobs.events.models import Audit, Evaluation
from prefect_jobs.events.sample import write_sample
from prefect_jobs.kit.stop_flag import JobStopped
from tests.stack import clean_environment, eventually
from tests.unit.job_bodies import body, stopping_at

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
EVENTS = 300
backup, restore, export = body("backup"), body("restore"), body("export")
Change = Callable[[dict[str, bytes]], None]
Contents = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def data(tmp_path: Path, events_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, with a store of sample events and something in every other table."""
    use(monkeypatch, events_url, tmp_path)
    write_sample(events_url, EVENTS, 7, now=NOW)
    about = {"event_id": 1, "run_id": "r", "engine": "rules"}
    with open_event_store(events_url) as store, store.writing() as connection:
        connection.execute(insert(Audit), [about | {"audited_at": NOW, "verdict": "flagged", "findings": '[{"a": 1}]'}])
        scores = {
            "old_score": 10,
            "old_level": "low",
            "new_score": None,
            "new_level": None,
            "reason": "ü",
            "applied": False,
        }
        connection.execute(insert(Evaluation), [about | scores | {"evaluated_at": NOW}])
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path) -> None:
    monkeypatch.setenv("PREFECT_JOBS_DATA_DIR", str(folder))
    monkeypatch.setenv("PREFECT_JOBS_EVENTS_URL", url)


def contents(url: str) -> Contents:
    with open_event_store(url) as store, store.snapshot() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
            for name, table in TABLES.items()
        }


def clear(url: str) -> None:
    with open_event_store(url) as store, store.writing() as connection:
        for table in reversed(TABLES.values()):
            connection.execute(table.delete())


def damage(events_url: str) -> None:
    """Break a page of an index."""
    file = Path(events_url.removeprefix("sqlite:///"))
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_event_camera'").fetchone()
    connection.close()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * 4096)
        raw.write(b"\xff" * 512)


def archive_of(data: Path, result: dict[str, Any]) -> Path:
    return data / "backups" / result["file_name"]


def changed(archive: Path, change: Change) -> Path:
    """The archive with other members, its checksums of the ZIP format being right."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return archive


def without(member: str) -> Change:
    def change(members: dict[str, bytes]) -> None:
        del members[member]

    return change


def with_content(member: str, rewrite: Callable[[bytes], bytes]) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members[member] = rewrite(members[member])

    return change


def manifest_with(**fields: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | fields).encode()

    return change


def test_a_backup_holds_every_row_counted_and_with_its_checksum(data: Path, events_url: str) -> None:
    result = backup()
    file = archive_of(data, result)
    assert (result["file_size"], result["sha256"]) == (
        file.stat().st_size,
        hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    expected = contents(events_url)
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(archive.namelist()) == {"manifest.json", *(f"{name}.json" for name in TABLES)}
        for name, rows in expected.items():
            member = archive.read(f"{name}.json")
            assert len(json.loads(member)) == len(rows) == manifest["contents"][name]["count"] > 0
            assert hashlib.sha256(member).hexdigest() == manifest["contents"][name]["checksum"]
        first = json.loads(archive.read("events.json"))[0]
    assert first["started_at"] == expected["events"][0][3].isoformat(timespec="microseconds")
    assert (manifest["version"], result["manifest"]) == ("1.0", manifest)
    assert list((data / "scratch").glob("*")) == []


def test_a_restored_store_holds_the_same_rows_and_numbers_on(data: Path, events_url: str) -> None:
    before, result = contents(events_url), backup()
    clear(events_url)
    done = restore(backup=result["file_name"])
    assert contents(events_url) == before
    assert done["restored"] == {name: len(rows) for name, rows in before.items()}
    with open_event_store(events_url) as store, store.writing() as connection:
        row = {"batch_id": "b", "camera_id": "c", "started_at": NOW, "reviewed": False}
        connection.execute(insert(Event), [row])
        assert connection.execute(select(func.max(Event.id))).scalar() == EVENTS + 1


def test_what_a_restore_replaces_is_backed_up_first(data: Path, events_url: str) -> None:
    empty_url = f"sqlite:///{data / 'empty.db'}"
    before, result = contents(events_url), backup()
    clear(events_url)
    with open_event_store(events_url) as store, store.writing() as connection:
        connection.execute(insert(TABLES["cameras"]), [{"id": "late", "name": "Late"}])
    saved = restore(backup=result["file_name"])["backup_before"]
    assert contents(events_url) == before
    assert restore(backup=saved, backup_first=False)["restored"] | {"cameras": 1, "events": 0} == {
        **dict.fromkeys(TABLES, 0),
        "cameras": 1,
    }
    assert contents(events_url)["cameras"] == [("late", "Late")]
    assert not Path(empty_url.removeprefix("sqlite:///")).exists()


def test_what_others_write_meanwhile_is_in_the_backup_before_or_in_the_store(data: Path, events_url: str) -> None:
    """Of 614 events written during a restore 301 were in neither: they came between the saving and the replacing."""
    write_sample(events_url, 2_000, 8, now=NOW, append=True)
    result = backup()
    archived = {row[0] for row in contents(events_url)["events"]}
    written: list[str] = []
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        with open_event_store(events_url) as store:
            while not stop.is_set():
                batch_id = f"meanwhile {len(written)}"
                row = {"batch_id": batch_id, "camera_id": "c", "started_at": NOW, "reviewed": False}
                with store.writing() as connection:
                    connection.execute(insert(Event), [row])
                written.append(batch_id)
                if len(written) > 5:
                    begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        done = restore(backup=result["file_name"])
    finally:
        stop.set()
        writer.join()
    batch = [column.name for column in Event.__table__.columns].index("batch_id")
    in_store = {row[batch] for row in contents(events_url)["events"]} & set(written)
    with zipfile.ZipFile(data / "backups" / done["backup_before"]) as archive:
        saved = json.loads(archive.read("events.json"))
    in_backup = {row["batch_id"] for row in saved} & set(written)
    assert in_store | in_backup == set(written)
    assert not in_store & in_backup
    assert done["replaced"]["events"] == len(saved) == len(archived) + len(in_backup)
    assert len(in_backup) > 5


def test_a_damaged_store_is_replaced_when_nothing_of_it_is_to_be_saved(data: Path, events_url: str) -> None:
    if not events_url.startswith("sqlite"):
        pytest.skip("pages of SQLite")
    before, result = contents(events_url), backup()
    damage(events_url)
    with pytest.raises(CopyDamaged):
        restore(backup=result["file_name"])
    restore(backup=result["file_name"], backup_first=False)
    assert contents(events_url) == before


def test_a_backup_moves_a_store_to_another_database(
    data: Path, events_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--database=postgres` from PostgreSQL to SQLite and back."""
    before, result = contents(events_url), backup()
    other = f"sqlite:///{tmp_path / 'other.db'}"
    use(monkeypatch, other, data)
    restore(backup=result["file_name"], backup_first=False)
    assert contents(other) == before
    returned = backup()
    clear(events_url)
    use(monkeypatch, events_url, data)
    restore(backup=returned["file_name"], backup_first=False)
    assert contents(events_url) == before


def test_a_backup_is_of_one_moment_while_others_write(data: Path, events_url: str) -> None:
    """A writer changes all rows at once, again and again: a backup that mixes moments has two scores."""
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        with open_event_store(events_url) as store:
            score = 0
            while not stop.is_set():
                score = (score + 1) % 100
                with store.writing() as connection:
                    connection.execute(update(Event).values(risk_score=score))
                    connection.execute(update(Audit).values(verdict=str(score)))
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    written.wait()
    try:
        results = [backup() for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    for result in results:
        with zipfile.ZipFile(archive_of(data, result)) as archive:
            scores = {str(event["risk_score"]) for event in json.loads(archive.read("events.json"))}
            verdicts = {audit["verdict"] for audit in json.loads(archive.read("audits.json"))}
        assert len(scores) == 1
        assert scores == verdicts


@pytest.mark.only_on("sqlite")
def test_the_copy_of_a_busy_store_is_of_one_moment_and_comes_to_an_end(data: Path, events_url: str) -> None:
    """Without a reading transaction around it, SQLite's online backup would begin anew after each of these writes."""
    with open_event_store(events_url) as store:
        scores = iter(range(1, 100))

        def write() -> None:
            with store.writing() as connection:
                connection.execute(update(Event).values(risk_score=next(scores)))

        write()
        with consistent_copy(store, data / "scratch", write, pages=10) as copy:
            assert copy.execute(select(Event.risk_score).distinct()).scalars().all() == [1]
        assert next(scores) > 5


def test_the_oldest_backups_go_and_nothing_else(data: Path) -> None:
    folder = data / "backups"
    folder.mkdir()
    names = [f"backup_2026030{day}_081552_5d1c0f4e.zip" for day in range(1, 6)]
    for name in [*names, "notes.zip", ".backup_20260301_081552_5d1c0f4e.zip.part"]:
        (folder / name).write_bytes(b"x")
    (folder / names[0]).unlink()
    (folder / names[0]).symlink_to(data / "precious")
    assert remove_all_but(folder, 3) == [names[1]]
    assert set(os.listdir(folder)) == {*names[2:], names[0], "notes.zip", ".backup_20260301_081552_5d1c0f4e.zip.part"}
    result = backup(keep=1)
    assert result["removed"] == names[2:]
    assert archive_of(data, result).exists()


def test_two_backups_never_run_at_once(data: Path) -> None:
    with the_only_backup(data / "backups"), pytest.raises(BackupUnderWay):
        backup()
    with the_only_backup(data / "backups"), pytest.raises(BackupUnderWay):
        export(export_type="full_backup")
    assert backup()["file_name"]


def test_a_name_tells_time_in_utc_and_run(data: Path) -> None:
    from uuid import UUID

    run = UUID("5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10")
    assert backup_name(run, NOW) == "backup_20260304_081500_5d1c0f4e.zip"


@pytest.mark.parametrize("checkpoint", [0, 1, 4, 9])
def test_a_backup_that_is_asked_to_stop_leaves_nothing(data: Path, checkpoint: int) -> None:
    with stopping_at(checkpoint), pytest.raises(JobStopped):
        backup()
    assert os.listdir(data / "backups") == []
    assert list((data / "scratch").glob("*")) == []


@pytest.mark.parametrize("checkpoint", [0, 3, 8, 9])
def test_a_restore_that_is_asked_to_stop_leaves_the_store_as_it_was(
    data: Path, events_url: str, checkpoint: int
) -> None:
    result = backup()
    with open_event_store(events_url) as store, store.writing() as connection:
        connection.execute(update(Event).values(risk_score=1))
    before = contents(events_url)
    with stopping_at(checkpoint), pytest.raises(JobStopped):
        restore(backup=result["file_name"], backup_first=False)
    assert contents(events_url) == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without("manifest.json"), "no item named 'manifest.json'"),
        (with_content("manifest.json", lambda _: b"{"), "its manifest cannot be read"),
        (with_content("manifest.json", lambda _: b"[]"), "it is no object"),
        (manifest_with(version="2.0"), "its version is '2.0'"),
        (with_content("manifest.json", lambda _: b'{"version": "1.0"}'), "is missing: backup_id, created_at"),
        (manifest_with(contents={"events": 1}), "something is missing: counts and checksums"),
        (manifest_with(contents={}), "it has no cameras"),
        (without("detections.json"), r"detections\.json cannot be read"),
        (with_content("cameras.json", lambda old: old.replace(b"Garage", b"Garbage")), "checksum differs"),
        (with_content("events.json", lambda old: old[:-100]), r"events\.json cannot be read"),
        (with_content("events.json", lambda _: b"[1]"), "holds something that is no row"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    data: Path, events_url: str, change: Change, complaint: str
) -> None:
    name = changed(archive_of(data, backup()), change).name
    before = contents(events_url)
    with pytest.raises(DamagedBackup, match=complaint):
        restore(backup=name)
    assert contents(events_url) == before
    assert len(list((data / "backups").glob("*.zip"))) == 1


@pytest.mark.parametrize("cut", [10, 1_000, 10_000])
def test_a_backup_that_was_cut_off_is_refused(data: Path, cut: int) -> None:
    file = archive_of(data, backup())
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(DamagedBackup):
        restore(backup=file.name)


def test_a_flipped_bit_is_found(data: Path) -> None:
    file = archive_of(data, backup())
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 4
    file.write_bytes(content)
    with pytest.raises(DamagedBackup, match=r"cannot be read|checksum differs"):
        restore(backup=file.name)


def test_rows_that_do_not_fit_together_are_refused_and_the_store_stays(data: Path, events_url: str) -> None:
    """Checksums that are right prove nothing about a file that somebody wrote by hand."""

    def orphan(members: dict[str, bytes]) -> None:
        rows = json.loads(members["detections.json"])
        rows[-1]["event_id"] = 999_999
        members["detections.json"] = json.dumps(rows).encode()
        manifest = json.loads(members["manifest.json"])
        manifest["contents"]["detections"]["checksum"] = hashlib.sha256(members["detections.json"]).hexdigest()
        members["manifest.json"] = json.dumps(manifest).encode()

    name = changed(archive_of(data, backup()), orphan).name
    before = contents(events_url)
    with pytest.raises(DamagedBackup, match=r"(?i)do not fit together .*foreign key"):
        restore(backup=name, backup_first=False)
    assert contents(events_url) == before


def test_a_backup_of_a_newer_release_is_refused(data: Path) -> None:
    name = changed(archive_of(data, backup()), manifest_with(schema="0099")).name
    with pytest.raises(NewerBackup, match="0099"):
        restore(backup=name)


@pytest.mark.only_on("sqlite")
def test_a_damaged_store_is_not_backed_up(data: Path, events_url: str) -> None:
    backup()
    damage(events_url)
    with pytest.raises(CopyDamaged):
        backup()
    assert len(list((data / "backups").iterdir())) == 1


RESTORE = """
import sys
from tests.unit.job_bodies import body
print("begun", flush=True)
body("restore")(backup=sys.argv[1], backup_first=False)
"""


def test_a_restore_that_is_killed_leaves_the_store_whole(data: Path, events_url: str) -> None:
    """At whatever moment: the store is that before or that after, never one between."""
    write_sample(events_url, 3_000, 8, now=NOW, append=True)
    result = backup()
    after = contents(events_url)
    clear(events_url)
    before = contents(events_url)
    environment = {**clean_environment(), **{k: v for k, v in os.environ.items() if k.startswith("PREFECT_JOBS_")}}
    root = Path(__file__).parents[2]
    for seconds in (0.0, 0.15, 0.3, 0.6):
        command = [sys.executable, "-c", RESTORE, result["file_name"]]
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = eventually(lambda: contents(events_url), what="a store that nobody holds")
        assert found in (before, after)
    restore(backup=result["file_name"], backup_first=False)
    assert contents(events_url) == after


def test_an_upload_is_restored_within_its_limit_and_removed(
    data: Path, events_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(events_url)
    uploads = data / "uploads"
    uploads.mkdir()
    archive_of(data, backup()).rename(uploads / "one.upload")
    monkeypatch.setenv("PREFECT_JOBS_UNPACKED_LIMIT", "1000")
    with pytest.raises(DamagedBackup, match="PREFECT_JOBS_UNPACKED_LIMIT"):
        restore(upload="one.upload")
    monkeypatch.delenv("PREFECT_JOBS_UNPACKED_LIMIT")
    clear(events_url)
    restore(upload="one.upload")
    assert contents(events_url) == before
    assert list(uploads.iterdir()) == []


def test_nothing_outside_of_the_folders_is_restored(data: Path) -> None:
    archive_of(data, backup()).rename(data / "elsewhere.zip")
    for options in (
        {"backup": "../elsewhere.zip"},
        {"upload": "../elsewhere.zip"},
        {"backup": str(data / "elsewhere.zip")},
    ):
        with pytest.raises(ValueError, match="There is no file"):
            restore(**options)
    for options in ({}, {"backup": "a", "upload": "b"}):
        with pytest.raises(ValueError, match="either a backup or an upload"):
            restore(**options)


def test_a_full_backup_is_also_an_export(data: Path, events_url: str) -> None:
    before = contents(events_url)
    result = export(export_type="full_backup", format="csv")
    assert (result["format"], result["event_count"]) == ("zip", len(before["events"]))
    name = Path(result["file_path"]).name
    (data / "exports" / name).rename(data / "backups" / name)
    clear(events_url)
    restore(backup=name, backup_first=False)
    assert contents(events_url) == before
    with pytest.raises(ValueError, match="takes no filters"):
        export(export_type="full_backup", risk_level="high")


def test_the_steps_are_those_of_the_contract(data: Path, reports: list[tuple[int, str | None]]) -> None:
    backup()
    assert reports == [
        (0, "Exporting cameras"),
        (16, "Exporting events"),
        (32, "Exporting detections"),
        (48, "Exporting audits"),
        (64, "Exporting evaluations"),
        (85, "Creating manifest"),
        (90, "Creating ZIP archive"),
        (95, "Finalizing backup"),
    ]
