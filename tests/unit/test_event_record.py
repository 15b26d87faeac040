"""Each row is judged, and a report says of each value what is wrong with it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from prefect_jobs.events.incoming.event_record import IncomingEvent, read_event, unknown_columns
from prefect_jobs.events.incoming.records import Place, Record

GOOD: dict[str, Any] = {"camera_name": "Front", "started_at": "2026-03-04T08:15:00Z"}


def judged(**fields: Any) -> IncomingEvent | dict[str, str]:
    """The event, or the reason for each column."""
    event = read_event(Record(Place(7), GOOD | fields))
    if isinstance(event, IncomingEvent):
        return event
    assert {item.place.line for item in event} == {7}
    return {item.column: item.reason for item in event}


def test_an_export_row_of_text_and_one_of_json_are_the_same_event() -> None:
    text = {
        "event_id": "12", "ended_at": "2026-03-04T08:16:00+00:00", "risk_score": "42", "risk_level": "medium",
        "summary": "A cat", "detection_count": "2", "reviewed": "Yes", "object_types": "cat", "reasoning": None,
    }  # fmt: skip
    typed = text | {"event_id": 12, "risk_score": 42, "detection_count": 2, "reviewed": True}
    event = judged(**text)
    assert event == judged(**typed)
    assert isinstance(event, IncomingEvent)
    assert (event.event_id, event.detections, event.camera_name) == (12, 2, "Front")
    assert event.values["ended_at"] == datetime(2026, 3, 4, 8, 16, tzinfo=UTC)
    assert (event.values["reviewed"], event.values["risk_score"]) == (True, 42)


def test_only_columns_that_the_file_has_are_told() -> None:
    event = judged()
    assert isinstance(event, IncomingEvent)
    assert event.values == {}
    assert event.moment == "2026-03-04T08:15:00.000000+00:00"


def test_an_odd_event_comes_in_as_it_is() -> None:
    assert isinstance(judged(ended_at="1999-01-01", risk_score=99, risk_level="low"), IncomingEvent)


def test_names_of_objects_may_be_a_list() -> None:
    event = judged(object_types=["cat", "person"])
    assert isinstance(event, IncomingEvent)
    assert event.values["object_types"] == "cat, person"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("started_at", None, "It is missing"),
        ("started_at", "yesterday", "no ISO 8601 time: 'yesterday'"),
        ("started_at", "0001-01-01T00:00:00+14:00", "no ISO 8601 time"),
        ("started_at", 1772612103, "no time as text but a number"),
        ("camera_name", None, "Neither the name nor the id"),
        ("camera_name", "x" * 201, "has 201 characters, and may have 200"),
        ("camera_name", {"a": 1}, "no text but an object"),
        ("event_id", "0", "from 1 to"),
        ("event_id", "12x", "no whole number: '12x'"),
        ("event_id", "٣", "no whole number"),
        ("event_id", 2**63, "from 1 to"),
        ("event_id", "9" * 5_000, "no whole number"),
        ("event_id", True, "no whole number"),
        ("risk_score", 101, "from 0 to 100, and is 101"),
        ("risk_score", 5.5, "no whole number"),
        ("risk_level", "enormous", "none of low, medium, high, critical"),
        ("risk_level", ["low"], "none of low, medium, high, critical"),
        ("reviewed", "perhaps", "neither yes nor no"),
        ("summary", "a\0b", "NUL"),
        ("summary", b"Stra\xdfe".decode("utf-8", "surrogateescape"), "not UTF-8; perhaps"),
        ("summary", "\ud800", "not UTF-8"),
        ("detection_count", -1, "from 0 to"),
        ("batch_id", "x" * 65, "has 65 characters"),
        ("object_types", {"cat": 1}, "no text but an object"),
    ],
)
def test_a_bad_value_is_named_with_its_reason(column: str, value: Any, reason: str) -> None:
    wrong = judged(**{column: value})
    assert isinstance(wrong, dict)
    assert list(wrong) == [column]
    assert reason in wrong[column]
    wrong[column].encode()  # can be written into a report


def test_everything_that_is_wrong_with_a_row_is_said_at_once() -> None:
    wrong = judged(started_at="x", risk_score="x", reviewed="x")
    assert isinstance(wrong, dict)
    assert set(wrong) == {"started_at", "risk_score", "reviewed"}


def test_columns_that_say_nothing_to_us_are_known_by_name() -> None:
    assert unknown_columns({**GOOD, "colour": 1, "notes": None}) == {"colour"}
