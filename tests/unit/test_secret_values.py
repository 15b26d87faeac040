"""Which parameters are secret, and what is left of them: wherever the mark stands in the schema."""

from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr, create_model

from prefect_jobs.secret_values import (
    MASK,
    STEPS,
    MaskStandsForNothing,
    filled,
    has_secrets,
    masked,
    secret_places,
    shown_schema,
)

HIDDEN = "hunter2"


class Login(BaseModel):
    user: str
    password: SecretStr
    inner: "Login | None" = None


class Open(BaseModel):
    name: str


def of(kind: Any) -> dict[str, Any]:
    """The schema of one parameter `p` of this kind, as Pydantic writes it."""
    return create_model("Parameters", p=(kind, ...)).model_json_schema()


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (SecretStr, HIDDEN, MASK),
        (SecretBytes, HIDDEN, MASK),
        (SecretStr | None, HIDDEN, MASK),
        (SecretStr | None, None, None),
        (SecretStr, "", MASK),
        (SecretStr, [HIDDEN], MASK),
        (int | SecretStr, 5, MASK),
        (list[SecretStr], [HIDDEN, HIDDEN], [MASK, MASK]),
        (list[list[SecretStr]], [[HIDDEN], []], [[MASK], []]),
        (tuple[str, SecretStr], ["a", HIDDEN], ["a", MASK]),
        (tuple[SecretStr, ...], [HIDDEN], [MASK]),
        (dict[str, SecretStr], {"a": HIDDEN}, {"a": MASK}),
        (dict[str, list[SecretStr]], {"a": [HIDDEN]}, {"a": [MASK]}),
        (Login, {"user": "u", "password": HIDDEN}, {"user": "u", "password": MASK}),
        (
            Login,
            {"user": "u", "password": HIDDEN, "inner": {"user": "v", "password": HIDDEN, "inner": None}},
            {"user": "u", "password": MASK, "inner": {"user": "v", "password": MASK, "inner": None}},
        ),
        (Login | Open, {"name": "n", "password": HIDDEN}, {"name": "n", "password": MASK}),
        (list[Login | None], [None, {"password": HIDDEN}], [None, {"password": MASK}]),
        (Login, HIDDEN, MASK),
        (Login, [HIDDEN], MASK),
        (list[Login], {"password": HIDDEN}, MASK),
        (str | Login, "u", "u"),
        (Open, {"name": HIDDEN}, {"name": HIDDEN}),
        (str, HIDDEN, HIDDEN),
    ],
    ids=str,
)
def test_what_pydantic_hides_is_hidden_at_any_depth(kind: Any, value: Any, shown: Any) -> None:
    schema = of(kind)
    parameters = {"p": value, "other": HIDDEN}
    before = repr(parameters)
    assert masked(parameters, [schema] if has_secrets(schema) else []) == {"p": shown, "other": HIDDEN}
    assert repr(parameters) == before


SECRET = {"type": "string", "writeOnly": True}


@pytest.mark.parametrize(
    "schema",
    [
        {"format": "password"},
        {"allOf": [{"type": "string"}, {"format": "password"}]},
        {"oneOf": [{"type": "integer"}, SECRET]},
        {"if": {"const": 1}, "then": {}, "else": SECRET},
        {"$ref": "#/definitions/S"},
        {"$ref": "#/$defs/a~1b%25"},
        {"$ref": "#anchored"},
        {"$ref": "urn:other#/S"},
        {"$ref": "http://example.invalid/schema.json"},
        {"$ref": "#/nowhere"},
        {"type": "object", "writeOnly": True},
    ],
    ids=str,
)
def test_every_way_to_say_secret_is_understood(schema: dict[str, Any]) -> None:
    root = {
        "properties": {"p": schema},
        "definitions": {"S": SECRET, "other": {"$id": "urn:other", "S": SECRET}},
        "$defs": {"a/b%": SECRET, "c": {"$anchor": "anchored", **SECRET}},
    }
    assert masked({"p": HIDDEN, "q": 1}, [root]) == {"p": MASK, "q": 1}


