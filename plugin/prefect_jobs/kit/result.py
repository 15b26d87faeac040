"""A job's result is whatever its function returns, but a label holds text, and a server must not choke on it."""

import json
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from prefect_jobs.kit.wire import storable

RESULT_LIMIT = 64 * 1024
"""Bytes of JSON text up to which a result is kept; of a larger one only the size is."""


def result_label(result: Any, *, attempt: int) -> str:
    """The text of the result label: `{"attempt": n, "result": …}`.

    The result is made JSON as Pydantic does it, foreign objects become their `str()`. Beyond `RESULT_LIMIT` it reads
    `{"truncated": true, "bytes": n}`; what cannot be JSON at all (a circle) reads `{"unserializable": "<type>"}`.
    """
    text = _json(result)
    if len(text) > RESULT_LIMIT:
        text = json.dumps({"truncated": True, "bytes": len(text)}).encode()
    return f'{{"attempt": {attempt}, "result": {text.decode("utf-8")}}}'


def _json(result: Any) -> bytes:
    try:
        return to_json(result, fallback=str, inf_nan_mode="null", bytes_mode="base64")
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        return json.dumps({"unserializable": storable(type(result).__name__)}).encode()
