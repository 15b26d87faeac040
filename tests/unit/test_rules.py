"""The rules of the audit, one by one, and the score that needs no model."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs.events.engine.evidence import Evidence
from prefect_jobs.events.engine.rules import Rules
from prefect_jobs.events.engine.scoring import rule_score

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=1)
MINUTE = timedelta(minutes=1)


def event(**fields: Any) -> Evidence:
    """An event with which everything is right."""
    fine: dict[str, Any] = {
        "event_id": 1,
        "camera_id": "front",
        "camera_name": "Front Door",
        "started_at": NOON,
        "ended_at": NOON + MINUTE,
        "risk_score": 42,
        "risk_level": "medium",
        "summary": "A person walks a dog past Front Door",
        "reasoning": "Single person, steady pace.",
        "object_types": ("dog", "person"),
        "detections": 2,
        "first_seen": NOON,
        "last_seen": NOON + MINUTE,
    }
    return Evidence(**(fine | fields))


def found(**fields: Any) -> dict[str, str]:
    return {finding.rule: finding.text for finding in Rules().findings(event(**fields), now=NOW)}


def test_an_event_with_which_everything_is_right_has_no_findings() -> None:
    assert found() == {}


def test_an_event_that_was_not_analysed_yet_has_no_findings() -> None:
    assert found(risk_score=None, risk_level=None, summary=None, reasoning=None, ended_at=None) == {}


@pytest.mark.parametrize(
    ("fields", "rule", "text"),
    [
        ({"risk_score": 90}, "score_against_level", "A score of 90 is critical, and the level says medium"),
        ({"risk_score": None}, "score_against_level", "The risk score is missing"),
        ({"risk_level": None}, "score_against_level", "The risk level is missing"),
        ({"object_types": ("dog",)}, "summary_against_objects", "what was not detected: person"),
        ({"object_types": ()}, "summary_against_objects", "what was not detected: dog, person"),
        ({"summary": "Three cats"}, "summary_against_objects", "cat"),
        ({"summary": "  "}, "missing_summary", "The summary is missing"),
        ({"reasoning": None}, "missing_reasoning", "The reasoning is missing"),
        ({"reasoning": "A dog", "summary": "A dog"}, "missing_reasoning", "only repeats the summary"),
        ({"ended_at": NOON - MINUTE}, "times_in_order", "ends before it starts"),
        ({"started_at": NOW + MINUTE, "ended_at": None, "first_seen": None}, "times_in_order", "in the future"),
        ({"first_seen": NOON - MINUTE}, "times_in_order", "before the event started"),
        ({"last_seen": NOON + 2 * MINUTE}, "times_in_order", "after the event ended"),
    ],
)
def test_what_is_wrong_is_found_by_one_rule(fields: dict[str, Any], rule: str, text: str) -> None:
    findings = found(**fields)
    assert list(findings) == [rule]
    assert text in findings[rule]


@pytest.mark.parametrize(
    "fields",
    [
        {"is_fast_path": True, "reasoning": None},
        {"object_types": ("dog", "truck", "person"), "summary": "A vehicle, a man and dogs"},
        {"summary": "Carpets and catalogues"},
        {"first_seen": NOON - timedelta(milliseconds=500)},
    ],
)
def test_what_only_looks_wrong_is_not_found(fields: dict[str, Any]) -> None:
    assert found(**fields) == {}


def test_the_same_reasoning_for_other_things_is_found_on_one_camera_only() -> None:
    rules = Rules()
    assert rules.findings(event(event_id=1), now=NOW) == []
    assert rules.findings(event(event_id=2), now=NOW) == []
    assert rules.findings(event(event_id=3, camera_id="back", object_types=("person", "dog", "cat")), now=NOW) == []
    [finding] = rules.findings(event(event_id=4, object_types=("person", "dog", "cat")), now=NOW)
    assert (finding.rule, finding.text) == ("repeated_reasoning", "The reasoning is word for word that of event 2")


def test_a_score_says_what_it_is_made_of_and_is_always_the_same() -> None:
    assert rule_score(event()) == (39, "dog 3, person 22, for 60 s 10, 2 detections 4")
    assert rule_score(event()) == rule_score(event(risk_score=99, summary="Fire!"))


def test_night_and_staying_raise_the_score_of_people_and_not_of_cats() -> None:
    night = {"started_at": NOON.replace(hour=2), "ended_at": NOON.replace(hour=2) + 3 * MINUTE}
    assert rule_score(event(**night))[0] > rule_score(event())[0]
    assert rule_score(event(**night, object_types=("cat",)))[0] == rule_score(event(object_types=("cat",)))[0]


def test_a_score_stays_within_its_range() -> None:
    everything = ("person", "backpack", "car", "truck", "bicycle", "ghost")
    night = NOON.replace(hour=3)
    assert (
        rule_score(event(object_types=everything, started_at=night, ended_at=night + 60 * MINUTE, detections=99))[0]
        == 100
    )
    assert rule_score(event(object_types=(), detections=0)) == (0, "nothing that counts")
