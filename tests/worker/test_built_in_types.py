"""The built-in types end in the middle of their work, asked to or killed, on a store of many events.

Whatever they were at, the store is whole and nothing half is left in a folder, and the work that is done afterwards,
by a new job or by the same one retried, comes to its right end.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.lifecycle.jobs import frozen
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

EVENTS = 20_000
IMPORTED = 10_000
AT_WORK = 0.1
"""Seconds of its work after which a job ends; each has more to do."""
PARAMETERS: dict[str, dict[str, Any]] = {
    "export": {"format": "zip"},
    "import": {},
    "batch_audit": {"limit": EVENTS, "force_reevaluate": True},
    "re_evaluation": {"limit": EVENTS},
    "backup": {},
    "restore": {"backup_first": False},
    "cleanup": {"event_days": 1, "detection_days": 1},
}
"""What each type is asked for."""
ENDS = ("cancelled", "killed")


@dataclass(frozen=True)
class Types:
    """Starts jobs of the built-in types, and looks at what they leave."""

    stack: Stack
    prefect: PrefectApi
    api: httpx.Client
    folders: list[Path] = field(default_factory=list[Path])

    def start(self, name: str, parameters: dict[str, Any]) -> str:
        answer = self.api.post("/api/jobs", json={"job_type": name, "parameters": parameters})
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    def at_work(self, job_id: str) -> psutil.Process:
        """Its process, once it has worked for a moment."""
        process = eventually(lambda: _process_of(job_id), within=60.0, what="a process")
        eventually(lambda: self.prefect.state(job_id) == "RUNNING", within=60.0, what="it is at work")
        time.sleep(AT_WORK)
        assert process is not None
        return process

    def ended(self, job_id: str, *, attempt: int = 1) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.api.get(f"/api/jobs/{job_id}/detail").raise_for_status().json()
            over = job["status"] in ("completed", "failed", "cancelled")
            return job if over and job["retry_info"]["attempt_number"] == attempt else None

        job = eventually(look, within=120.0, what="its end")
        assert job is not None
        return job

    def events(self) -> int:
        """How many events the store holds, which is whole."""
        with sqlite3.connect(self.stack.events_database.removeprefix("sqlite:///")) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert store.execute("PRAGMA foreign_key_check").fetchall() == []
            return store.execute("SELECT count(*) FROM event").fetchone()[0]

    def files(self) -> set[Path]:
        """What is in the folders that jobs write into."""
        return {path for folder in self.folders if folder.exists() for path in folder.rglob("*") if path.is_file()}


def _process_of(run: str) -> psutil.Process | None:
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                return process
        except psutil.Error:
            continue
    return None


def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture
def types(stack: Stack, prefect: PrefectApi, api: httpx.Client) -> Types:
    """The types on a store of many events, with files of many more."""
    settings = stack.settings
    found = Types(stack, prefect, api, [settings.exports_path, settings.backups_path, settings.scratch_path])
    if (missing := EVENTS - found.events()) > 0:
        sample = [sys.executable, "-m", "prefect_jobs.cli", "events", "sample", f"--count={missing}", "--append"]
        subprocess.run(sample, env=stack.environment, check=True, capture_output=True)
    settings.imports_path.mkdir(parents=True, exist_ok=True)
    line = '{{"camera_name": "{}", "started_at": "2020-03-04T{:02}:{:02}:{:02}Z"}}\n'
    for end in ENDS:
        lines = (line.format(end, n // 3600, n // 60 % 60, n % 60) for n in range(IMPORTED))
        (settings.imports_path / f"{end}.jsonl").write_text("".join(lines))
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "how"), [(name, end) for name in PARAMETERS for end in ENDS])
def test_what_ended_in_the_middle_left_everything_whole_and_is_done_afterwards(
    types: Types, name: str, how: str
) -> None:
    parameters = dict(PARAMETERS[name])
    if name == "import":
        parameters["path"] = f"{how}.jsonl"
    if name == "restore":
        parameters["backup"] = max(path.name for path in types.stack.settings.backups_path.glob("*.zip"))
    before, files = types.events(), types.files()
    job_id = types.start(name, parameters)
    process = types.at_work(job_id)
    if how == "cancelled":
        with frozen(process.pid):
            answer = types.api.post(f"/api/jobs/{job_id}/cancel")
        assert answer.status_code == 200, answer.text
    else:
        process.kill()
    assert types.ended(job_id)["state"] == {"cancelled": "cancelled", "killed": "crashed"}[how]
    eventually(lambda: _gone(process), what="its process is gone")
    between = types.events()
    assert between == before or name in ("import", "cleanup")
    if how == "cancelled" and name != "import":  # it keeps the report of what it rejected
        assert types.files() == files

    if how == "cancelled":
        job_id = types.start(name, parameters)
        done = types.ended(job_id)
    else:
        assert types.api.post(f"/api/jobs/{job_id}/retry").status_code == 200
        done = types.ended(job_id, attempt=2)
    assert done["state"] == "completed", done["error"]
    check_result(name, done["result"], before, types.events())
    assert not [path for path in types.files() - files if path.name.startswith(".")]


def check_result(name: str, result: dict[str, Any], before: int, after: int) -> None:
    """The result of the whole work, and what the store holds afterwards."""
    if name == "export":
        assert before * 0.9 < result["event_count"] <= before == after  # without the deleted ones
    elif name == "import":
        assert (result["rows"], result["rejected"]) == (IMPORTED, 0)
        assert after == before + IMPORTED
    elif name == "batch_audit":
        assert result["total_events"] == result["processed_events"] == EVENTS
    elif name == "re_evaluation":
        assert result["total_events"] == result["evaluated_events"] == EVENTS
    elif name == "cleanup":
        assert after < before
