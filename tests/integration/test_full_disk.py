"""A disk that is really full: a small file system in memory, filled to its last byte."""

import os
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from prefect_jobs.events import open_event_store
from prefect_jobs.events.backup.making import write_backup
from prefect_jobs.events.backup.restoring import open_archive, restore
from prefect_jobs.events.models import Event
from prefect_jobs.events.sample import write_sample
from prefect_jobs.room import NoSpace
from tests.served_process import ServedProcess, served_process
from tests.stack import eventually

SIZE = "64m"
KEY = "operators-key-0000"
NOW = datetime(2026, 3, 4, tzinfo=UTC)
IN_CI = bool(os.environ.get("CI"))  # read before the tests clear the environment


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A folder that is a file system of 64 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", place], capture_output=True)
    if mounted.returncode:
        (pytest.fail if IN_CI else pytest.skip)(f"A file system cannot be mounted here: {mounted.stderr!r}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """Write until nothing fits any more; the file that makes room when it is removed."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


def asked(served: ServedProcess) -> dict[str, int]:
    """What the requests of the recipe are answered with."""
    with httpx.Client(base_url=served.url, timeout=60, headers={"X-API-Key": KEY}) as client:
        return {
            "create": client.post("/api/jobs", json={"job_type": "export"}).status_code,
            "import": client.post("/api/events/import", content=b"[]" + b" " * 100_000).status_code,
            "sign in": client.post("/api/session", json={"api_key": KEY}).status_code,
        }


def test_a_server_on_a_full_disk_says_so_and_goes_on_when_there_is_room(disk: Path) -> None:
    """500 on create, import and sign-in, each with a traceback; `/readyz` said ready."""
    (disk / "data").mkdir()
    with served_process(disk / "data", log=disk.parent / "server.log", api_keys=f"otto:operator:{KEY}") as served:
        filler = fill(disk)
        assert asked(served) == {"create": 507, "import": 507, "sign in": 507}
        ready = httpx.get(f"{served.url}/readyz", headers={"X-API-Key": KEY}, timeout=60)
        assert ready.status_code == 503
        assert any("not enough space" in reason for reason in ready.json()["reasons"])
        listed = httpx.get(f"{served.url}/api/jobs", headers={"X-API-Key": KEY}, timeout=60)
        assert listed.status_code == 200
        assert [*(disk / "data").glob("uploads/*")] == []

        filler.unlink()
        eventually(lambda: httpx.get(f"{served.url}/readyz", timeout=60).is_success, within=60)
        assert asked(served) == {"create": 202, "import": 202, "sign in": 200}
        assert "Traceback" not in served.log


def test_a_restore_on_a_full_disk_does_not_call_a_good_archive_damaged(disk: Path, tmp_path: Path) -> None:
    """It said "The backup is damaged, or is none": whoever believed that threw the only good copy away."""
    url = f"sqlite:///{disk / 'events.db'}"
    write_sample(url, 2_000, 1, now=NOW)
    with open_event_store(url) as store, (tmp_path / "backup.zip").open("w+b") as file:
        write_backup(store, file, backup_id="b", at=NOW, scratch=tmp_path, tell=nothing, step_taken=nothing)
        filler = fill(disk)
        for _ in range(2):
            archive = open_archive(file, nothing)
            with pytest.raises(NoSpace, match=r"^Not enough space to restore the backup$"):
                restore(store, archive, scratch=disk / "scratch", tell=nothing, step_taken=nothing)
            assert [*disk.glob("scratch/*")] == []

        filler.unlink()
        restore(store, open_archive(file, nothing), scratch=disk / "scratch", tell=nothing, step_taken=nothing)
        with store.snapshot() as connection:
            assert connection.execute(select(func.count()).select_from(Event)).scalar_one() == 2_000


def nothing(*_: object) -> None:
    """Nobody wants to know."""
