"""Parameters against schemas that somebody else wrote: right where it can be said, and never without an end.

A flow declared `pattern: ^(a+)+$` and a caller sent 26 letters: for 17 s nothing of the server answered, `/healthz`
included, and 40 letters would have taken days. The tests here have no clock: each would not come back.
"""

import asyncio
from typing import Any

import pytest

from prefect_jobs import schema_check
from prefect_jobs.foreign_pattern import NotMatchable, matches
from prefect_jobs.gateway import DeployedFlow, Deployment
from prefect_jobs.gateway.fake import FakePrefect
from prefect_jobs.job_types import JobTypes, parameter_errors

EVIL = "^(a+)+$"
LETTERS = "a" * 60 + "!"


def wrong(schema: dict[str, Any], value: object) -> list[str]:
    """Where a parameter of this schema breaks it."""
    deployment = Deployment("1", "api", parameter_schema={"type": "object", "properties": {"p": schema}})
    return [".".join(map(str, error.path)) for error in parameter_errors(deployment, {"p": value})]


def _branching(word: str) -> dict[str, Any]:
    """A schema of which each level asks the next one twice: 2^40 questions in four kilobytes."""
    levels: dict[str, Any] = {f"d{n}": {word: [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(40)}
    return {"properties": {"p": {"$ref": "#/definitions/d0"}}, "definitions": levels | {"d40": {"type": "string"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": EVIL},
        {"items": {"pattern": EVIL}},
        {"propertyNames": {"pattern": EVIL}},
        {"patternProperties": {EVIL: True}, "additionalProperties": False},
        {"patternProperties": {EVIL: {"type": "integer"}, "x": False}, "additionalProperties": False},
        {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": EVIL},
        {"anyOf": [{"pattern": EVIL}, {"type": "null"}]},
        {"not": {"not": {"pattern": EVIL}}},
    ],
    ids=["text", "item", "name", "names", "names of two", "other dialect", "branch", "twice not"],
)
def test_a_pattern_that_would_take_days_is_answered_at_once(schema: dict[str, Any]) -> None:
    values = ([LETTERS], {LETTERS: 1}, LETTERS)
    assert any(wrong(schema, value) for value in values)


def test_properties_that_were_evaluated_by_a_pattern_are_left_to_the_flow() -> None:
    assert wrong({"patternProperties": {EVIL: True}, "unevaluatedProperties": False}, {LETTERS: 1}) == []
    assert wrong({"unevaluatedProperties": False}, {"a": 1}) == ["p"]


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"^[a-z]{2,5}-\d+$", "abc-12", True),
        (r"^[a-z]{2,5}-\d+$", "abc12", False),
        ("b", "abc", True),
        (r"^\w+$", "Ärger", True),
        ("^.$", "é", True),
    ],
)
def test_a_pattern_is_searched_for_as_json_schema_says(pattern: str, text: str, fits: bool) -> None:
    assert (wrong({"pattern": pattern}, text) == []) is fits


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", "(", r"a{1000}{1000}", "(?:(?:a{0,900}){0,900}){0,900}$"])
def test_what_the_engine_has_no_words_for_is_left_to_the_flow(pattern: str) -> None:
    with pytest.raises(NotMatchable):
        matches(pattern, "c" * 1000)
    value = "c" * 1000
    assert wrong({"pattern": pattern}, value) == []
    assert wrong({"not": {"pattern": pattern}}, value) == []
    assert wrong({"oneOf": [{"pattern": pattern}, {"type": "string"}]}, value) == []
    assert wrong({"if": {"pattern": pattern}, "then": False}, value) == []
    assert wrong({"patternProperties": {pattern: True}, "additionalProperties": False}, {value: 1}) == []
    assert wrong({"allOf": [{"pattern": pattern}, {"type": "integer"}]}, value) == ["p"]


@pytest.mark.parametrize(("word", "value"), [("anyOf", 1), ("oneOf", 1), ("allOf", "x")])
def test_a_schema_that_asks_a_billion_questions_is_refused(
    word: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_check, "SECONDS", 0.05)
    errors = parameter_errors(Deployment("1", "api", parameter_schema=_branching(word)), {"p": value})
    assert "cannot be checked against the schema" in errors[-1].message


def test_a_schema_that_refers_to_itself_decides_nothing() -> None:
    assert wrong({"$ref": "#/properties/p"}, 1) == []
    assert wrong({"allOf": [{"$ref": "#/properties/p"}, {"$ref": "#/properties/p"}]}, 1) == []


@pytest.mark.parametrize(
    ("items", "fits"),
    [
        ([*range(20_000), *map(str, range(9_000))], True),
        ([{"a": number} for number in range(29_000)], True),
        ([1, 1.0], False),
        ([1, True, "1", None, [0], {"a": 0}], True),
        ([{"a": 1, "b": [0]}, {"b": [0.0], "a": 1}], False),
        ([[False], [0]], True),
    ],
    ids=["mixed", "objects", "equal numbers", "kinds", "equal objects", "no numbers"],
)
def test_unique_items_are_compared_by_what_they_are(items: list[Any], fits: bool) -> None:
    assert (wrong({"uniqueItems": True}, items) == []) is fits


def test_an_integer_of_four_thousand_digits_is_no_accident() -> None:
    assert wrong({"multipleOf": 0.5}, 10**4000) == []
    assert wrong({"multipleOf": 2.5}, 10**4000 + 1) == ["p"]
    assert wrong({"multipleOf": 7}, 10**4000) == ["p"]
    assert wrong({"maximum": 1e308}, 10**4000) == ["p"]


@pytest.mark.parametrize(
    "schema", [{"$id": "http://["}, {"$ref": "http://["}, {"$ref": "#/%"}, {"$dynamicRef": "#x"}, {"$anchor": "1"}]
)
def test_a_schema_with_a_broken_address_decides_nothing(schema: dict[str, Any]) -> None:
    assert wrong(schema, 1) == []


def test_a_schema_without_properties_is_held_against_too() -> None:
    deployment = Deployment("1", "api", parameter_schema={"required": ["a"]})
    assert [error.path for error in parameter_errors(deployment, {"b": 1})] == [("a",)]


def test_what_is_said_of_large_values_stays_short() -> None:
    branches = {"anyOf": [{"type": "integer"}] * 2_000}
    deployment = Deployment("1", "api", parameter_schema={"properties": {"p": branches}})
    [error] = parameter_errors(deployment, {"p": ["x" * 100] * 2_000})
    assert len(error.message) <= schema_check.MESSAGE_LIMIT


async def test_the_event_loop_goes_on_while_a_schema_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_check, "SECONDS", 0.5)
    deployment = Deployment("1", "api", parameter_schema=_branching("anyOf"))
    types = JobTypes(FakePrefect(deployed=[DeployedFlow("slow", (deployment,))]))
    checks = [asyncio.create_task(types.errors("slow", deployment, {"p": 1})) for _ in range(3)]
    ticks = 0
    while not all(check.done() for check in checks):
        await asyncio.sleep(0.01)
        ticks += 1
    # On the loop itself there would be one tick for each check.
    assert ticks > 10
    assert all(check.result() for check in checks)
