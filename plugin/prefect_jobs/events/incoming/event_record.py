"""One row judged: is it an event that the store can hold, and if not, what exactly is wrong with it.

Refused is what the store could not hold or a reader could not understand. An event that is merely odd, such as one that
ends before it starts, comes in as it is: finding those is what an audit is for, and an export must come back whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from prefect_jobs.events.incoming.records import Record, Rejected
from prefect_jobs.events.risk_levels import LEVELS
from prefect_jobs.events.times import iso_utc
from prefect_jobs.iso_time import NoTime, read_time, shown

LEVEL_NAMES = frozenset(name for name, _ in LEVELS)
TEXT_LIMIT = 100_000
LARGEST_ID = 2**63 - 1
_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(slots=True)
class IncomingEvent:
    """An event as a file describes it; the camera is named by its id, its name, or both."""

    event_id: int | None
    camera_id: str | None
    camera_name: str | None
    started_at: datetime
    batch_id: str | None
    values: dict[str, Any]
    """The other columns of the event that the file has, by their names in the store."""
    detections: int | None
    moment: str
    """`started_at` as text."""


def read_event(record: Record) -> IncomingEvent | list[Rejected]:
    """The event in a record, or everything that is wrong with it."""
    wrong: list[Rejected] = []
    fields = record.fields

    def read(column: str, parse: Callable[[Any], Any]) -> Any:
        value = fields.get(column)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            wrong.append(Rejected(record.place, column, str(error)))
            return None

    started = read("started_at", _time)
    if started is None and fields.get("started_at") is None:
        wrong.append(Rejected(record.place, "started_at", "It is missing"))
    camera_id, camera_name = read("camera_id", _CAMERA_ID), read("camera_name", _CAMERA_NAME)
    if not fields.get("camera_id") and not fields.get("camera_name"):
        wrong.append(Rejected(record.place, "camera_name", "Neither the name nor the id of the camera is there"))
    event_id, batch_id, detections = read("event_id", _ID), read("batch_id", _BATCH), read("detection_count", _COUNT)
    values = {column: read(column, parse) for column, parse in _VALUES.items() if column in fields}
    for column in _SWITCHES:
        if column in values and values[column] is None:
            values[column] = False
    if wrong or started is None:
        return wrong
    return IncomingEvent(
        event_id, camera_id or None, camera_name or None, started, batch_id, values, detections, iso_utc(started)
    )


def unknown_columns(fields: Mapping[str, Any]) -> set[str]:
    """The names of the columns of a record that say nothing to us."""
    return set(fields) - _KNOWN


def _text(limit: int) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"It is no text but {_kind(value)}")
        if len(value) > limit:
            raise ValueError(f"It has {len(value):,} characters, and may have {limit:,}")
        if "\0" in value:
            raise ValueError("It holds a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("It is not UTF-8; perhaps the file was written as Windows-1252 or ISO 8859-1") from error
        return value

    return parse


def _number(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = value
        if isinstance(value, str):
            try:
                number = int(value) if value.isascii() and len(value) <= 20 else None
            except ValueError:
                number = None
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"It is no whole number: {shown(value)}")
        if not least <= number <= most:
            raise ValueError(f"It must be from {least} to {most}, and is {shown(value)}")
        return number

    return parse


def _time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"It is no time as text but {_kind(value)}")
    try:
        return read_time(value)
    except NoTime as error:
        raise ValueError(f"It is no ISO 8601 time: {shown(value)}") from error


def _switch(value: Any) -> bool:
    known = value if isinstance(value, bool) else _YES.get(str(value).strip().lower())
    if known is None:
        raise ValueError(f"It is neither yes nor no: {shown(value)}")
    return known


def _level(value: Any) -> str:
    if not isinstance(value, str) or value not in LEVEL_NAMES:
        raise ValueError(f"It is none of low, medium, high, critical: {shown(value)}")
    return value


def _objects(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, cast("list[Any]", value)))
    return _text(TEXT_LIMIT)(value)


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {str: "a text", dict: "an object", list: "an array", bool: "true or false"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "a number")


_ID, _COUNT = _number(1, LARGEST_ID), _number(0, 2**31 - 1)
_BATCH, _CAMERA_ID, _CAMERA_NAME = _text(64), _text(64), _text(200)
_VALUES: dict[str, Callable[[Any], Any]] = {
    "ended_at": _time,
    "risk_score": _number(0, 100),
    "risk_level": _level,
    "summary": _text(TEXT_LIMIT),
    "reasoning": _text(TEXT_LIMIT),
    "notes": _text(TEXT_LIMIT),
    "reviewed": _switch,
    "is_fast_path": _switch,
    "object_types": _objects,
    "clip_path": _text(TEXT_LIMIT),
}
_SWITCHES = ("reviewed", "is_fast_path")
_KNOWN = frozenset({*_VALUES, "event_id", "camera_id", "camera_name", "started_at", "batch_id", "detection_count"})
