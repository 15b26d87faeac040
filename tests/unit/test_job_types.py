"""Which jobs there can be, and which parameters fit them."""

from typing import Any

import pytest

from prefect_jobs.gateway import DeployedFlow, Deployment
from prefect_jobs.gateway.fake import FakePrefect, running
from prefect_jobs.job_types import BUILT_IN, ERRORS_SHOWN, JobTypes, parameter_errors, readable

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["folder", "size"],
    "properties": {
        "folder": {"type": "string"},
        "size": {"type": "integer", "minimum": 1},
        "since": {"type": "string", "format": "date-time"},
        "run": {"type": "string", "format": "uuid"},
        "box": {"$ref": "#/definitions/Box"},
    },
    "definitions": {"Box": {"type": "object", "properties": {"edges": {"type": "array", "items": {"type": "number"}}}}},
}
THUMBNAILS = Deployment("1", "api", parameters={"size": 256}, parameter_schema=SCHEMA)


def wrong(**parameters: Any) -> list[str]:
    found = parameter_errors(THUMBNAILS, parameters)
    return [".".join(str(part) for part in error.path) for error in found]


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"folder": "x"}, []),
        ({"folder": "x", "size": 1, "since": "2026-03-04T08:15:00Z", "box": {"edges": [1, 2.5]}}, []),
        ({}, ["folder"]),
        ({"folder": 5}, ["folder"]),
        ({"folder": "x", "size": 0}, ["size"]),
        ({"folder": "x", "size": None}, ["size"]),
        ({"folder": "x", "since": "yesterday"}, ["since"]),
        ({"folder": "x", "run": "no uuid"}, ["run"]),
        ({"folder": "x", "box": {"edges": [1, "a"]}}, ["box.edges.1"]),
        ({"folder": "x", "colour": 1}, ["colour"]),
        ({"folder": {"__prefect_kind": "workspace_variable", "variable_name": "secret"}}, ["folder"]),
        ({"folder": "x", "box": {"edges": [{"__prefect_kind": "jinja"}]}}, ["box.edges.0"]),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(parameters: dict[str, Any], fields: list[str]) -> None:
    assert wrong(**parameters) == fields


def test_what_the_deployment_gives_itself_is_not_the_callers_mistake() -> None:
    own = Deployment("1", "api", parameters={"size": {"__prefect_kind": "jinja"}}, parameter_schema=SCHEMA)
    assert parameter_errors(own, {"folder": "x"}) == []


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": {"a": {"type": "no such type"}}},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
    ],
)
def test_a_schema_that_cannot_be_used_decides_nothing_and_is_never_fetched(schema: dict[str, Any]) -> None:
    assert parameter_errors(Deployment("1", "api", parameter_schema=schema), {"a": "text"}) == []


def test_a_long_list_of_mistakes_is_cut() -> None:
    assert len(wrong(folder="x", **{f"no{number}": 1 for number in range(100)})) == ERRORS_SHOWN


async def test_the_built_in_types_are_there_without_any_flow() -> None:
    known = await JobTypes(FakePrefect(deployed=["thumbnails"])).all()
    assert [found.name for found in known] == [*BUILT_IN, "thumbnails"]
    assert [found.chosen is not None for found in known] == [False] * 6 + [True]


async def test_a_type_has_the_title_that_its_runs_say() -> None:
    prefect = FakePrefect([running(flow="export", title="Event export"), running(flow="thumbnails")])
    titles = {found.name: found.title for found in await JobTypes(prefect).all()}
    assert (titles["export"], titles["thumbnails"], titles["batch_audit"]) == (
        "Event export",
        "Thumbnails",
        "Batch audit",
    )


async def test_a_flow_with_several_deployments_is_started_by_the_one_named_api() -> None:
    flow = DeployedFlow("x", tuple(Deployment(name, name) for name in ("a", "api", "z")))
    assert [found.name for found in [flow.deployment(), flow.deployment("z")] if found] == ["api", "z"]
    assert [DeployedFlow("x", (Deployment("1", "b"), Deployment("2", "a"))).deployment()] == [Deployment("2", "a")]
    assert DeployedFlow("x").deployment() is None


async def test_any_number_of_viewers_cost_one_question_every_few_seconds() -> None:
    now = 0.0
    prefect = FakePrefect()
    types = JobTypes(prefect, clock=lambda: now)
    for _ in range(10):
        await types.all()
    assert prefect.requests == 1
    now = 6.0
    await types.all()
    assert prefect.requests == 2


async def test_a_type_that_is_not_known_yet_is_looked_up_at_once() -> None:
    prefect = FakePrefect(deployed=[])
    types = JobTypes(prefect, clock=lambda: 0.0)
    await types.all()
    assert await types.find("thumbnails") is None
    assert prefect.requests == 2
    assert await types.find("cleanup") is not None


@pytest.mark.parametrize(
    ("name", "title"), [("batch_audit", "Batch audit"), ("re-index", "Re index"), ("_", "_"), ("x", "X")]
)
def test_a_name_is_made_readable(name: str, title: str) -> None:
    assert readable(name) == title
