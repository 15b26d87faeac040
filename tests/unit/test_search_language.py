"""The search language: plain words stay one text, fields become conditions, what cannot be read says where."""

from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.conditions import (
    Between,
    Condition,
    Contains,
    HasError,
    HasParameter,
    IdStarts,
    Logged,
    Not,
    OneOf,
)
from prefect_jobs.job_states import STATES_BY_STATUS
from prefect_jobs.search_language import LENGTH_LIMIT, WORDS_LIMIT, SearchError, parse_search

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND


def us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def read(text: str) -> list[Condition]:
    return parse_search(text, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "disk",
        "disk full",
        "disk  full",
        "ValueError: no such file",
        "error:disk",
        "status: failed",
        "http://camera:80/x",
        '5" disk',
        "re-evaluation",
        "-",
        "--force",
        "50%_x",
        "a:b:c",
    ],
)
def test_plain_words_are_one_text_as_it_stands(text: str) -> None:
    assert read(text) == [Contains(text, or_id=True)]


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_an_empty_search_asks_for_nothing(text: str) -> None:
    assert read(text) == []


def test_blanks_around_a_text_do_not_count() -> None:
    assert read("  disk full ") == [Contains("disk full", or_id=True)]


def test_every_field_becomes_its_condition() -> None:
    assert read(
        'type:export status:failed param.camera_id:front duration:>10m created:<2d log:"disk full" id:1a2b3c has:error'
    ) == [
        OneOf("job_type", frozenset({"export"})),
        OneOf("state", STATES_BY_STATUS["failed"]),
        HasParameter("camera_id", "front"),
        Between("duration", least=10 * MINUTE + 1),
        Between("created_at", least=us(NOW) - 2 * DAY + 1),
        Logged("disk full"),
        IdStarts("1a2b3c"),
        HasError(),
    ]


def test_words_beside_fields_stay_texts_and_those_side_by_side_one() -> None:
    assert read('disk full type:export "no space" left') == [
        Contains("disk full"),
        OneOf("job_type", frozenset({"export"})),
        Contains("no space"),
        Contains("left"),
    ]


def test_a_minus_in_front_means_not() -> None:
    assert read('-retry -type:export -"disk full" -has:error') == [
        Not(Contains("retry")),
        Not(OneOf("job_type", frozenset({"export"}))),
        Not(Contains("disk full")),
        Not(HasError()),
    ]


def test_a_comma_means_or_within_a_field() -> None:
    assert read("type:export,backup status:failed,cancelled state:late") == [
        OneOf("job_type", frozenset({"export", "backup"})),
        OneOf("state", STATES_BY_STATUS["failed"]),
        OneOf("state", frozenset({"late"})),
    ]


def test_a_quoted_type_may_have_blanks_and_commas() -> None:
    assert read('type:"my flow, old"') == [OneOf("job_type", frozenset({"my flow, old"}))]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("duration:90", 90 * SECOND, 90 * SECOND),
        ("duration:=90s", 90 * SECOND, 90 * SECOND),
        ("duration:>=1h30m", 90 * MINUTE, None),
        ("duration:<1.5s", None, 1_499_999),
        ("duration:<=250ms", None, 250_000),
        ("duration:1m..5m", MINUTE, 5 * MINUTE),
        ("duration:1m..", MINUTE, None),
        ("duration:..5m", None, 5 * MINUTE),
    ],
)
def test_durations_are_compared_and_ranged(text: str, least: int | None, most: int | None) -> None:
    assert read(text) == [Between("duration", least, most)]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("created:>2d", None, us(NOW) - 2 * DAY - 1),
        ("created:1d..2d", us(NOW) - 2 * DAY, us(NOW) - DAY),
        ("created:2d..", None, us(NOW) - 2 * DAY),
        ("created:..2d", us(NOW) - 2 * DAY, None),
        ("created:2026-03-01", us(NOW) - 3 * DAY - DAY // 2, us(NOW) - 2 * DAY - DAY // 2 - 1),
        ("created:>2026-03-01", us(NOW) - 2 * DAY - DAY // 2, None),
        ("created:<2026-03-01", None, us(NOW) - 3 * DAY - DAY // 2 - 1),
        ("created:2026-03-01..2026-03-02", us(NOW) - 3 * DAY - DAY // 2, us(NOW) - DAY - DAY // 2 - 1),
        ("created:>=2026-03-04T13:00:00+01:00", us(NOW), None),
    ],
)
def test_times_are_dates_or_ages(text: str, least: int | None, most: int | None) -> None:
    assert read(text) == [Between("created_at", least, most)]


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ('type:export "disk', 13, "never closed"),
        ('log:""', 5, "nothing between"),
        ("status:faild", 8, "There is no status 'faild': it is one of cancelled, completed, failed"),
        ("x state:gone", 9, "There is no state 'gone'"),
        ("duration:>soon", 10, "'soon' is no duration"),
        ("duration:..", 10, "at least one end"),
        ("created:yesterday", 9, "neither a date"),
        ("progress:101", 10, "no percentage"),
        ("has:log", 5, "knows only `error`"),
        ("duration:" + "9" * 40 + "w", 10, "too long"),
    ],
)
def test_what_cannot_be_read_says_why_and_where(text: str, position: int, reason: str) -> None:
    with pytest.raises(SearchError, match=rf"\(at position {position}\)$") as refused:
        read(text)
    assert reason in str(refused.value)


def test_a_search_has_its_limits() -> None:
    assert read("x" * LENGTH_LIMIT)
    with pytest.raises(SearchError, match="at most 1000 characters"):
        read("x" * (LENGTH_LIMIT + 1))
    assert len(read("-a " * WORDS_LIMIT)) == WORDS_LIMIT
    with pytest.raises(SearchError, match="at most 20 conditions"):
        read("-a " * (WORDS_LIMIT + 1))
