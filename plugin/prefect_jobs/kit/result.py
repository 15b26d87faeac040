"""A job's result is whatever its function returns, but a label holds text, and a server must not choke on it.

Pydantic makes JSON of nearly everything, and quickly. What it refuses is mostly one name of a file that is no UTF-8,
somewhere in the result; then the result is gone through value by value, and no more is lost than what is broken.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from prefect_jobs.clean_text import clean, free_key, text_of

RESULT_LIMIT = 64 * 1024
"""Bytes of JSON text up to which a result is kept; of a larger one only the size is."""
_LISTS = (list, tuple, set, frozenset)


def result_label(result: Any, *, attempt: int) -> str:
    """The text of the result label: `{"attempt": n, "result": …}`. Never raises.

    The result is made JSON as Pydantic does it; `NaN` and infinities become their names, foreign objects their
    `str()`, and broken characters U+FFFD. Beyond `RESULT_LIMIT` it reads `{"truncated": true, "bytes": n}`; what cannot
    be JSON at all (a circle) reads `{"unserializable": "<type>"}`.
    """
    text = _json(result)
    if len(text) > RESULT_LIMIT:
        text = json.dumps({"truncated": True, "bytes": len(text)}).encode()
    return f'{{"attempt": {attempt}, "result": {text.decode("utf-8")}}}'


def _json(result: Any) -> bytes:
    try:
        text = to_json(result, fallback=_foreign, inf_nan_mode="strings", bytes_mode="base64")
        if len(text) <= RESULT_LIMIT:
            json.loads(text)  # a number of 5,000 digits, or lists in lists in lists, would be for nobody to read
        return text
    except Exception:  # noqa: BLE001  see below
        pass
    try:
        return json.dumps(_plain(result, ()), ensure_ascii=False, separators=(",", ":")).encode()
    except Exception:  # noqa: BLE001  a job does not fail for its result
        return json.dumps(_unserializable(result)).encode()


def _foreign(value: Any) -> Any:
    """An object that Pydantic does not know: numbers of numpy are numbers, the others are their text."""
    listed = getattr(value, "tolist", None)
    if callable(listed) and type(value).__module__.partition(".")[0] == "numpy":
        return cast("Callable[[], Any]", listed)()
    return text_of(value)


def _unserializable(value: object) -> dict[str, str]:
    return {"unserializable": clean(type(value).__name__)}


class _Circle(Exception):
    """A value that contains itself."""

    def __init__(self, value: object) -> None:
        self.value = value


def _plain(value: Any, above: tuple[object, ...]) -> Any:
    """The value as JSON has values; `above` are those that contain it."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 10_000 else hex(value)  # Python prints no more than 4,300 digits
    if isinstance(value, float):
        return float(value) if isfinite(value) else json.dumps(float(value))
    if any(value is outer for outer in above):
        raise _Circle(value)
    try:
        return _inside(value, (*above, value))
    except _Circle as circle:
        if circle.value is not value:
            raise
        return _unserializable(value)
    except Exception:  # noqa: BLE001  the author's object; the others go on
        return text_of(value)


def _inside(value: Any, above: tuple[object, ...]) -> Any:
    if isinstance(value, _LISTS):
        return [_plain(item, above) for item in cast("list[Any]", value)]
    if isinstance(value, BaseModel):
        value = dict(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        plain: dict[str, Any] = {}
        for key, item in cast("Mapping[Any, Any]", value).items():
            plain[free_key(_key(key), plain)] = _plain(item, above)
        return plain
    try:
        known = to_jsonable_python(value, fallback=_foreign, inf_nan_mode="strings", bytes_mode="base64")
    except Exception:  # noqa: BLE001  as above
        return text_of(value)
    return _plain(known, above)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return clean(key)
    try:
        return clean(next(iter(to_jsonable_python({key: None}, fallback=text_of, bytes_mode="base64"))))
    except Exception:  # noqa: BLE001  as above
        return text_of(key)
