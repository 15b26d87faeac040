"""What docs/job-types.md shows, and the job types in examples/: each is executed as it stands, and becomes a job."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.stack import Stack, eventually

ROOT = Path(__file__).parents[2]
BLOCKS = dict(
    re.findall(r"<!-- tested: (\w+) -->\n```python\n(.*?)```", (ROOT / "docs" / "job-types.md").read_text(), re.DOTALL)
)


@pytest.fixture
def environment(stack: Stack) -> Mapping[str, str]:
    return {**os.environ, **stack.environment}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "things"
    (folder / "deeper").mkdir(parents=True)
    (folder / "one.md").write_text("a\nb\n")
    (folder / "deeper" / "two.txt").write_text("c\n")
    return folder


def run(environment: Mapping[str, str], file: Path, *arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file), *arguments], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def job_of(api: httpx.Client, job_type: str, state: str = "completed") -> dict[str, Any]:
    """The job of this type, once it is in this state."""

    def found() -> dict[str, Any] | None:
        items = api.get("/api/jobs", params={"job_type": job_type, "state": state}).json()["items"]
        return items[0] if items else None

    return eventually(found, within=30, what=f"{job_type} is {state}") or {}


def steps_of(api: httpx.Client, job: dict[str, Any]) -> list[tuple[str, str]]:
    told = api.get(f"/api/jobs/{job['job_id']}/history").raise_for_status().json()["steps"]
    return [(step["name"], step["outcome"]) for step in told]


def file_of(api: httpx.Client, job: dict[str, Any]) -> bytes:
    return api.get(job["result"]["file_path"]).raise_for_status().content


def test_the_whole_job_type_of_the_guide_counts_lines(
    environment: Mapping[str, str], api: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "line_count.py"
    file.write_text(BLOCKS["whole"])
    run(environment, file, cwd=folder)
    job = job_of(api, "line_count")
    assert (job["result"]["lines"], job["result"]["files"]) == (2, 1)
    assert file_of(api, job) == b"one.md,2\n"
    assert steps_of(api, job) == [("Counting", "done")]


def test_the_patient_job_of_the_guide_puts_its_things_away(
    environment: Mapping[str, str], api: httpx.Client, tmp_path: Path
) -> None:
    file, notes = tmp_path / "patient.py", tmp_path / "notes"
    file.write_text(BLOCKS["cleanup"])
    with subprocess.Popen([sys.executable, file, notes], env=environment, stderr=subprocess.DEVNULL) as process:
        job = job_of(api, "patient", "running")
        assert api.post(f"/api/jobs/{job['job_id']}/cancel").status_code == 200
        job_of(api, "patient", "cancelled")
        process.wait(30)
    assert notes.read_text() == "put away"


def test_the_test_of_the_guide_passes(tmp_path: Path) -> None:
    (tmp_path / "line_count.py").write_text(BLOCKS["whole"])
    (tmp_path / "test_line_count.py").write_text(BLOCKS["test"])
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_the_async_example_fetches_pages(
    environment: Mapping[str, str], api: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    urls = [f"{stack.api_url}/healthz", f"{stack.api_url}/api/jobs/none", "http://127.0.0.1:1/"]
    run(environment, ROOT / "examples" / "fetch_pages.py", *urls, cwd=tmp_path)
    job = job_of(api, "fetch_pages")
    assert [page["url"] for page in job["result"]["pages"]] == urls
    assert [page.get("status") for page in job["result"]["pages"]] == [200, 404, None]
    assert job["result"]["failed"] == 1


def test_the_example_with_mapped_tasks_hashes_files(
    environment: Mapping[str, str], api: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    run(environment, ROOT / "examples" / "hash_files.py", str(folder), cwd=tmp_path)
    job = job_of(api, "hash_files")
    digests = [hashlib.sha256(text).hexdigest() for text in (b"c\n", b"a\nb\n")]
    assert file_of(api, job).decode() == f"{digests[0]}  deeper/two.txt\n{digests[1]}  one.md\n"
    assert steps_of(api, job) == [("Looking for files", "done"), ("Hashing", "done"), ("Publishing the list", "done")]


def test_the_example_that_runs_a_program_packs_a_folder(
    environment: Mapping[str, str], api: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    run(environment, ROOT / "examples" / "archive_folder.py", str(folder), cwd=tmp_path)
    job = job_of(api, "archive_folder")
    with tarfile.open(fileobj=io.BytesIO(file_of(api, job))) as archive:
        assert "./deeper/two.txt" in archive.getnames()
    assert job["result"]["bytes"] == len(file_of(api, job))


def test_every_example_is_executed_here() -> None:
    assert {file.stem for file in (ROOT / "examples").glob("*.py")} == {"fetch_pages", "hash_files", "archive_folder"}


def test_a_stopped_example_leaves_no_program_running(
    environment: Mapping[str, str], api: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "tar"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nwhile true; do echo packing; sleep 0.1; done\n")
    program.chmod(0o700)
    endless = {**environment, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "examples" / "archive_folder.py"), str(folder)]
    with subprocess.Popen(command, env=endless, stderr=subprocess.DEVNULL) as process:
        eventually((tmp_path / "pid").exists, within=60)
        job = job_of(api, "archive_folder", "running")
        assert api.post(f"/api/jobs/{job['job_id']}/cancel").status_code == 200
        job_of(api, "archive_folder", "cancelled")
        process.wait(30)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
