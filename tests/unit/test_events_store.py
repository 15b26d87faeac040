"""The event store's database, and what an export selects from it."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from prefect_jobs.events import Camera, Detection, Event, EventStore, open_event_store
from prefect_jobs.events.selection import EventSelection, day_before

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
NOON_WITHOUT_OFFSET = NOON.replace(tzinfo=None)


def event(id: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "batch_id": "b", "camera_id": "front", "started_at": NOON, "reviewed": False} | fields


@pytest.fixture
def store(events_url: str) -> Generator[EventStore]:
    with open_event_store(events_url) as opened:
        yield opened


def add(store: EventStore, *events: dict[str, Any], cameras: dict[str, str] | None = None, seen: Any = ()) -> None:
    with store.engine.begin() as connection:
        for id, name in (cameras or {}).items():
            connection.execute(insert(Camera), [{"id": id, "name": name}])
        for record in events:
            connection.execute(insert(Event), [record])
        for event_id in seen:
            detection = {"event_id": event_id, "object_type": "cat", "confidence": 0.9, "detected_at": NOON}
            box = {"box_x": 1, "box_y": 1, "box_width": 1, "box_height": 1}
            connection.execute(insert(Detection), [detection | box])


def selected(store: EventStore, selection: EventSelection) -> list[tuple[Any, ...]]:
    with store.snapshot() as connection:
        rows = [tuple(row) for batch in selection.rows(connection, 2) for row in batch]
        assert selection.count(connection) == len(rows)
    return rows


def ids(store: EventStore, **conditions: Any) -> list[int]:
    return [row[0] for row in selected(store, EventSelection(**conditions))]


@pytest.mark.only_on("sqlite")
def test_every_connection_has_foreign_keys_wal_and_patience(store: EventStore) -> None:
    with store.engine.connect() as one, store.engine.connect() as other:
        for connection in (one, other):
            values = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("foreign_keys", "journal_mode")]
            assert values == [1, "wal"]
            assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() >= 10_000


def test_a_detection_of_no_event_is_refused(store: EventStore) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        add(store, seen=[77])


def test_a_score_beyond_100_is_refused(store: EventStore) -> None:
    with pytest.raises(IntegrityError, match="risk_score_in_range"):
        add(store, event(1, risk_score=101))


@pytest.mark.only_on("sqlite")
def test_opening_makes_the_folder_for_its_owner_alone(tmp_path: Path, store: EventStore) -> None:
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_opening_keeps_what_is_there(events_url: str, store: EventStore) -> None:
    add(store, event(1))
    with open_event_store(events_url) as again:
        assert ids(again) == [1]


def test_times_come_back_in_utc_whatever_offset_they_were_given_in(store: EventStore) -> None:
    tokyo = datetime(2026, 3, 4, 21, 0, 0, 5, tzinfo=timezone(timedelta(hours=9)))
    add(store, event(1, started_at=tokyo), event(2, started_at=NOON_WITHOUT_OFFSET))
    with store.engine.connect() as connection:
        times = connection.execute(select(Event.started_at).order_by(Event.id)).scalars().all()
    assert times == [NOON.replace(microsecond=5), NOON]
    assert [row[2] for row in selected(store, EventSelection())] == [
        "2026-03-04T12:00:00.000005+00:00",
        "2026-03-04T12:00:00.000000+00:00",
    ]


def test_a_snapshot_does_not_see_what_is_written_meanwhile(store: EventStore) -> None:
    add(store, event(1))
    with store.snapshot() as connection:
        assert EventSelection().count(connection) == 1
        add(store, event(2))
        rows = [row[0] for batch in EventSelection().rows(connection, 10) for row in batch]
    assert rows == [1]
    assert ids(store) == [2, 1]


def test_newest_events_come_first_and_equal_times_fall_to_the_higher_id(store: EventStore) -> None:
    hour = timedelta(hours=1)
    add(store, event(1), event(2, started_at=NOON + hour), event(3), event(4, started_at=NOON - hour))
    assert ids(store) == [2, 3, 1, 4]


def test_a_row_holds_camera_name_and_number_of_detections(store: EventStore) -> None:
    add(store, event(1), event(2, camera_id="gone"), cameras={"front": "Front Door"}, seen=[1, 1, 1])
    rows = selected(store, EventSelection())
    assert [(row[0], row[1], row[7]) for row in rows] == [(2, "Unknown", 0), (1, "Front Door", 3)]


def test_deleted_events_are_left_out(store: EventStore) -> None:
    add(store, event(1), event(2, deleted_at=NOON))
    assert ids(store) == [1]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"camera_id": "back"}, [2]),
        ({"camera_id": "BACK"}, []),
        ({"risk_level": "high"}, [3]),
        ({"reviewed": True}, [4]),
        ({"reviewed": False}, [3, 2, 1]),
        ({"camera_id": "front", "risk_level": "high", "reviewed": False}, [3]),
        ({"camera_id": "' OR 1=1 --"}, []),
    ],
)
def test_filters_match_exactly_and_all_together(
    store: EventStore, conditions: dict[str, Any], expected: list[int]
) -> None:
    add(store, event(1), event(2, camera_id="back"), event(3, risk_level="high"), event(4, reviewed=True))
    assert ids(store, **conditions) == expected


def test_both_ends_of_a_time_range_are_inside(store: EventStore) -> None:
    tick = timedelta(microseconds=1)
    add(store, *(event(i, started_at=NOON + (i - 3) * tick) for i in range(1, 6)))
    assert ids(store, start=NOON - tick, end=NOON + tick) == [4, 3, 2]


def test_a_time_without_offset_is_read_as_utc(store: EventStore) -> None:
    add(store, event(1), event(2, started_at=NOON + timedelta(minutes=1)))
    assert ids(store, end=NOON_WITHOUT_OFFSET) == [1]
    assert ids(store, start=datetime(2026, 3, 4, 7, 1, tzinfo=timezone(timedelta(hours=-5)))) == [2]


@pytest.mark.parametrize(
    "selection",
    [
        EventSelection(),
        EventSelection(camera_id="front"),
        EventSelection(risk_level="high"),
        EventSelection(reviewed=True),
        EventSelection(start=NOON),
    ],
)
def test_rows_come_out_of_an_index_in_order_and_nothing_is_sorted(store: EventStore, selection: EventSelection) -> None:
    sql = str(selection.statement().compile(store.engine, compile_kwargs={"literal_binds": True}))
    with store.engine.connect() as connection:
        if store.engine.dialect.name == "sqlite":
            plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
            assert "USING INDEX ix_event" in plan[0]
            assert not [step for step in plan if "TEMP B-TREE" in step]
        else:
            # Sorts by hand only where no index gives the order.
            connection.execute(text("SET LOCAL enable_sort = off"))
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = [row[0] for row in connection.execute(text(f"EXPLAIN {sql}"))]
            assert [step for step in plan if "using ix_event" in step]
            assert not [step for step in plan if "Sort" in step]


@pytest.mark.parametrize("moment", [NOON, NOON_WITHOUT_OFFSET, datetime(2026, 3, 4, 23, 59, 59, 999999, tzinfo=UTC)])
def test_the_day_before_is_a_whole_utc_day(moment: datetime) -> None:
    first, last = day_before(moment)
    assert first.isoformat() == "2026-03-03T00:00:00+00:00"
    assert last.isoformat() == "2026-03-03T23:59:59.999999+00:00"
