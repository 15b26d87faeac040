"""A job publishes only where the jobs API serves it: a result never names a file that nobody can fetch."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_jobs import publish
from prefect_jobs.kit.downloads import NotServed, require_served
from prefect_jobs.served_folders import MOST_SERVERS, NOTE, note_served

SERVER = "http://127.0.0.1:4200/api"
SETTING = "PREFECT_JOBS_EXPORTS_DIR"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job in a script that knows the address of Prefect and nothing else, with a home of its own."""
    for name in (SETTING, "PREFECT_JOBS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    with temporary_settings({PREFECT_API_URL: SERVER}):
        yield tmp_path / ".prefect-jobs" / "exports"


def publish_something(folder: Path) -> str:
    (folder / "small.png").write_bytes(b"pixels")
    return publish(folder / "small.png")


def test_a_script_does_not_publish_where_no_jobs_api_looks(script: Path, tmp_path: Path) -> None:
    """`python resize.py` with PREFECT_API_URL only published into the home folder, while the jobs API served the folder
    of `up --data-dir`: the job was completed, and its file was 404."""
    with pytest.raises(NotServed, match=r"No jobs API .* set PREFECT_JOBS_EXPORTS_DIR or PREFECT_JOBS_DATA_DIR"):
        publish_something(tmp_path)
    assert not script.exists()


def test_a_script_publishes_where_the_jobs_api_of_its_prefect_left_its_note(script: Path, tmp_path: Path) -> None:
    note_served(script, SERVER)
    assert publish_something(tmp_path).startswith("/api/exports/small_")


@pytest.mark.parametrize("name", [SETTING, "PREFECT_JOBS_DATA_DIR"])
def test_a_folder_that_a_setting_names_is_taken(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "named"))
    assert publish_something(tmp_path).startswith("/api/exports/small_")


def test_a_setting_that_is_empty_names_nothing(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "")
    with pytest.raises(NotServed):
        require_served(script, SETTING)


def test_outside_of_a_run_and_without_a_server_everything_may_be_published(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        require_served(script, SETTING)
    monkeypatch.delenv("PREFECT__FLOW_RUN_ID")
    require_served(script, SETTING)


@pytest.mark.parametrize(
    ("noted", "served"),
    [
        ("http://localhost:4200/api", True),
        ("http://127.0.0.1:4201/api", False),  # another server on this machine, with another jobs API
        ("http://prefect.internal:4200/api", True),  # it may be this machine's other name
        ("http://[", False),
        ("\udcff", False),
    ],
)
def test_the_note_is_of_a_prefect_server_that_may_be_ours(script: Path, noted: str, served: bool) -> None:
    script.mkdir(parents=True)
    (script / NOTE).write_bytes(noted.encode(errors="surrogateescape"))
    if served:
        return require_served(script, SETTING)
    with pytest.raises(NotServed):
        require_served(script, SETTING)


def test_the_note_keeps_the_last_servers_and_each_once(tmp_path: Path) -> None:
    for port in (*range(5000, 5030), 5020):
        note_served(tmp_path, f"http://127.0.0.1:{port}/api")
    noted = (tmp_path / NOTE).read_text().split()
    assert len(noted) == len(set(noted)) == MOST_SERVERS
    assert noted[-1] == "http://127.0.0.1:5020/api"
    assert [file.name for file in tmp_path.iterdir()] == [NOTE]
