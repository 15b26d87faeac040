"""Text that no database refuses and every socket can carry.

A flow may return or log anything: NUL ends PostgreSQL's patience, and half of a surrogate pair, which JSON can spell,
cannot be sent as UTF-8. Python also reads and writes ``NaN`` and ``Infinity``, which JSON does not know.
"""

import json
from math import isfinite
from typing import Any, cast


def clean(text: str) -> str:
    """The text with U+FFFD for NUL, and a question mark for each half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def clean_value(value: Any) -> Any:
    """A JSON value with all its texts cleaned, keys included; what is no number in JSON becomes its name, as text."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_value(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {clean(str(key)): clean_value(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, float) and not isfinite(value):
        return json.dumps(value)
    return value
