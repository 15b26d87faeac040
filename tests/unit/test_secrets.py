"""A secret parameter is read by nobody: not in the API, not in a search, not in an error, not in the index's file.

A flow's `SecretStr` stood in the details, on the page and in the form to run it again, and `param.token:…` found it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from prefect_jobs.gateway import DeployedFlow, Deployment, Run
from prefect_jobs.gateway.fake import FakePrefect, completed
from prefect_jobs.index_check import IndexCheck
from prefect_jobs.secret_values import MASK
from prefect_jobs.secrets_of_types import SecretsOfTypes
from prefect_jobs.store import JobIndex, SecretSchemaStore
from prefect_jobs.store.database import Database
from prefect_jobs.store.row_check import StoredRows
from tests.unit.serving import ADMIN, KEYS, OPERATOR, VIEWER, Client, served

HIDDEN = "hunter2-and-more"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "format": "password", "writeOnly": True, "minLength": 8},
        "login": {"$ref": "#/definitions/Login"},
        "city": {"type": "string", "maxLength": 8},
    },
    "definitions": {
        "Login": {
            "type": "object",
            "properties": {"user": {"type": "string"}, "password": {"format": "password", "pattern": "^[0-9]+$"}},
        }
    },
}
PARAMETERS: dict[str, Any] = {"token": HIDDEN, "login": {"user": "u", "password": "0815"}, "city": "Rome"}
SHOWN: dict[str, Any] = {"token": MASK, "login": {"user": "u", "password": MASK}, "city": "Rome"}


def deployment(name: str = "api", schema: dict[str, Any] | None = None, **own: Any) -> Deployment:
    return Deployment(f"id-of-{name}", name, parameters=own, parameter_schema=SCHEMA if schema is None else schema)


SYNC = DeployedFlow("sync", (deployment(token=HIDDEN),))


def a_sync(**fields: Any) -> Run:
    return completed(flow="sync", **({"parameters": PARAMETERS, "deployment_id": "id-of-api"} | fields))


def found(client: Client, q: str) -> int:
    return client.get("/api/jobs/search", params={"q": q}).json()["meta"]["total"]


def test_a_secret_is_read_nowhere(tmp_path: Path) -> None:
    run = a_sync()
    with served(tmp_path, [run], deployed=[SYNC]) as client:
        client.app.state.fake.put(run)
        assert client.get(f"/api/jobs/{run.id}/detail").json()["metadata"]["input_params"] == SHOWN
        for path in ("", "/detail", "/history"):
            assert HIDDEN not in client.get(f"/api/jobs/{run.id}{path}").text
        types = client.get("/api/jobs/types").json()["job_types"]
        [own] = [found["deployments"][0]["parameters"] for found in types if found["name"] == "sync"]
        assert own == {"token": MASK}
        assert found(client, "param.city:Rome") == 1
        for q in (f"param.token:{HIDDEN}", "param.token:hunter", f"param.token:{MASK}", HIDDEN, 'param.login:{"user'):
            assert found(client, q) == (1 if q.endswith("user") else 0), q
    assert all(HIDDEN.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_runs_of_another_deployment_of_the_flow_or_of_none_are_hidden_too(tmp_path: Path) -> None:
    both = DeployedFlow("sync", (deployment("plain", {"properties": {}}), deployment()))
    runs = [a_sync(deployment_id="id-of-plain"), a_sync(deployment_id=None), a_sync(deployment_id="long gone")]
    with served(tmp_path, runs, deployed=[both]) as client:
        for run in runs:
            client.app.state.fake.put(run)
            assert client.get(f"/api/jobs/{run.id}/detail").json()["metadata"]["input_params"] == SHOWN


def started(client: Client, **wanted: Any) -> dict[str, Any]:
    """The parameters with which Prefect got the job."""
    answer = client.post("/api/jobs", json={"job_type": "sync", **wanted})
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    shown = client.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]
    assert HIDDEN not in json.dumps(shown)
    fake: Any = client.app.state.fake
    return dict(fake._runs[job_id].parameters)


def test_a_job_like_another_gets_its_secrets_unseen(tmp_path: Path) -> None:
    run = a_sync()
    with served(tmp_path, [run], deployed=[DeployedFlow("sync", (deployment(),))]) as client:
        assert started(client, like=run.id) == PARAMETERS
        assert started(client, like=run.id, parameters={"city": "Oslo"}) == PARAMETERS | {"city": "Oslo"}
        assert started(client, like=run.id, parameters={"token": "another-one"})["token"] == "another-one"
        # Forms send back what they were shown.
        assert started(client, like=run.id, parameters=SHOWN) == PARAMETERS
        login = {"user": "v", "password": MASK}
        assert started(client, like=run.id, parameters={"login": login})["login"] == {"user": "v", "password": "0815"}


def test_the_mask_alone_is_no_value(tmp_path: Path) -> None:
    with served(tmp_path, deployed=[SYNC]) as client:
        assert started(client, parameters={"token": MASK}) == {"token": HIDDEN}
        deep = {"job_type": "sync", "parameters": {"login": {"password": MASK}}}
        refused = client.post("/api/jobs", json=deep)
        assert refused.status_code == 422
        assert refused.json()["error"]["errors"][0]["field"] == "body.parameters.login.password"


@pytest.mark.parametrize("like", ["another type", "nobody", "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"])
def test_a_job_like_no_job_of_its_type_is_refused(tmp_path: Path, like: str) -> None:
    run = completed(flow="export", parameters=PARAMETERS)
    with served(tmp_path, [run], deployed=[SYNC, "export"]) as client:
        wanted = {"job_type": "sync", "like": run.id if like == "another type" else like}
        answer = client.post("/api/jobs", json=wanted)
        assert answer.status_code == 422
        assert answer.json()["error"]["errors"][0]["field"] == "body.like"
        assert HIDDEN not in answer.text


def test_who_may_only_look_starts_nothing_like_another_job(tmp_path: Path) -> None:
    run = a_sync()
    with served(tmp_path, [run], deployed=[SYNC], api_keys=KEYS) as client:
        for key, status in ((VIEWER, 403), (OPERATOR, 202), (ADMIN, 202)):
            wanted = {"job_type": "sync", "like": run.id}
            assert client.post("/api/jobs", json=wanted, headers={"X-API-Key": key}).status_code == status


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"token": "hunter2"}, "token"),
        ({"token": [HIDDEN]}, "token"),
        ({"tokne": HIDDEN, "token": HIDDEN}, "tokne"),
        ({"token": HIDDEN, "login": {"password": "hunter2"}}, "login.password"),
        ({"token": HIDDEN, "login": [{"password": "hunter2"}]}, "login"),
        ({"token": {"__prefect_kind": "hunter2"}}, "token"),
        ([HIDDEN], ""),
        ("x" * 300_000 + HIDDEN, ""),
        ({"token": ["hunter2" * 10_000] * 4}, ""),
        ({"token": HIDDEN, "login": "hunter2"}, "login"),
    ],
    ids=["short", "list", "name", "pattern", "kind", "template", "no object", "text", "large", "no login"],
)
def test_no_error_repeats_a_secret(tmp_path: Path, parameters: Any, field: str) -> None:
    with served(tmp_path, deployed=[SYNC]) as client:
        answer = client.post("/api/jobs", json={"job_type": "sync", "parameters": parameters})
        assert answer.status_code == 422
        assert answer.json()["error"]["errors"][0]["field"] == ".".join(filter(None, ["body.parameters", field]))
        assert "hunter2" not in answer.text


def test_what_is_no_secret_is_still_said(tmp_path: Path) -> None:
    with served(tmp_path, deployed=[SYNC]) as client:
        answer = client.post("/api/jobs", json={"job_type": "sync", "parameters": {"city": "Constantinople"}})
        [error] = answer.json()["error"]["errors"]
        assert error["value"] == "Constantinople"


class World:
    """Prefect, and what is secret in it, without a server."""

    def __init__(self, database: Database, *deployments: Deployment) -> None:
        self.prefect = FakePrefect(deployed=[DeployedFlow("sync", deployments)])
        self.database = database
        self.secrets = self.again()

    def again(self) -> SecretsOfTypes:
        """As after a restart."""
        return SecretsOfTypes(self.prefect, SecretSchemaStore(self.database))

    def deploy(self, *deployments: Deployment) -> None:
        self.prefect._flows["sync"] = DeployedFlow("sync", deployments)  # pyright: ignore[reportPrivateUsage]

    async def shown(self, run: Run, secrets: SecretsOfTypes | None = None) -> Any:
        [masked] = await (secrets or self.secrets).masked_runs([run])
        return masked.parameters["token"]


async def test_what_a_deleted_deployment_called_secret_stays_secret_after_a_restart(database: Database) -> None:
    world = World(database, deployment())
    assert await world.shown(a_sync()) == MASK
    world.deploy()
    assert await world.shown(a_sync()) == MASK
    assert await world.shown(a_sync(), world.again()) == MASK


async def test_a_deployment_that_lost_its_schema_keeps_its_secrets_and_one_that_says_none_is_secret_does_not(
    database: Database,
) -> None:
    world = World(database, deployment())
    assert await world.shown(a_sync()) == MASK
    world.deploy(deployment(schema={}))
    assert await world.shown(a_sync(), world.again()) == MASK
    world.deploy(deployment(schema={"properties": {"token": {"type": "string"}}}))
    assert await world.shown(a_sync(), world.again()) == HIDDEN


async def test_a_new_deployment_is_asked_for_before_its_first_run_is_shown(database: Database) -> None:
    world = World(database, deployment("plain", {"properties": {}}))
    assert await world.shown(a_sync(deployment_id="id-of-plain")) == HIDDEN
    world.deploy(deployment("plain", {"properties": {}}), deployment("new"))
    assert await world.shown(a_sync(deployment_id="id-of-new")) == MASK


async def test_a_schema_that_changed_counts_for_the_next_run(database: Database) -> None:
    world = World(database, deployment(schema={"properties": {"token": {}}}))
    world.secrets = SecretsOfTypes(world.prefect, monotonic=iter(range(0, 1000, 2)).__next__)
    assert await world.shown(a_sync()) == HIDDEN
    world.deploy(deployment())
    assert await world.shown(a_sync()) == MASK


async def test_known_flows_cost_prefect_no_question(database: Database) -> None:
    world = World(database, deployment())
    runs: Sequence[Run] = [a_sync(), a_sync(deployment_id="gone"), a_sync(deployment_id=None)]
    old = [replace(run, created_at=run.created_at.replace(year=2020)) for run in runs]
    await world.secrets.masked_runs(old)
    before = world.prefect.requests
    for _ in range(10):
        await world.secrets.masked_runs(old)
    assert world.prefect.requests == before


async def test_prefect_away_leaves_what_is_known(database: Database) -> None:
    world = World(database, deployment())
    assert await world.shown(a_sync()) == MASK
    world.prefect.go_down()
    assert await world.shown(a_sync(deployment_id="new")) == MASK


async def test_the_check_of_the_index_knows_the_secrets_too(database: Database) -> None:
    world = World(database, deployment())
    run = world.prefect.put(a_sync())
    check = IndexCheck(world.prefect, StoredRows(database), None, secrets=world.secrets, pauses=())
    index = await JobIndex.open(database)
    await index.apply([run], now=run.created_at)  # as it was written before the schema was known
    differences = [difference async for difference in check.differences()]
    assert [difference.field for difference in differences] == ["parameters", "parameter_text"]
    assert HIDDEN not in repr(differences)
    await index.apply(await world.secrets.masked_runs(await world.prefect.read_runs([run.id])), now=run.created_at)
    assert [difference async for difference in check.differences()] == []


def test_the_log_of_the_server_names_no_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with served(tmp_path, deployed=[SYNC]) as client:
        answer: httpx.Response = client.post("/api/jobs", json={"job_type": "sync", "parameters": PARAMETERS})
        assert answer.status_code == 202
    assert HIDDEN not in caplog.text
