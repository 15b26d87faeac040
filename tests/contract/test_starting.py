"""Contract 4.2 and 16.4: which jobs there can be, and starting one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.jobs import job
from tests.contract.runs import Runs
from tests.prefect_api import PrefectApi
from tests.stack import eventually

BUILT_IN = ["export", "cleanup", "backup", "import", "batch_audit", "re_evaluation"]


def types(api: httpx.Client) -> list[dict[str, Any]]:
    return api.get("/api/jobs/types").raise_for_status().json()["job_types"]


def test_the_built_in_types_come_first_then_the_others_by_name(api: httpx.Client, runs: Runs) -> None:
    runs.new()

    def contract_is_there() -> list[str] | None:
        names = [found["name"] for found in types(api)]
        return names if "contract" in names else None

    names = eventually(contract_is_there) or []
    assert names[:6] == BUILT_IN
    assert names[6:] == sorted(names[6:])


def test_a_type_tells_what_it_takes_and_who_can_run_it(api: httpx.Client) -> None:
    export = types(api)[0]
    assert set(export) == {"name", "description", "title", "parameter_schema", "deployments", "can_start"}
    assert export["description"] == "Export events to CSV, JSON, or ZIP format"
    assert (export["title"], export["can_start"]) == ("Export", True)
    assert [deployment["name"] for deployment in export["deployments"]] == ["api", "nightly"]  # the chosen one first
    assert export["deployments"][1]["parameters"]["period"] == "yesterday"
    assert export["parameter_schema"]["properties"]["format"]["type"] == "string"


def test_a_job_is_started_by_its_type_and_is_there_at_once(api: httpx.Client) -> None:
    wanted = {"job_type": "export", "parameters": {"format": "json", "camera_id": "no such camera"}}
    answer = api.post("/api/jobs", json=wanted)
    assert answer.status_code == 202
    started = answer.json()
    job_id = started["job_id"]
    message = f"Export job created. Use GET /api/jobs/{job_id} to track progress."
    assert started == {"job_id": job_id, "status": "pending", "message": message}
    assert api.get(f"/api/jobs/{job_id}").json()["job_type"] == "export"
    params = api.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]
    assert params["camera_id"] == "no such camera"
    first = api.get(f"/api/jobs/{job_id}/history").json()["transitions"][0]
    assert (first["from"], first["to"], first["triggered_by"]) == (None, "pending", "api")
    assert job(api, job_id, status="completed")["result"]["format"] == "json"


def test_the_same_key_finds_the_same_job(api: httpx.Client) -> None:
    wanted = {"job_type": "export", "parameters": {"camera_id": "no such camera"}}
    key = f"key of {datetime.now(UTC).isoformat()}"
    first, second, other = (
        api.post("/api/jobs", json=wanted, headers={"Idempotency-Key": text}).json()["job_id"]
        for text in (key, key, key + "!")
    )
    assert first == second != other


def test_a_job_for_later_is_no_job_in_the_list_until_it_is_due(api: httpx.Client) -> None:
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    job_id = api.post("/api/jobs", json={"job_type": "export", "run_at": due}).json()["job_id"]
    assert api.get(f"/api/jobs/{job_id}").json()["state"] == "scheduled"
    assert job_id not in {item["job_id"] for item in api.get("/api/jobs").json()["items"]}
    assert api.delete(f"/api/jobs/{job_id}", params={"purge": "true"}).status_code == 200


def test_a_named_deployment_runs_it(api: httpx.Client) -> None:
    answer = api.post("/api/jobs", json={"job_type": "export", "deployment": "nightly"})
    job_id = answer.json()["job_id"]
    assert api.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]["period"] == "yesterday"
    api.post(f"/api/jobs/{job_id}/cancel")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["body.job_type"]),
        ({"job_type": ""}, ["body.job_type"]),
        ({"job_type": "no-such-type"}, ["body.job_type"]),
        ({"job_type": "export", "deployment": "no-such-deployment"}, ["body.deployment"]),
        ({"job_type": "export", "parameters": []}, ["body.parameters"]),
        ({"job_type": "export", "parameters": {"format": 5}}, ["body.parameters.format"]),
        ({"job_type": "export", "parameters": {"reviewed": "perhaps"}}, ["body.parameters.reviewed"]),
        ({"job_type": "export", "parameters": {"start_date": "yesterday"}}, ["body.parameters.start_date"]),
        ({"job_type": "export", "parameters": {"colour": 1, "x": 2}}, ["body.parameters.colour", "body.parameters.x"]),
        (
            {"job_type": "export", "parameters": {"format": {"__prefect_kind": "workspace_variable"}}},
            ["body.parameters.format"],
        ),
        ({"job_type": "export", "parameters": {"camera_id": "a\x00b"}}, ["body.parameters.camera_id"]),
        ({"job_type": "export", "parameters": {"camera_id": ["x" * 9_000] * 30}}, ["body.parameters"]),
        ({"job_type": "export", "run_at": "tomorrow"}, ["body.run_at"]),
        ({"job_type": "export", "run_at": "2999-01-01T00:00:00Z"}, ["body.run_at"]),
        ({"job_type": "export", "run_at": "9999-12-31T23:59:59-23:00"}, ["body.run_at"]),
    ],
)
def test_what_cannot_be_started_is_refused_with_the_field_that_is_wrong(
    api: httpx.Client, body: dict[str, Any], fields: list[str]
) -> None:
    answer = api.post("/api/jobs", json=body)
    assert answer.status_code == 422, answer.text
    assert [item["field"] for item in answer.json()["error"]["errors"]] == fields


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_a_key_has_1_to_200_characters(api: httpx.Client, key: str) -> None:
    answer = api.post("/api/jobs", json={"job_type": "export"}, headers={"Idempotency-Key": key})
    assert [item["field"] for item in answer.json()["error"]["errors"]] == ["header.idempotency-key"]


def test_a_type_that_nothing_can_run_is_refused_by_name(api: httpx.Client, runs: Runs) -> None:
    flow = runs.flow_without_deployment()
    answer = api.post("/api/jobs", json={"job_type": flow})
    assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
    assert answer.json()["detail"] == f"No deployment can run jobs of type {flow}"
    assert next(found for found in types(api) if found["name"] == flow)["can_start"] is False


def test_a_secret_parameter_is_hidden_and_handed_on_unseen(api: httpx.Client, prefect: PrefectApi) -> None:
    token = {"type": "string", "format": "password", "writeOnly": True}
    schema = {"type": "object", "properties": {"token": token, "city": {"type": "string"}}}
    deployment = prefect.deploy(Path("secret.py"), "secret_keeper", parameter_openapi_schema=schema)
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    def started(**wanted: Any) -> str:
        answer = api.post("/api/jobs", json={"job_type": "secret_keeper", "run_at": due, **wanted})
        return answer.raise_for_status().json()["job_id"]

    first = started(parameters={"token": "hunter2", "city": "Rome"})
    second = started(like=first, parameters={"city": "Oslo"})
    for job_id, city in ((first, "Rome"), (second, "Oslo")):
        assert prefect.get(f"/flow_runs/{job_id}")["parameters"] == {"token": "hunter2", "city": city}
        shown = api.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]
        assert shown == {"token": "**********", "city": city}
        assert api.delete(f"/api/jobs/{job_id}", params={"purge": "true"}).status_code == 200
    prefect.http.delete(f"/deployments/{deployment}")
