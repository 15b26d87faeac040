"""What a function returns, as the text of a label."""

import enum
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from prefect_jobs.clean_text import clean
from prefect_jobs.kit.result import RESULT_LIMIT, result_label


class Summary(BaseModel):
    at: datetime


@dataclass
class Count:
    events: int


class Colour(enum.Enum):
    RED = "red"


class Mute:
    """An object that tells nothing of itself but trouble."""

    def __str__(self) -> str:
        raise RuntimeError("no text today")

    __repr__ = __str__


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
        (float("nan"), "NaN"),
        (
            {"best": inf, "worst": -inf, "mean": nan, "n": 1.5},
            {"best": "Infinity", "worst": "-Infinity", "mean": "NaN", "n": 1.5},
        ),
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


NAME = os.fsdecode(b"caf\xe9.txt")
"""A file as a folder of another system has it: the name is no UTF-8."""
SHOWN = "caf\ufffd.txt"


def stored(result: Any) -> Any:
    return json.loads(result_label(result, attempt=1))["result"]


@dataclass
class Found:
    name: Any
    score: float


class Report(BaseModel):
    first: str
    rest: list[Any]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (NAME, SHOWN),
        ({"files": [NAME, "fine"], "count": 2}, {"files": [SHOWN, "fine"], "count": 2}),
        ({NAME: 1, "fine": 2}, {SHOWN: 1, "fine": 2}),
        (dict(zip(map(os.fsdecode, (b"\xe9", b"\xea")), (1, 2), strict=True)), {"\ufffd": 1, "\ufffd (2)": 2}),
        (Path("a") / NAME, f"a/{SHOWN}"),
        ([(NAME, nan), {inf}], [[SHOWN, "NaN"], ["Infinity"]]),
        (Found(NAME, -inf), {"name": SHOWN, "score": "-Infinity"}),
        (Report(first=NAME, rest=[Found("x", nan)]), {"first": SHOWN, "rest": [{"name": "x", "score": "NaN"}]}),
        ("\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
        ([NAME, Mute(), 1], [SHOWN, "<Mute without text: RuntimeError>", 1]),
        ({"object": Mute(), "n": 1}, {"object": "<Mute without text: RuntimeError>", "n": 1}),
        ({"big": 10**5000, "n": 1}, {"big": hex(10**5000), "n": 1}),
        ({"seen": {1, 2}, NAME: None}, {"seen": [1, 2], SHOWN: None}),
        ({(1, 2): "pair", None: "none", 3: "x", NAME: ""}, {"1,2": "pair", "None": "none", "3": "x", SHOWN: ""}),
        (
            [NAME, Colour.RED, Decimal("1.10"), timedelta(seconds=90), datetime(2026, 3, 4, tzinfo=UTC), b"\xff"],
            [SHOWN, "red", "1.10", "PT1M30S", "2026-03-04T00:00:00Z", "_w=="],
        ),
        ({"n": np.int64(5), "x": np.float32(0.5), "all": np.array([nan])}, {"n": 5, "x": 0.5, "all": ["NaN"]}),
        ([NAME, np.int64(5), np.array([1.0, inf])], [SHOWN, 5, [1.0, "Infinity"]]),
    ],
)  # fmt: skip
def test_nothing_of_a_result_is_lost_but_what_is_broken(result: Any, expected: Any) -> None:
    """One name of a file made the whole result `unserializable`, and an object without text failed the job."""
    assert stored(result) == expected


def test_an_object_that_contains_itself_is_named_and_its_neighbours_stay() -> None:
    circle: dict[str, Any] = {"size": 3}
    circle["again"] = [circle]
    assert stored({"tree": circle, "files": [NAME]}) == {"tree": {"unserializable": "dict"}, "files": [SHOWN]}
    twice = [NAME]
    assert stored({"a": twice, "b": twice}) == {"a": [SHOWN], "b": [SHOWN]}


def test_a_result_that_is_nested_without_end_does_not_fail_the_job() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert stored(deep) is not None


def test_an_object_whose_contents_break_is_told_by_its_text() -> None:
    class Cursor:
        def __iter__(self) -> Iterator[Any]:
            raise OSError("closed")

        def __str__(self) -> str:
            return NAME

    assert stored({"rows": Cursor(), "n": 1}) == {"rows": clean(NAME), "n": 1}
