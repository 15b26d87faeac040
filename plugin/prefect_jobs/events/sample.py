"""Fill an event store with sample events, a million in under two minutes.

A store that holds events already is refused unless they are to be added, so that nobody's data is mixed by accident.
Written in batches that are committed one by one: readers see it grow, and an interrupted sample leaves what it wrote.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain, islice

from sqlalchemy import Connection, func, insert, select

from prefect_jobs.events.database import open_event_store
from prefect_jobs.events.ids import continue_ids
from prefect_jobs.events.models import Camera, Detection, Event
from prefect_jobs.events.sample_events import SampleEvent, sample_events
from prefect_jobs.events.sample_scenes import CAMERAS

BATCH = 5_000


class EventStoreNotEmpty(Exception):
    """The event store already holds {events} events; ask to append to add more."""

    def __init__(self, events: int) -> None:
        super().__init__(f"The event store already holds {events:,} events; ask to append to add more.")
        self.events = events


def write_sample(
    url: str,
    count: int,
    seed: int,
    *,
    now: datetime,
    append: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write `count` sample events that end before `now` into the store at a SQLAlchemy URL; how many were written.

    The same count, seed and now give the same events. `on_progress(written, count)` is called after each batch. With
    `append`, events are added with continued ids to those that are there.

    Raises `EventStoreNotEmpty`, `ValueError` for a negative count, and whatever `open_event_store` raises.
    """
    if count < 0:
        raise ValueError(f"The number of events must not be negative: {count}")
    with open_event_store(url) as store:
        with store.engine.begin() as connection:
            held = connection.execute(select(func.count()).select_from(Event)).scalar_one()
            if held and not append:
                raise EventStoreNotEmpty(held)
            first_id = 1 + (connection.execute(select(func.max(Event.id))).scalar_one() or 0)
            _write_cameras(connection)
        events = sample_events(count, seed, now=now, first_id=first_id)
        written = 0
        while batch := list(islice(events, BATCH)):
            with store.engine.begin() as connection:
                _write_batch(connection, batch)
            written += len(batch)
            if on_progress is not None:
                on_progress(written, count)
        with store.engine.begin() as connection:
            continue_ids(connection, "event")
    return written


def _write_cameras(connection: Connection) -> None:
    known = set(connection.execute(select(Camera.id)).scalars())
    missing = [{"id": c.id, "name": c.name} for c in CAMERAS if not c.removed and c.id not in known]
    if missing:
        connection.execute(insert(Camera), missing)


def _write_batch(connection: Connection, batch: Iterable[SampleEvent]) -> None:
    connection.execute(insert(Event), [sample.event for sample in batch])
    detections = list(chain.from_iterable(sample.detections for sample in batch))
    if detections:
        connection.execute(insert(Detection), detections)
