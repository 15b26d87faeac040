"""A full disk: what it is called, and what is said of it. On a real one: `tests/integration/test_full_disk.py`."""

import errno
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from prefect_jobs.finished_files import new_finished_file
from prefect_jobs.gateway.fake import completed, running
from prefect_jobs.room import SPARE, NoSpace, Room, free_bytes, is_full, needing_room
from prefect_jobs.store.database import Database
from prefect_jobs.store.errors import StoreFull, StoreUnavailable, in_our_words
from tests.stack import eventually
from tests.unit.serving import KEYS, OPERATOR, Client, served


def by_sqlite(name: str, code: int) -> OperationalError:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = code
    return OperationalError("INSERT …", {}, error)


class FromPostgres(Exception):
    sqlstate = "53100"


def wrapped(inner: BaseException) -> Exception:
    outer = RuntimeError("something")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        by_sqlite("database or disk is full", sqlite3.SQLITE_FULL),
        by_sqlite("disk I/O error", 4874),
        OperationalError("INSERT …", {}, FromPostgres()),
        wrapped(OSError(errno.ENOSPC, "No space left on device")),
    ],
    ids=["disk", "quota", "sqlite", "shared memory of sqlite", "postgres", "within another"],
)
def test_a_full_disk_is_one_thing_by_all_its_names(error: Exception) -> None:
    assert is_full(error)
    with pytest.raises(NoSpace, match=r"^Not enough space to restore the backup$"), needing_room("restore the backup"):
        raise error


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "denied"), by_sqlite("locked", sqlite3.SQLITE_BUSY), ValueError("x"), None]
)
def test_nothing_else_is_one(error: Exception | None) -> None:
    assert not is_full(error)


def test_the_index_says_it_in_a_sentence_and_counts_as_down() -> None:
    with pytest.raises(StoreFull, match=r"^Not enough space to write to the job index$") as full, in_our_words(5):
        raise by_sqlite("database or disk is full", sqlite3.SQLITE_FULL)
    assert isinstance(full.value, StoreUnavailable)


def test_a_file_that_there_is_no_room_for_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(NoSpace, match=r"write the file a\.csv"),
        new_finished_file(tmp_path / "exports", "a.csv") as file,
    ):
        file.write(b"half of it")

    assert os.listdir(tmp_path / "exports") == []


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_it_will_be_in(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


class Disk:
    """A disk that is as full as a test wants it."""

    def __init__(self) -> None:
        self.free = 1 << 40

    def statvfs(self, _folder: object) -> Any:
        return os.statvfs_result((4096, 4096, 1 << 20, self.free // 4096, self.free // 4096, 9, 9, 9, 0, 255))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "statvfs", disk.statvfs)
    return disk


@pytest.fixture
def client(tmp_path: Path, disk: Disk) -> Generator[Client]:
    with served(tmp_path, [completed(id="one")], deployed=("export", "import"), api_keys=KEYS) as opened:
        opened.headers["X-API-Key"] = OPERATOR
        eventually(lambda: opened.get("/readyz").is_success)  # Prefect's jobs have been read
        yield opened


ASKED: dict[str, Callable[[Client], Any]] = {
    "start the job": lambda client: client.post("/api/jobs", json={"job_type": "export"}),
    "keep the file": lambda client: client.post("/api/events/import", content=b"[]"),
    "sign in": lambda client: client.post("/api/session", json={"api_key": OPERATOR}),
}


@pytest.mark.parametrize("what", list(ASKED))
def test_without_room_nothing_is_begun_and_with_it_everything_goes_on(client: Client, disk: Disk, what: str) -> None:
    """It was a 500 with a traceback, and the job was at Prefect all the same; `/readyz` said ready."""
    jobs = client.get("/api/jobs").json()["pagination"]["total"]
    disk.free = SPARE - 1
    answer = ASKED[what](client)

    assert answer.status_code == 507
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == answer.json()["error"]["message"] == f"Not enough space to {what}"
    assert client.get("/api/jobs").json()["pagination"]["total"] == jobs
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["space"]["status"]) == (503, "down")
    assert "not enough space in" in " ".join(ready.json()["reasons"])
    assert client.get("/api/jobs").status_code == 200
    assert client.delete("/api/jobs/one").status_code != 507  # what makes room, and stops, is not refused

    disk.free = 1 << 30
    assert ASKED[what](client).is_success
    assert client.get("/readyz").json()["parts"]["space"]["status"] == "up"


def test_an_upload_that_does_not_fit_is_refused_before_it_is_sent(client: Client, disk: Disk, tmp_path: Path) -> None:
    disk.free = SPARE + 8192
    assert client.post("/api/events/import", content=b" " * 20_000).status_code == 507
    assert client.post("/api/events/import", content=b"[]").status_code == 202
    assert len(os.listdir(tmp_path / "uploads")) == 1


def test_a_disk_that_runs_full_during_an_upload_is_507_and_keeps_nothing(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = client.post("/api/events/import", content=b"[]")

    assert (answer.status_code, answer.json()["detail"]) == (507, "Not enough space to keep the file")
    assert os.listdir(tmp_path / "uploads") == []


def test_a_room_is_said_to_be_full_by_its_folder(disk: Disk, tmp_path: Path) -> None:
    disk.free = 0
    assert Room([tmp_path]).part().reasons == (f"not enough space in {tmp_path}",)


def test_what_happens_at_prefect_while_the_disk_is_full_is_seen_when_there_is_room(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be written is read again, and until then the log says why in a line."""

    @asynccontextmanager
    async def full(_database: Database) -> AsyncGenerator[Any]:
        raise StoreFull
        yield

    with monkeypatch.context() as patched:
        patched.setattr(Database, "writing", full)
        client.app.state.fake.put(running(10, id="two"))
        eventually(lambda: any("Not enough space" in record.getMessage() for record in caplog.records))
        eventually(lambda: client.get("/readyz").status_code == 503, within=60)
        assert client.get("/api/jobs/one").status_code == 200

    eventually(lambda: client.get("/api/jobs/two").json()["status"] == "running", within=60)
    eventually(lambda: client.get("/readyz").is_success, within=60)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
