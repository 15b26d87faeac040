"""What someone gets who has only the wheel: everything that `prefect-jobs up --demo` needs, in an empty folder.

Built and installed without a network: the dependencies are those of the environment the tests run in.
"""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import clean_environment, eventually, free_port, processes_of

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that has the wheel, and borrows everything else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--ignore-installed", "--quiet", str(wheel)], check=True, capture_output=True)
    return folder / "bin"


def test_the_wheel_carries_the_job_types_and_the_page_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {
        "prefect_jobs/_shipped/prefect.yaml",
        "prefect_jobs/_shipped/flows/export.py",
        "prefect_jobs/events/migrations/env.py",
        "prefect_jobs/py.typed",
        "prefect_jobs/store/migrations/env.py",
        "prefect_jobs_ui/py.typed",
    } <= names
    migrations = CHECKOUT.glob("plugin/prefect_jobs/*/migrations/versions/*.py")
    assert {str(file.relative_to(CHECKOUT / "plugin")) for file in migrations} <= names
    assert any(name.startswith("prefect_jobs_ui/dist/") and name.endswith(".js") for name in names)
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"prefect_jobs", "prefect_jobs_ui"}
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name]


def test_the_demo_runs_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    empty, data, log = tmp_path / "empty", tmp_path / "data", tmp_path / "log"
    empty.mkdir()
    port = free_port()
    options = ["--demo", f"--port={port}", f"--prefect-port={free_port()}"]
    environment = {**clean_environment(), "PREFECT_JOBS_DATA_DIR": str(data)}
    with log.open("wb") as out:
        up = subprocess.Popen(
            [installed / "prefect-jobs", "up", *options], cwd=empty, env=environment, stdout=out, stderr=out
        )
    try:
        eventually(lambda: "demo jobs" in log.read_text() or up.poll() is not None, within=120)
        assert "Started 8 demo jobs" in log.read_text()

        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:

            def ended() -> list[dict[str, Any]]:
                jobs = api.get("/api/jobs").json()["items"]
                return jobs if all(job["status"] in ("completed", "failed") for job in jobs) else []

            jobs = eventually(ended, within=170)
            types = {item["name"] for item in api.get("/api/jobs/types").json()["job_types"]} - {"restore"}
            assert {job["job_type"] for job in jobs} == types
            results = [job["result"] for job in jobs if job["result"]]
            files = [result[name] for result in results for name in ("file_path", "report_path") if result.get(name)]
            assert [api.get(file).status_code for file in files] == [200] * 5  # exports, a backup, reports
        failed = [job["error"] for job in jobs if job["status"] == "failed"]
        assert len(failed) == 1
        assert "There is no file 'last-week.csv'" in failed[0]
    except BaseException:
        print(log.read_text())
        raise
    finally:
        up.terminate()
        code = up.wait(10)

    assert code == 0
    assert processes_of(data) == []
    assert list(empty.iterdir()) == []


def test_the_installed_package_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    where = "import prefect_jobs, prefect_jobs.shipped as s; print(prefect_jobs.__file__, s.root())"

    done = subprocess.run([installed / "python", "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert all(path.startswith(str(installed.parent)) for path in done.stdout.split())