OTHERS: list[tuple[dict[str, Any], Any, Any]] = [
    ({"patternProperties": {"^(a+)+$": SECRET}}, {"a" * 60 + "!": HIDDEN}, {"a" * 60 + "!": MASK}),
    ({"propertyNames": SECRET}, {HIDDEN: 1}, MASK),
    ({"items": [{}, SECRET]}, ["a", HIDDEN], ["a", MASK]),
    ({"prefixItems": [{}], "items": SECRET}, ["a", HIDDEN], ["a", MASK]),
    ({"contains": SECRET}, [HIDDEN], [MASK]),
    ({"dependentSchemas": {"a": {"properties": {"b": SECRET}}}}, {"a": 1, "b": HIDDEN}, {"a": 1, "b": MASK}),
    ({"additionalProperties": SECRET, "properties": {"a": {}}}, {"a": "x", "b": HIDDEN}, {"a": "x", "b": MASK}),
]


@pytest.mark.parametrize(("schema", "value", "shown"), OTHERS, ids=str)
def test_the_other_words_of_json_schema_are_followed_too(schema: dict[str, Any], value: Any, shown: Any) -> None:
    assert masked({"p": value}, [{"properties": {"p": schema}}]) == {"p": shown}


def test_several_deployments_count_together() -> None:
    schemas = [{"properties": {"a": SECRET}}, {"properties": {"b": SECRET}}]
    assert masked({"a": 1, "b": 2, "c": 3}, schemas) == {"a": MASK, "b": MASK, "c": 3}


def test_references_in_a_circle_end_and_what_takes_too_long_is_hidden() -> None:
    circle = {"$ref": "#/definitions/a"}
    root = {"properties": {"p": circle}, "definitions": {"a": {"anyOf": [circle, {"items": circle}]}, "s": SECRET}}
    assert masked({"p": [[["x"]]]}, [root]) == {"p": [[["x"]]]}
    assert masked({"p": [0] * STEPS, "q": 1}, [root]) == {"p": MASK, "q": MASK}


KEPT = {"token": HIDDEN, "login": {"user": "u", "password": HIDDEN}, "keys": ["one", "two"], "n": 1}
PARAMETERS = {
    "properties": {"token": SECRET, "login": {"properties": {"password": SECRET}}, "keys": {"items": SECRET}, "n": {}}
}


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"token": MASK}, {"token": HIDDEN}),
        ({"token": "new"}, {"token": "new"}),
        ({"login": {"user": "v", "password": MASK}}, {"login": {"user": "v", "password": HIDDEN}}),
        ({"keys": [MASK, "three"]}, {"keys": ["one", "three"]}),
        ({"n": MASK}, {"n": MASK}),
        ({}, {}),
    ],
)
def test_the_mask_stands_for_what_is_kept_in_its_place(sent: dict[str, Any], meant: dict[str, Any]) -> None:
    assert filled(sent, [PARAMETERS], KEPT) == meant


def test_a_mask_that_stands_for_nothing_is_left_out_or_refused() -> None:
    assert filled({"token": MASK, "n": 2}, [PARAMETERS], {}) == {"n": 2}
    with pytest.raises(MaskStandsForNothing) as refused:
        filled({"login": {"password": MASK}}, [PARAMETERS], {"login": "?"})
    assert refused.value.path == ("login", "password")


def test_a_schema_shows_no_secret_default() -> None:
    schema = {
        "properties": {
            "token": {**SECRET, "default": HIDDEN, "examples": [HIDDEN], "enum": [HIDDEN], "const": HIDDEN},
            "login": {"$ref": "#/definitions/L", "default": {"user": "u", "password": HIDDEN}},
            "n": {"default": 3},
        },
        "definitions": {"L": {"properties": {"password": SECRET}}},
    }
    shown = shown_schema(schema)
    assert HIDDEN not in repr(shown)
    assert shown["properties"]["login"]["default"] == {"user": "u", "password": MASK}
    assert shown["properties"]["n"] == {"default": 3}
    assert HIDDEN in repr(schema)


def test_nothing_is_secret_without_a_schema() -> None:
    assert secret_places({"token": HIDDEN}, []) == []
