"""What the README shows works as it stands, against the real thing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.stack import Stack, eventually

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def block(name: str) -> str:
    blocks = dict(BLOCK.findall((ROOT / "README.md").read_text()))
    return blocks[name]


def run(command: list[str], stack: Stack, folder: Path) -> str:
    environment = os.environ | {
        "PREFECT_API_URL": stack.prefect_api_url,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["shell", "python", "commands", "flow"])
def test_every_kind_of_example_is_there(name: str) -> None:
    assert block(name)


def test_the_shell_example_ends_with_the_exported_file(stack: Stack, tmp_path: Path) -> None:
    script = block("shell").replace("http://127.0.0.1:8000", stack.api_url)
    run(["bash", "-eu", "-c", script], stack, tmp_path)
    [file] = tmp_path.glob("events_export_*.csv")
    assert file.read_text().startswith("Event ID,Camera,Started At")


def test_the_python_example_prints_the_log_and_counts_the_events(stack: Stack, tmp_path: Path) -> None:
    script = block("python").replace("http://127.0.0.1:8000", stack.api_url)
    printed = run([sys.executable, "-c", script], stack, tmp_path)
    assert "Job started: export" in printed
    assert re.search(r"^[1-9]\d* events exported$", printed, re.MULTILINE)


def test_the_commands_run_a_job_and_show_it(stack: Stack, tmp_path: Path) -> None:
    script = block("commands").replace("http://127.0.0.1:8000", stack.api_url)
    printed = run(["bash", "-eu", "-c", script], stack, tmp_path)
    assert "Job started: export" in printed
    assert re.search(r"^\w+(-\w+)* +export +completed", printed, re.MULTILINE)


def test_the_job_type_of_the_readme_becomes_a_job_with_its_result(
    stack: Stack, api: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "thumbnails.py"
    file.write_text(block("flow"))
    run([sys.executable, str(file)], stack, tmp_path)

    def completed() -> dict[str, object] | None:
        found = api.get("/api/jobs", params={"job_type": "thumbnails", "status": "completed"}).json()["items"]
        return found[0] if found else None

    assert eventually(completed, what="the job of the README is completed")["result"] == {"pictures": 5}
