"""The deployments on a real server are those of `prefect.yaml`, by whichever way they got there."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient

from prefect_jobs.declarations import Declaration, read_declarations
from prefect_jobs.deployments import register
from prefect_jobs.shipped import DECLARATIONS, root
from tests.prefect_api import PrefectApi
from tests.stack import Stack

POOL = "jobs"


@pytest.fixture
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture
async def client(stack: Stack) -> AsyncGenerator[PrefectClient]:
    async with PrefectClient(stack.prefect_api_url) as client:
        yield client


@pytest.fixture
def declared() -> list[Declaration]:
    return read_declarations(root() / DECLARATIONS)


async def _register(client: PrefectClient, declarations: list[Declaration]) -> list[str]:
    return await register(client, declarations, folder=root(), work_pool=POOL)


def _nightly(prefect: PrefectApi) -> Any:
    return prefect.get("/deployments/name/export/nightly")


async def test_what_is_there_as_declared_is_not_written_again(
    client: PrefectClient, prefect: PrefectApi, declared: list[Declaration]
) -> None:
    before = _nightly(prefect)

    assert await _register(client, declared) == []

    assert _nightly(prefect)["updated"] == before["updated"]


def test_the_nightly_export_waits_for_someone_to_switch_it_on(prefect: PrefectApi) -> None:
    nightly = _nightly(prefect)

    assert [schedule["active"] for schedule in nightly["schedules"]] == [False]
    assert nightly["parameters"] == {"format": "csv", "period": "yesterday"}


@pytest.mark.parametrize("name", ["backup", "cleanup"])
def test_a_nightly_backup_and_cleanup_wait_for_someone_to_switch_them_on(prefect: PrefectApi, name: str) -> None:
    deployment = prefect.get(f"/deployments/name/{name}/api")
    assert [schedule["active"] for schedule in deployment["schedules"]] == [False]
    assert deployment["global_concurrency_limit"]["limit"] == 1


async def test_a_change_is_written_and_a_schedule_stays_as_an_operator_left_it(
    client: PrefectClient, prefect: PrefectApi, declared: list[Declaration]
) -> None:
    """`prefect deploy` switches a schedule off again that an operator had switched on in the Prefect UI."""
    found = _nightly(prefect)
    schedule = found["schedules"][0]["id"]
    switched = prefect.http.patch(f"/deployments/{found['id']}/schedules/{schedule}", json={"active": True})
    assert switched.is_success
    changed = [d.model_copy(update={"description": "Changed."}) if d.name == "nightly" else d for d in declared]

    assert await _register(client, changed) == ["export/nightly"]

    now = _nightly(prefect)
    assert now["description"] == "Changed."
    assert [schedule["active"] for schedule in now["schedules"]] == [True]
    schedule = now["schedules"][0]["id"]
    prefect.http.patch(f"/deployments/{found['id']}/schedules/{schedule}", json={"active": False}).raise_for_status()
    assert await _register(client, declared) == ["export/nightly"]


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"format": "json"}},
        {"tags": ["other"]},
        {"concurrency_limit": 3},
        {"schedules": []},
        {"pull": []},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_every_declared_word_counts_as_a_change(
    client: PrefectClient, declared: list[Declaration], change: dict[str, Any]
) -> None:
    changed = [d.model_copy(update=change) if d.name == "nightly" else d for d in declared]

    assert await _register(client, changed) == ["export/nightly"]
    assert await _register(client, changed) == []
    assert await _register(client, declared) == ["export/nightly"]


def test_prefect_knows_the_parameters_of_an_export(prefect: PrefectApi) -> None:
    schema = prefect.get("/deployments/name/export/api")["parameter_openapi_schema"]

    assert {"format", "camera_id", "risk_level", "start_date", "end_date", "reviewed"} <= set(schema["properties"])


@pytest.mark.timeout(300)
async def test_prefects_own_deploy_command_deploys_the_same(
    stack: Stack, client: PrefectClient, prefect: PrefectApi, declared: list[Declaration]
) -> None:
    """FastAPI from 0.151 on makes the command fail with 422 on Prefect 3.8.8."""
    for name in ("api", "nightly"):
        prefect.http.delete(f"/deployments/{prefect.get(f'/deployments/name/export/{name}')['id']}").raise_for_status()
    command = [str(Path(sys.executable).with_name("prefect")), "--no-prompt", "deploy", "--all"]

    done = await asyncio.to_thread(
        subprocess.run, command, cwd=root(), env=stack.environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert await _register(client, declared) == []
    run = prefect.start(prefect.get("/deployments/name/export/api")["id"], format="json")
    assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"


def test_a_run_looks_right_in_prefect(stack: Stack, api: httpx.Client, prefect: PrefectApi) -> None:
    run = api.post("/api/events/export", json={"format": "json", "risk_level": "low"}).json()["job_id"]
    prefect.wait_for(run, "COMPLETED")

    found = prefect.get(f"/flow_runs/{run}")
    assert found["parameters"]["format"] == "json"
    assert found["parameters"]["risk_level"] == "low"
    assert found["work_pool_name"] == POOL
    assert prefect.wait_for_line(run, "Job completed successfully")
