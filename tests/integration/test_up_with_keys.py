"""`prefect-jobs up --demo` with API keys, on a data folder that stood open: the doors are closed, and all works."""

import json
import os
import stat
from collections.abc import Generator
from pathlib import Path

import httpx
import psutil
import pytest

from tests import plain_and_kit
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually, running_stack

ADMIN = "administrators-key-0000"
FLOWS = Path(plain_and_kit.__file__)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    folder = tmp_path_factory.mktemp("closed")
    data = folder / "data"
    (data / "exports").mkdir(parents=True)
    (data / "exports" / "old.csv").write_text("of an earlier release")
    for place in (data, data / "exports"):
        place.chmod(0o755)
    settings = {
        "PREFECT_JOBS_API_KEYS": f"ada:admin:{ADMIN}",
        "PREFECT_JOBS_MODEL_KEY": "a-key-of-a-model",
        "PREFECT_JOBS_ACCESS_LOG": "true",
    }
    before = os.umask(0o022)
    try:
        with running_stack(folder, "--demo", settings=settings) as stack:
            yield stack
    finally:
        os.umask(before)


def environment_of(stack: Stack, child: str) -> dict[str, str]:
    return psutil.Process(stack.pid_of(child)).environ()


def test_the_demo_jobs_are_started(closed: Stack) -> None:
    """With keys they were refused with 401."""
    eventually(lambda: "demo jobs; one of them fails, as it should" in closed.log, within=60)


def test_prefects_server_asks_for_what_a_file_of_ours_holds(closed: Stack) -> None:
    api = closed.prefect_api_url
    assert httpx.get(f"{api}/health").status_code == 200
    for path in ("/admin/version", "/admin/settings"):
        assert httpx.get(api + path).status_code == 401
    assert httpx.post(f"{api}/flow_runs/filter", json={}).status_code == 401
    assert closed.prefect_auth is not None
    with PrefectApi.of(closed) as prefect:
        assert prefect.get("/admin/version")
    assert f"asks for what is in {closed.data_dir / 'prefect-auth'}" in closed.log
    assert closed.prefect_auth.partition(":")[2] not in closed.log


def test_jobs_of_both_kinds_work_and_find_no_key_that_is_not_theirs(closed: Stack, tmp_path: Path) -> None:
    found: dict[str, dict[str, str]] = {}
    with PrefectApi.of(closed) as prefect:
        for function in ("plain", "kit"):
            file = tmp_path / function
            run = prefect.start(prefect.deploy(FLOWS, function), file=str(file))
            assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED", within=90) == "COMPLETED"
            told = json.loads(file.read_text())
            found[function] = told["environment"]
            assert told["umask"] == 0o022  # whose its files are is its author's business
    for environment in found.values():
        names = {name for name in environment if name.startswith("PREFECT_JOBS_")}
        unwanted = ("API_KEYS", "API_KEYS_FILE", "ADAPTER_KEY", "MODEL_KEY", "INDEX_URL")
        assert not names & {f"PREFECT_JOBS_{name}" for name in unwanted}
        assert ADMIN not in " ".join(environment.values())
        assert (closed.data_dir / "sidecar-key").read_text().strip() not in environment.values()
        assert environment["PREFECT_API_AUTH_STRING"] == closed.prefect_auth  # they are clients of the server

    def heard() -> bool:
        return any('"caller":"prefect-jobs-sidecars"' in line.replace(" ", "") for line in closed.log.splitlines())

    eventually(heard, what="a sidecar at the adapter")


def test_keys_are_handed_on_to_the_api_only(closed: Stack) -> None:
    """They stood in the environment of Prefect's server."""
    for child in ("prefect", "work"):
        environment = environment_of(closed, child)
        assert not {"PREFECT_JOBS_API_KEYS", "PREFECT_JOBS_API_KEYS_FILE"} & environment.keys()
        assert ADMIN not in " ".join(environment.values())
    server = environment_of(closed, "prefect")
    assert {name for name in server if name.startswith("PREFECT_JOBS_")} == {
        "PREFECT_JOBS_DATA_DIR",
        "PREFECT_JOBS_UP",
    }
    assert "PREFECT_SERVER_API_AUTH_STRING" not in environment_of(closed, "work")


def test_everything_that_is_kept_is_its_owners_alone_whatever_was_there_before(closed: Stack) -> None:
    """Databases were 0644, and a data folder that existed stayed 0755."""
    kept = [closed.data_dir, *closed.data_dir.rglob("*")]
    names = {path.name for path in kept}
    assert {"prefect.db", "prefect.db-wal", "index.db", "index.db-wal", "events.db", "old.csv", "prefect-auth"} <= names

    def modes() -> dict[str, str]:
        found = {path: path.lstat().st_mode for path in [closed.data_dir, *closed.data_dir.rglob("*")]}
        return {str(path): oct(mode) for path, mode in found.items() if mode & 0o077 and not stat.S_ISLNK(mode)}

    assert modes() == {}
