"""The window of newest jobs: each change is one small edit that keeps a copy in step."""

from __future__ import annotations

import random

from prefect_jobs_ui.cards import JobCard, card_of
from prefect_jobs_ui.job_window import Drop, Edit, JobWindow, Put


def card(job_id: str, second: int, *, version: int = 1, progress: int = 0) -> JobCard:
    created = f"2026-03-04T08:{second // 60:02}:{second % 60:02}+00:00"
    return card_of({"job_id": job_id, "created_at": created, "progress": progress, "version": version})


def ids(window: JobWindow) -> list[str]:
    return [card.job_id for card in window.cards]


def follow(copy: list[JobCard], edits: list[Edit]) -> list[JobCard]:
    """What the browser does with edits."""
    for edit in edits:
        gone = edit.card.job_id if isinstance(edit, Put) else edit.job_id
        copy = [card for card in copy if card.job_id != gone]
        if isinstance(edit, Put):
            copy.insert(edit.at, edit.card)
    return copy


def test_the_newest_job_is_first_and_ties_are_broken_by_id() -> None:
    window = JobWindow([card("a", 1), card("c", 5), card("b", 5)], limit=10)

    assert ids(window) == ["c", "b", "a"]


def test_times_with_and_without_fractions_are_ordered_as_times() -> None:
    early = card_of({"job_id": "early", "created_at": "2026-03-04T08:00:00+00:00"})
    late = card_of({"job_id": "late", "created_at": "2026-03-04T08:00:00.5Z"})

    assert ids(JobWindow([early, late], limit=10)) == ["late", "early"]


def test_a_changed_job_keeps_its_place() -> None:
    window = JobWindow([card("a", 1), card("b", 2), card("c", 3)], limit=10)
    changed = card("b", 2, version=2, progress=50)

    assert window.put(changed, is_complete=True) == [Put(changed, 1)]
    assert ids(window) == ["c", "b", "a"]


def test_an_older_state_of_a_job_is_no_news() -> None:
    window = JobWindow([card("a", 1, version=7)], limit=10)

    assert window.put(card("a", 1, version=6, progress=9), is_complete=True) == []
    assert window.put(card("a", 1, version=7), is_complete=True) == []


def test_a_new_job_pushes_the_oldest_out_of_a_full_window() -> None:
    window = JobWindow([card("a", 1), card("b", 2)], limit=2)
    new = card("c", 3)

    assert window.put(new, is_complete=False) == [Put(new, 0), Drop("a")]


def test_a_job_below_the_window_enters_only_if_nothing_is_missing_in_between() -> None:
    window = JobWindow([card("b", 20), card("c", 30)], limit=5)
    old = card("a", 10)

    assert window.put(old, is_complete=False) == []
    assert window.put(old, is_complete=True) == [Put(old, 2)]


def test_a_deleted_job_goes_once() -> None:
    window = JobWindow([card("a", 1)], limit=5)

    assert window.drop("a") == [Drop("a")]
    assert window.drop("a") == []


def test_a_copy_that_follows_the_edits_stays_the_same_whatever_happens() -> None:
    chance = random.Random(7)
    window = JobWindow([], limit=12)
    copy: list[JobCard] = []
    for version in range(3000):
        number = chance.randrange(60)
        if chance.random() < 0.2:
            edits = window.drop(f"job-{number}")
        else:
            new = card(f"job-{number}", number // 2, version=version, progress=chance.randrange(100))
            edits = window.put(new, is_complete=chance.random() < 0.5)
        copy = follow(copy, edits)
        assert tuple(copy) == window.cards
        assert len(copy) <= 12
