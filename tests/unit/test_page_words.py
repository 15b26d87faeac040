"""What the page's server side says: distances in time, counts, labels, and how old the data is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs_ui.cards import card_of, moment, type_label
from prefect_jobs_ui.feed_health import FeedHealth, health_of, notice
from prefect_jobs_ui.first_rows import count_text, distance, first_row, phase_of
from prefect_jobs_ui.hub import FirstPage

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute ago"),
        (29, "less than a minute ago"),
        (30, "1 minute ago"),
        (89, "1 minute ago"),
        (90, "2 minutes ago"),
        (44 * 60 + 29, "44 minutes ago"),
        (45 * 60, "about 1 hour ago"),
        (89 * 60, "about 1 hour ago"),
        (90 * 60, "about 2 hours ago"),
        (23 * 3600, "about 23 hours ago"),
        (24 * 3600, "1 day ago"),
        (42 * 3600, "2 days ago"),
        (29 * 86_400, "29 days ago"),
        (30 * 86_400, "about 1 month ago"),
        (50 * 86_400, "about 2 months ago"),
        (100 * 86_400, "3 months ago"),
        (400 * 86_400, "about 1 year ago"),
        (800 * 86_400, "about 2 years ago"),
    ],
)
def test_a_distance_reads_as_in_date_fns(seconds: int, words: str) -> None:
    assert distance(NOW - timedelta(seconds=seconds), now=NOW) == words


@pytest.mark.parametrize(("total", "text"), [(None, ""), (0, "0 jobs"), (1, "1 job"), (12_431, "12,431 jobs")])
def test_jobs_are_counted_in_words(total: int | None, text: str) -> None:
    assert count_text(total) == text


def test_known_types_have_labels_and_foreign_flows_keep_their_names() -> None:
    assert type_label("re_evaluation") == "Re-evaluation"
    assert type_label("nightly-etl") == "nightly-etl"


def test_a_time_without_offset_is_utc_and_an_unreadable_one_is_long_ago() -> None:
    assert moment("2026-03-04T12:00:00") == NOW
    assert moment("2026-03-04T12:00:00Z") == NOW
    assert moment("soon").year == 1


@pytest.mark.parametrize(
    ("status", "state", "look", "colour", "icon"),
    [
        ("running", "running", "running", "text-blue-400", "status-running"),
        ("completed", "cached", "completed", "text-green-400", "status-completed"),
        ("failed", "timed_out", "failed", "text-red-400", "status-failed"),
        ("failed", "cancelled", "cancelled", "text-yellow-400", "status-cancelled"),
        ("failed", "aborted", "cancelled", "text-yellow-400", "status-cancelled"),
        ("pending", "late", "pending", "text-gray-400", "status-pending"),
        ("odd", "odd", "odd", "text-gray-400", "status-pending"),
    ],
)
def test_every_state_has_a_word_a_colour_and_an_icon(
    status: str, state: str, look: str, colour: str, icon: str
) -> None:
    row = first_row(card_of({"job_id": "one", "status": status, "state": state}), now=NOW)

    assert (row.look, row.colour, row.icon) == (look, colour, icon)


def test_only_a_running_job_with_progress_has_a_bar() -> None:
    rows = [
        first_row(card_of({"job_id": "one", "status": status, "progress": progress}), now=NOW).progress
        for status, progress in (("running", 0), ("running", 7), ("completed", 100), ("failed", 54))
    ]

    assert rows == [None, 7, None, None]


def test_the_body_follows_what_is_known() -> None:
    card = card_of({"job_id": "one"})

    assert phase_of(None, None) == "loading"
    assert phase_of(None, "away") == "failed"
    assert phase_of(FirstPage((), 0), None) == "empty"
    assert phase_of(FirstPage((card,), 1), "away") == "ready"


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (FeedHealth(), ""),
        (FeedHealth(behind_seconds=9.9), ""),
        (FeedHealth(behind_seconds=75), "Prefect's changes arrive late: this page shows what was known 1 minute ago."),
        (FeedHealth(prefect_answers=False), "Prefect cannot be reached. This page shows what was known a moment ago."),
        (
            FeedHealth(prefect_answers=False, behind_seconds=7300),
            "Prefect cannot be reached. This page shows what was known 2 hours ago.",
        ),
    ],
)
def test_the_notice_says_how_old_the_data_is_or_nothing(health: FeedHealth, said: str) -> None:
    assert notice(health) == said


def test_until_all_jobs_were_read_once_the_notice_says_how_many_there_are_so_far() -> None:
    assert notice(FeedHealth(complete=False), 12_000) == "Reading jobs from Prefect: 12,000 so far"
    assert notice(FeedHealth(complete=False, prefect_answers=False), 5).startswith("Prefect cannot be reached.")
    assert phase_of(FirstPage((), 0), None, complete=False) == "loading"


def test_an_api_that_is_away_is_the_first_thing_to_say() -> None:
    assert "jobs API cannot be reached" in notice(FeedHealth(api_answers=False, prefect_answers=False))


def test_a_status_event_becomes_health() -> None:
    assert health_of({"prefect": "down", "behind_seconds": 3.5}) == FeedHealth(True, False, 3.5)
    assert health_of({"prefect": "up", "complete": False}) == FeedHealth(complete=False)
    assert health_of({"prefect": "up", "behind_seconds": 0}) == FeedHealth()
