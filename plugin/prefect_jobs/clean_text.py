"""Text that no database refuses and every socket can carry.

A flow may return or log anything: NUL ends PostgreSQL's patience, and half of a surrogate pair, which JSON can spell
and which stands in every file name that is no UTF-8, cannot be sent as UTF-8. Python also reads and writes ``NaN`` and
``Infinity``, which JSON does not know.
"""

import json
from math import isfinite
from typing import Any, cast

DEEPEST = 100
"""Levels of lists and objects within one another: readers of JSON follow a few hundred, and then give up everything."""
TOO_DEEP = "[nested too deeply to be shown]"


def clean(text: str) -> str:
    """The text with U+FFFD for NUL and for each half of a surrogate pair that has no other half."""
    text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        # By way of UTF-16, where two halves that belong together are one character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_value(value: Any, *, depth: int = 0) -> Any:
    """A JSON value with all its texts cleaned, keys included; what is no number in JSON becomes its name, as text.

    What is nested more deeply than anything that reads it can follow is cut there, and says so.
    """
    if depth > DEEPEST and isinstance(value, (list, dict)):
        return TOO_DEEP
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_value(item, depth=depth + 1) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        cleaned: dict[str, Any] = {}
        for key, item in cast("dict[Any, Any]", value).items():
            cleaned[free_key(clean(str(key)), cleaned)] = clean_value(item, depth=depth + 1)
        return cleaned
    if isinstance(value, float) and not isfinite(value):
        return json.dumps(value)
    return value


def free_key(key: str, taken: dict[str, Any]) -> str:
    """The key, or the key with a number where cleaning has made two keys alike: none of the values is lost."""
    number, free = len(taken), key
    while free in taken:  # hardly ever twice, however many keys are alike
        number += 1
        free = f"{key} ({number})"
    return free


def text_of(value: object) -> str:
    """What `str` makes of it, cleaned; a text that says so where that raises. Never raises itself."""
    try:
        return clean(str(value))
    except Exception as error:  # noqa: BLE001  the author's code, in the middle of telling what went wrong
        return f"<{type(value).__name__} without text: {type(error).__name__}>"


def shortened(text: str, limit: int) -> str:
    """The text up to so many characters; one that is cut says so at its end."""
    if len(text) <= limit:
        return text
    told = f"… [cut: it has {len(text):,} characters]"
    return text[: max(0, limit - len(told))] + told
