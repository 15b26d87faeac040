"""What a function returns, as the text of a label."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from prefect_jobs.kit.result import RESULT_LIMIT, result_label


class Summary(BaseModel):
    at: datetime


@dataclass
class Count:
    events: int


class Foreign:
    def __str__(self) -> str:
        return "a foreign object"


@pytest.mark.parametrize(
    ("result", "stored"),
    [
        (None, None),
        ({"event_count": 3}, {"event_count": 3}),
        ([1, "zwei", "ثلاثة 🚪"], [1, "zwei", "ثلاثة 🚪"]),
        ({"nul": "a\x00b"}, {"nul": "a\x00b"}),
        (Summary(at=datetime(2026, 3, 4, tzinfo=UTC)), {"at": "2026-03-04T00:00:00Z"}),
        (Count(3), {"events": 3}),
        (Path("a/b"), "a/b"),
        (float("nan"), None),
        (b"\xff\x00", "_wA="),
        (Foreign(), "a foreign object"),
    ],
)
def test_results_become_json_as_pydantic_does_it(result: Any, stored: Any) -> None:
    assert json.loads(result_label(result, attempt=2)) == {"attempt": 2, "result": stored}


def test_a_result_is_kept_up_to_the_limit_and_beyond_it_only_its_size_is() -> None:
    fits = "x" * (RESULT_LIMIT - 2)  # two quotes
    assert json.loads(result_label(fits, attempt=1))["result"] == fits
    assert json.loads(result_label(fits + "x", attempt=1))["result"] == {"truncated": True, "bytes": RESULT_LIMIT + 1}


def test_the_limit_counts_bytes_not_characters() -> None:
    assert json.loads(result_label("ä" * (RESULT_LIMIT // 2), attempt=1))["result"]["truncated"]


def test_what_cannot_be_json_is_named() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert json.loads(result_label(circle, attempt=1))["result"] == {"unserializable": "list"}


def test_half_characters_do_not_break_the_label() -> None:
    assert json.loads(result_label({"name": "\ud800"}, attempt=1))["attempt"] == 1
