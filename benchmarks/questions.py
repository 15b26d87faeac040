"""The questions of the measurement: what the page and its users ask, with other values each time.

The same seed asks the same questions of every database and size. Words to search for are drawn from jobs that are
there.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks.sample_runs import CAMERAS, DAYS, TYPES

SORTS = ("created_at", "started_at", "completed_at", "progress", "job_type", "status")
COMMON = ("completed", "events", "export", "srv", "successfully", "file", "csv")


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of question, and how to ask it once more with other values."""

    name: str
    goal_ms: float | None
    """For the 95th percentile."""
    path: Callable[[random.Random], str]
    is_list: bool = False
    """Whether it lists jobs without comparing numbers or reading texts: such may grow at most 1.5 times from ten
    thousand jobs to a million. What reads every job once has its goal in milliseconds only."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is there to ask for."""

    jobs: int
    now: datetime
    ids: Sequence[str]
    words: Sequence[str]
    """Words that one job has, or a few."""


def _search(**wanted: Any) -> str:
    return "/api/jobs/search?" + urlencode(wanted)


def questions(known: Known) -> list[Question]:
    """Every question, in the order of the table."""

    def moment(dice: random.Random) -> datetime:
        return known.now - timedelta(days=dice.uniform(0, DAYS))

    def ordered(dice: random.Random) -> dict[str, Any]:
        return {"sort": dice.choice(SORTS), "order": dice.choice(("asc", "desc"))}

    def filtered(dice: random.Random) -> str:
        begin, end = sorted((moment(dice), moment(dice)))
        return _search(
            created_after=begin.isoformat(),
            created_before=end.isoformat(),
            has_error=dice.choice(("true", "false")),
            min_duration=round(dice.uniform(0, 60), 1),
            max_duration=round(dice.uniform(60, 900), 1),
            **ordered(dice),
        )

    def text_and_filters(dice: random.Random) -> str:
        return _search(
            q=dice.choice((*COMMON, "camera", "did not answer", "no space left")),
            status=dice.choice(("completed", "failed", "completed,failed")),
            job_type=",".join(dice.sample(TYPES, 3)),
            created_after=moment(dice).isoformat(),
        )

    def language(dice: random.Random) -> str:
        kind, camera = dice.choice(TYPES[:4]), dice.choice(CAMERAS)
        return _search(
            q=f'type:{kind} param.camera_id:{camera} duration:>{dice.randrange(5, 60)}s -"{dice.choice(CAMERAS)}"'
        )

    def newest(dice: random.Random) -> str:
        return "/api/jobs" if dice.random() < 0.8 else f"/api/jobs?job_type={dice.choice(TYPES)}"

    def week(dice: random.Random) -> str:
        begin = moment(dice)
        times = {"from": begin.isoformat(), "to": (begin + timedelta(days=7)).isoformat()}
        return "/api/jobs/stats/timeline?" + urlencode({"bucket": "hour", **times})

    def rare(dice: random.Random) -> str:
        return _search(q=dice.choice(known.words))

    return [
        Question("newest 50", 10, newest, is_list=True),
        Question(
            "status and type",
            50,
            lambda dice: _search(
                status=dice.choice(("completed", "failed", "cancelled", "running")), job_type=dice.choice(TYPES)
            ),
            is_list=True,
        ),
        Question("every sort, both orders", 50, lambda dice: _search(**ordered(dice)), is_list=True),
        Question(
            "from offset 500,000 on, every sort",
            50,
            lambda dice: _search(offset=known.jobs // 2 + dice.randrange(1000), **ordered(dice)),
            is_list=True,
        ),
        Question("dates, has_error and duration, with facets", 50, filtered),
        Question("text: a common word", 50, lambda dice: _search(q=dice.choice(COMMON))),
        Question("text: a rare word", 50, rare),
        Question(
            "text: two letters", 50, lambda dice: _search(q="".join(dice.choices("abcdefghijklmnoprstuvxz04789", k=2)))
        ),
        Question("text: no hit", 50, lambda dice: _search(q=f"zq{dice.getrandbits(20):x}")),
        Question("text and filters", 50, text_and_filters),
        Question("search language", 50, language),
        Question(
            "text: a common word, counted to the end", None, lambda dice: _search(q=dice.choice(COMMON), exact="true")
        ),
        Question("stats", 10, lambda dice: "/api/jobs/stats"),
        Question("one job", 5, lambda dice: f"/api/jobs/{dice.choice(known.ids)}"),
        Question("timeline: a week by hours", None, week),
    ]


@dataclass(frozen=True, slots=True)
class PrefectQuestion:
    """What one would ask Prefect itself instead, and the question of ours that answers the same."""

    name: str
    path: str
    body: Callable[[random.Random], dict[str, Any]]
    beside: str


PREFECT_QUESTIONS = (
    PrefectQuestion(
        "`/flow_runs/filter`, newest 50",
        "/flow_runs/filter",
        lambda dice: {"sort": "START_TIME_DESC", "limit": 50},
        "newest 50",
    ),
    PrefectQuestion(
        "`/flow_runs/filter`, by state type",
        "/flow_runs/filter",
        lambda dice: {
            "sort": "START_TIME_DESC",
            "limit": 50,
            "flow_runs": {"state": {"type": {"any_": [dice.choice(("FAILED", "COMPLETED", "CANCELLED"))]}}},
        },
        "status and type",
    ),
    PrefectQuestion(
        "`/flow_runs/filter`, by flow name",
        "/flow_runs/filter",
        lambda dice: {"sort": "START_TIME_DESC", "limit": 50, "flows": {"name": {"any_": [dice.choice(TYPES)]}}},
        "status and type",
    ),
    PrefectQuestion(
        "`/flow_runs/filter`, offset 500,000",
        "/flow_runs/filter",
        lambda dice: {"sort": "START_TIME_DESC", "limit": 50, "offset": 500_000},
        "from offset 500,000 on, every sort",
    ),
    PrefectQuestion(
        "`/flow_runs/count`, by state type",
        "/flow_runs/count",
        lambda dice: {"flow_runs": {"state": {"type": {"any_": [dice.choice(("FAILED", "COMPLETED", "CANCELLED"))]}}}},
        "status and type",
    ),
    PrefectQuestion(
        "`/flow_runs/paginate`, newest 50 with total",
        "/flow_runs/paginate",
        lambda dice: {"sort": "START_TIME_DESC", "limit": 50, "page": 1},
        "newest 50",
    ),
    PrefectQuestion("`/flow_runs/{id}`", "", lambda dice: {}, "one job"),
)
