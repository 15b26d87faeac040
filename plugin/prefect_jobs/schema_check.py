"""Holding a value against a schema, both written by others, within a bounded time.

A schema is a program: thirty nested `anyOf` ask a billion questions, `uniqueItems` compares each item with each other,
a pattern may take days. A flow's author writes it and a caller the value, so neither may decide how long it takes:
patterns are matched without backtracking, items compared by what they are made of, and the whole has a time limit.

What cannot be judged so (look-around in a pattern) is taken to fit: the flow itself has the last word, in its own
process.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import date, datetime
from fractions import Fraction
from functools import wraps
from typing import Any, cast
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]  # it is not typed
from pydantic import TypeAdapter
from referencing import Registry
from referencing.exceptions import Unresolvable

from prefect_jobs.foreign_pattern import NotMatchable, matches
from prefect_jobs.iso_time import as_utc, is_day, read_time

UNUSABLE = (SchemaError, Unresolvable, RecursionError, ValueError, TypeError, LookupError, AttributeError)
"""How a schema that breaks the rules of JSON schema ends a check: in the library's words, or in Python's."""
SECONDS = 2.0
"""How long one check may take: hundreds of times what the schema of a flow takes."""
MESSAGE_LIMIT = 500
"""Characters of what is said of one value."""

Keyword = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]
"""How a word of the schema is checked: validator, the word's value, the instance, the schema around it."""


class TooMuch(Exception):
    """The value cannot be checked against its schema within {SECONDS:g} s."""

    def __init__(self) -> None:
        super().__init__(f"These values cannot be checked against the schema within {SECONDS:g} s")


class _Check:
    """One check that goes on. ``unsure``: something was met that cannot be judged."""

    __slots__ = ("_until", "unsure")

    def __init__(self) -> None:
        self._until = time.monotonic() + SECONDS
        self.unsure = False

    def step(self) -> None:
        """Go on.

        Raises:
            TooMuch: the time is up.
        """
        if time.monotonic() > self._until:
            raise TooMuch


_check: ContextVar[_Check] = ContextVar("schema_check")

# -- formats ----------------------------------------------------------------------------------------------------------

_formats = FormatChecker(formats=())
_AS_A_FLOW_READS_IT = TypeAdapter(datetime)
_DAY = TypeAdapter(date)


@_formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    # The flow's own Pydantic must read the same of it, which takes fewer forms of a time, and numbers as well.
    return not isinstance(value, str) or read_time(value) == as_utc(_AS_A_FLOW_READS_IT.validate_python(value))


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or (is_day(value) and bool(_DAY.validate_python(value)))


@_formats.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(UUID(value))


# -- the words that jsonschema itself checks without a bound ----------------------------------------------------------


def _found(pattern: str, text: str) -> bool:
    try:
        return matches(pattern, text)
    except NotMatchable:
        _check.get().unsure = True
        return True


def _pattern(validator: Any, pattern: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, schema in patterns.items():
        for name, value in instance.items():
            _check.get().step()
            if _found(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    rest = {
        name: value
        for name, value in instance.items()
        if name not in known and not any(_found(pattern, name) for pattern in patterns)
    }
    yield from _original("additionalProperties")(validator, allowed, rest, {}) or ()


def _unique_items(validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(instance, "array"):
        seen = {json.dumps(_comparable(item), sort_keys=True) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError(f"{instance!r} has non-unique elements")


def _comparable(value: Any) -> Any:
    """The value in the one form in which equal ones are written alike: 1 is 1.0, and neither is true."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_comparable(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {str(name): _comparable(item) for name, item in cast("dict[Any, Any]", value).items()}
    return value


def _multiple_of(validator: Any, factor: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    try:
        yield from _original("multipleOf")(validator, factor, instance, schema) or ()
    except OverflowError:
        # An integer of four hundred digits, divided by a float.
        if (Fraction(instance) / Fraction(factor)).denominator != 1:
            yield ValidationError(f"{instance!r} is not a multiple of {factor!r}")


def _unevaluated(name: str) -> Keyword:
    def unevaluated(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        # jsonschema looks for the properties that were evaluated with Python's patterns.
        if "'patternProperties'" in repr(schema):
            _check.get().unsure = True
        else:
            yield from _original(name)(validator, allowed, instance, schema) or ()

    return unevaluated


def _if_sure(keyword: Keyword) -> Keyword:
    """A word whose answer turns over when what it asks does: nothing is said where that cannot be judged."""

    def sure(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        check = _check.get()
        before, check.unsure = check.unsure, False
        errors = list(keyword(validator, value, instance, schema) or ())
        if not check.unsure:
            yield from errors
        check.unsure = check.unsure or before

    return sure


def _bounded(keyword: Keyword) -> Keyword:
    @wraps(keyword)
    def bounded(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _check.get().step()
        for error in keyword(validator, value, instance, schema) or ():
            # Each repeats the whole value, and an `anyOf` keeps those of all its branches.
            error.message = error.message[:MESSAGE_LIMIT]
            yield error

    return bounded


_KEYWORDS = cast("Mapping[str, Keyword]", Draft202012Validator.VALIDATORS)


def _original(name: str) -> Keyword:
    return _KEYWORDS[name]


_OURS: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "multipleOf": _multiple_of,
    "unevaluatedProperties": _unevaluated("unevaluatedProperties"),
    "unevaluatedItems": _unevaluated("unevaluatedItems"),
    **{name: _if_sure(_original(name)) for name in ("not", "oneOf", "if", "contains")},
}
_Validator = cast("Any", extend)(
    Draft202012Validator,
    validators={name: _bounded(_OURS.get(name, keyword)) for name, keyword in _KEYWORDS.items()},
)


def schema_errors(schema: Mapping[str, Any], value: Any) -> Iterator[ValidationError]:
    """What of the value does not fit the schema.

    Raises:
        TooMuch: it cannot be said in the time there is.
        One of UNUSABLE: the schema cannot be used.
    """
    _check.set(_Check())
    bare = _without_dialects(schema)
    for error in _Validator(_Validator.META_SCHEMA).iter_errors(bare):
        raise SchemaError.create_from(error)
    # A registry of nothing: a schema that refers to an address must not make us ask there.
    nothing = cast("Any", Registry)()
    yield from _Validator(bare, registry=nothing, format_checker=_formats).iter_errors(value)


def _without_dialects(schema: Any) -> Any:
    """The schema without `$schema`: jsonschema would take another validator for what is below it."""
    if isinstance(schema, Mapping):
        items = cast("Mapping[Any, Any]", schema).items()
        return {
            name: _without_dialects(item) for name, item in items if not (name == "$schema" and isinstance(item, str))
        }
    if isinstance(schema, list):
        return [_without_dialects(item) for item in cast("list[Any]", schema)]
    return schema
