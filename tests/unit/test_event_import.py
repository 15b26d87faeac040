"""Taking events into a store: what is new, what is known, what gets which id, and what a stop leaves."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from prefect_jobs.events import Camera, Detection, Event, EventStore, open_event_store
from prefect_jobs.events.incoming.event_import import OnDuplicate, Tally, open_import
from prefect_jobs.events.incoming.event_record import IncomingEvent, read_event
from prefect_jobs.events.incoming.records import Place, Record

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def store(events_url: str) -> Generator[EventStore]:
    with open_event_store(events_url) as opened:
        yield opened


def incoming(**fields: Any) -> IncomingEvent:
    found = read_event(Record(Place(1), {"camera_name": "Front Door", "started_at": NOON.isoformat()} | fields))
    assert isinstance(found, IncomingEvent), found
    return found


def take(store: EventStore, *batches: list[IncomingEvent], update: bool = False, dry_run: bool = False) -> Tally:
    on_duplicate: OnDuplicate = "update" if update else "skip"
    with open_import(store, on_duplicate=on_duplicate, dry_run=dry_run) as taking:
        for batch in batches:
            taking.take(batch)
    return taking.tally


def rows(store: EventStore, *columns: Any) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*(columns or (Event.id,))).order_by(Event.id))]


def put(store: EventStore, **fields: Any) -> None:
    event = {"id": 1, "batch_id": "b", "camera_id": "front-door", "started_at": NOON, "reviewed": False}
    with store.engine.begin() as connection:
        connection.execute(insert(Event), [event | fields])


def test_new_events_come_in_with_their_ids_and_cameras(store: EventStore) -> None:
    late = "2026-03-04T13:00:00+00:00"
    done = take(
        store, [incoming(event_id=5, detection_count=3, summary="A cat"), incoming(event_id=9, started_at=late)]
    )
    assert done == Tally(imported=2)
    columns = (Event.id, Event.camera_id, Event.past_detections, Event.summary, Event.batch_id)
    assert rows(store, *columns) == [(5, "front-door", 3, "A cat", "import-5"), (9, "front-door", 0, None, "import-9")]
    with store.engine.connect() as connection:
        assert connection.execute(select(Camera.id, Camera.name)).all() == [("front-door", "Front Door")]


def test_the_same_file_again_changes_nothing(store: EventStore) -> None:
    batch = [incoming(event_id=n) for n in (5, 6)] + [incoming(batch_id="b"), incoming(camera_name="Back")]
    assert take(store, batch) == Tally(imported=4)
    assert take(store, batch) == Tally(skipped=4)
    assert take(store, batch[:2], batch[2:], update=True) == Tally(updated=4)
    assert len(rows(store)) == 4


def test_a_file_that_holds_an_event_twice_brings_it_in_once(store: EventStore) -> None:
    twice = [incoming(summary="first"), incoming(summary="second")]
    assert take(store, twice) == Tally(imported=1, skipped=1)
    other = [incoming(camera_name="Back", summary="first"), incoming(camera_name="Back", summary="second")]
    assert take(store, other, update=True) == Tally(imported=1, updated=1)
    assert [summary for (summary,) in rows(store, Event.summary)] == ["first", "second"]


def test_events_of_one_moment_are_told_apart_by_batch_or_id(store: EventStore) -> None:
    assert take(store, [incoming(batch_id="a"), incoming(batch_id="b"), incoming(event_id=70)]) == Tally(imported=3)


def test_a_taken_id_is_replaced_and_the_event_still_known_later(store: EventStore) -> None:
    put(store, id=5, camera_id="another")
    assert take(store, [incoming(event_id=5)]) == Tally(imported=1, renumbered=1)
    assert take(store, [incoming(event_id=5)]) == Tally(skipped=1)
    assert len(rows(store)) == 2


def test_the_database_numbers_on_behind_the_ids_that_were_given(store: EventStore) -> None:
    take(store, [incoming(event_id=1_000), incoming(started_at="2026-03-04T13:00:00Z")])
    assert rows(store) == [(1_000,), (1_001,)]
    with store.engine.begin() as connection:
        row = {"batch_id": "b", "camera_id": "c", "started_at": NOON, "reviewed": False}
        connection.execute(insert(Event), [row])
    assert rows(store)[-1] == (1_002,)


def test_an_event_of_the_store_is_found_by_the_id_that_an_export_tells(store: EventStore) -> None:
    put(store, id=5, batch_id="20260304-1200-front")
    with store.engine.begin() as connection:
        connection.execute(insert(Camera), [{"id": "front-door", "name": "Front Door"}])
    assert take(store, [incoming(event_id=5)]) == Tally(skipped=1)


def test_an_event_whose_camera_is_gone_is_found_again(store: EventStore) -> None:
    """An export says `Unknown` then, and not which camera it was."""
    put(store, id=5, camera_id="old-shed")
    assert take(store, [incoming(event_id=5, camera_name="Unknown")]) == Tally(skipped=1)
    assert take(store, [incoming(event_id=6, camera_name="Unknown")]) == Tally(imported=1)
    with store.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(Camera)).scalar() == 0


def test_an_update_writes_what_the_file_has_and_leaves_the_rest(store: EventStore) -> None:
    put(store, batch_id="b", notes="mine", risk_score=10, deleted_at=NOON)
    with store.engine.begin() as connection:
        box = {"box_x": 1, "box_y": 1, "box_width": 1, "box_height": 1}
        seen = {"event_id": 1, "object_type": "cat", "confidence": 0.9, "detected_at": NOON}
        connection.execute(insert(Detection), [seen | box])
    event = incoming(camera_id="front-door", batch_id="b", risk_score=90, detection_count=4)
    assert take(store, [event], update=True) == Tally(updated=1)
    assert rows(store, Event.risk_score, Event.notes, Event.deleted_at, Event.past_detections) == [
        (90, "mine", None, 3)
    ]
    assert take(store, [incoming(camera_id="front-door", batch_id="b", detection_count=0)], update=True).updated == 1
    assert rows(store, Event.past_detections) == [(0,)]


def test_a_deleted_event_stays_deleted_when_it_is_skipped(store: EventStore) -> None:
    put(store, batch_id="b", deleted_at=NOON)
    assert take(store, [incoming(camera_id="front-door", batch_id="b")]) == Tally(skipped=1)
    assert rows(store, Event.deleted_at) == [(NOON,)]


def test_cameras_are_found_by_name_and_new_ids_collide_with_none(store: EventStore) -> None:
    with store.engine.begin() as connection:
        connection.execute(insert(Camera), [{"id": "cam-1", "name": "Front Door"}, {"id": "shop", "name": "Old Shop"}])
    take(
        store,
        [
            incoming(event_id=1),
            incoming(event_id=2, camera_name="Shop"),
            incoming(event_id=3, camera_name="المدخل"),
            incoming(event_id=4, camera_id="cam-9", camera_name="Ninth"),
            incoming(event_id=5, camera_id="cam-7", camera_name=None),
        ],
    )
    assert [camera for (camera,) in rows(store, Event.camera_id)] == ["cam-1", "shop-2", "camera", "cam-9", "cam-7"]
    with store.engine.connect() as connection:
        names = {row.id: row.name for row in connection.execute(select(Camera.id, Camera.name))}
    assert names == {"cam-1": "Front Door", "shop": "Old Shop", "shop-2": "Shop", "camera": "المدخل", "cam-9": "Ninth"}


def test_a_dry_run_says_the_same_and_writes_nothing(store: EventStore) -> None:
    put(store, id=5, batch_id="b")
    first = [incoming(event_id=5, camera_id="front-door"), incoming(event_id=6), incoming(event_id=6)]
    second = [incoming(event_id=6), incoming(event_id=5, started_at="2026-03-04T13:00:00Z")]
    said = take(store, first, second, dry_run=True)
    assert rows(store) == [(5,)]
    assert said == take(store, first, second) == Tally(imported=2, skipped=3, renumbered=1)


def test_a_batch_comes_in_whole_or_not_at_all(store: EventStore) -> None:
    fine, broken = incoming(event_id=1), incoming(event_id=2)
    broken.values["risk_score"] = 1_000  # as if the judgement of rows had a hole
    with pytest.raises(Exception, match="risk_score_in_range"):
        take(store, [fine, broken])
    assert rows(store) == []
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM camera")).scalar() == 0
