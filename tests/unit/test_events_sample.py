"""Sample events: the same every time, and like a camera system's own."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from prefect_jobs.events import Camera, Detection, Event, open_event_store
from prefect_jobs.events.risk_levels import level_of
from prefect_jobs.events.sample import EventStoreNotEmpty, write_sample
from prefect_jobs.events.sample_events import SampleEvent, sample_events
from prefect_jobs.events.sample_scenes import CAMERAS, HOSTILE_TEXTS

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
COUNT = 6_000


@pytest.fixture(scope="module")
def samples() -> list[SampleEvent]:
    return list(sample_events(COUNT, 7, now=NOW))


def test_the_same_count_seed_and_time_give_the_same_events(samples: list[SampleEvent]) -> None:
    assert list(sample_events(COUNT, 7, now=NOW)) == samples


def test_another_seed_gives_other_events(samples: list[SampleEvent]) -> None:
    assert list(sample_events(COUNT, 8, now=NOW)) != samples


def test_events_are_in_order_and_over_before_now(samples: list[SampleEvent]) -> None:
    starts = [sample.event["started_at"] for sample in samples]
    assert len(samples) == COUNT
    assert starts == sorted(starts)
    assert all(sample.event["started_at"] <= (sample.event["ended_at"] or NOW) <= NOW for sample in samples)
    assert all(sample.event["deleted_at"] is None or sample.event["deleted_at"] <= NOW for sample in samples)
    assert [sample.event["id"] for sample in samples] == list(range(1, COUNT + 1))


def test_risk_levels_fit_their_scores(samples: list[SampleEvent]) -> None:
    levels = Counter(sample.event["risk_level"] for sample in samples)
    assert levels["low"] > levels["medium"] > levels["high"] > levels["critical"] > 0
    for sample in samples:
        score, level = sample.event["risk_score"], sample.event["risk_level"]
        assert level == (None if score is None else level_of(score))


@pytest.mark.parametrize(("score", "level"), [(0, "low"), (29, "low"), (30, "medium"), (60, "high"), (85, "critical")])
def test_levels_begin_at_their_lowest_score(score: int, level: str) -> None:
    assert level_of(score) == level


def test_object_types_are_those_of_the_detections(samples: list[SampleEvent]) -> None:
    for sample in samples:
        seen = ", ".join(sorted({detection["object_type"] for detection in sample.detections}))
        assert sample.event["object_types"] == (seen or None)
        for detection in sample.detections:
            assert detection["event_id"] == sample.event["id"]
            assert detection["box_x"] + detection["box_width"] <= 1920
            assert sample.event["started_at"] <= detection["detected_at"] <= NOW


def test_days_are_busier_than_nights_and_nights_are_riskier(samples: list[SampleEvent]) -> None:
    night = [s.event for s in samples if s.event["started_at"].hour < 5]
    day = [s.event for s in samples if 9 <= s.event["started_at"].hour < 14]
    assert len(day) > 4 * len(night)

    def high(events: list[dict[str, object]]) -> float:
        return sum(event["risk_level"] in ("high", "critical") for event in events) / len(events)

    assert high(night) > 3 * high(day)


@pytest.mark.parametrize(
    "field", ["ended_at", "risk_score", "summary", "reasoning", "notes", "object_types", "clip_path", "deleted_at"]
)
def test_every_field_that_may_be_empty_is_empty_somewhere_only(samples: list[SampleEvent], field: str) -> None:
    empty = sum(sample.event[field] is None for sample in samples)
    assert 0 < empty < COUNT


def test_every_hostile_text_occurs(samples: list[SampleEvent]) -> None:
    texts = {sample.event[field] for sample in samples for field in ("summary", "reasoning", "notes")}
    assert texts.issuperset(HOSTILE_TEXTS)


def test_some_events_show_nothing_and_some_outlived_their_camera(samples: list[SampleEvent]) -> None:
    assert any(not sample.detections for sample in samples)
    assert {c.id for c in CAMERAS if c.removed} <= {sample.event["camera_id"] for sample in samples}


def test_writing_fills_every_table_and_says_how_far_it_is(tmp_path: Path) -> None:
    url, steps = f"sqlite:///{tmp_path / 'events.db'}", list[tuple[int, int]]()
    assert write_sample(url, 6_000, 7, now=NOW, on_progress=lambda done, count: steps.append((done, count))) == 6_000
    assert steps == [(5_000, 6_000), (6_000, 6_000)]
    samples = list(sample_events(6_000, 7, now=NOW))
    with open_event_store(url) as store, store.snapshot() as connection:
        stored = connection.execute(select(Event.__table__).order_by(Event.id)).mappings().all()
        assert [dict(row) for row in stored] == [sample.event | {"past_detections": 0} for sample in samples]
        detections = connection.execute(select(func.count()).select_from(Detection)).scalar_one()
        assert detections == sum(len(sample.detections) for sample in samples)
        names = connection.execute(select(Camera.name)).scalars().all()
        assert sorted(names) == sorted(camera.name for camera in CAMERAS if not camera.removed)


def test_a_store_with_events_is_refused_unless_asked_to_append(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    write_sample(url, 10, 1, now=NOW)
    with pytest.raises(EventStoreNotEmpty, match="already holds 10 events"):
        write_sample(url, 10, 1, now=NOW)
    write_sample(url, 10, 1, now=NOW, append=True)
    with open_event_store(url) as store, store.snapshot() as connection:
        assert connection.execute(select(Event.id).order_by(Event.id)).scalars().all() == list(range(1, 21))


def test_no_events_are_a_fine_sample_and_fewer_are_a_mistake(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    assert write_sample(url, 0, 1, now=NOW) == 0
    with pytest.raises(ValueError, match="negative: -1"):
        write_sample(url, -1, 1, now=NOW)
