"""Taking events into the store, batch by batch, each batch one short transaction.

An event is known when its camera and its start are, and what tells events of one camera and one moment apart: the batch
id where the file has it, else the event id (an export has no batch ids), else nothing. So a file that is imported again
changes nothing, and a stopped import is simply started again. Ids are kept where they are free.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, case, func, insert, select, type_coerce, update

from prefect_jobs.events.database import EventStore
from prefect_jobs.events.ids import continue_ids
from prefect_jobs.events.incoming.cameras import Cameras
from prefect_jobs.events.incoming.event_record import IncomingEvent
from prefect_jobs.events.models import Detection, Event
from prefect_jobs.events.times import IsoUtcText

BATCH = 1_000
OnDuplicate = Literal["skip", "update"]
_UNKNOWN_TO_BATCHES = "import"
"""What the batch id of an event begins with that came without one; its event id follows where it had one."""


@dataclass
class Tally:
    """What became of the good rows."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    renumbered: int = 0
    """Of those imported: how many got another id, because theirs was taken."""


@dataclass(slots=True)
class _Known:
    """An event of the store, or of this batch before it (then without an id)."""

    id: int | None
    camera_id: str
    batch_id: str
    row: dict[str, Any] = field(default_factory=dict[str, Any])


class EventImport:
    """One import; open it with `open_import`."""

    def __init__(self, store: EventStore, on_duplicate: OnDuplicate, seen: "SeenEvents | None") -> None:
        self._store = store
        self._on_duplicate: OnDuplicate = on_duplicate
        self._seen = seen
        self.tally = Tally()

    def take(self, batch: Sequence[IncomingEvent]) -> None:
        """Take in some events, all of them or, on any exception, none; in a dry run, only say what would happen."""
        if self._seen is not None:
            with self._store.snapshot() as connection:
                self._judge(connection, batch, self._seen)
            return
        with self._store.writing() as connection:
            done = self._write(connection, batch)
        for name, count in vars(done).items():
            setattr(self.tally, name, getattr(self.tally, name) + count)

    def _judge(self, connection: Connection, batch: Sequence[IncomingEvent], seen: "SeenEvents") -> None:
        cameras, known = Cameras.read(connection), _known_at(connection, batch)
        taken = _taken_ids(connection, batch)
        for event in batch:
            camera_id = cameras.id_of(event)
            if _find(known[event.moment], event, camera_id, cameras) or not seen.add(event, camera_id):
                self.tally.skipped += self._on_duplicate == "skip"
                self.tally.updated += self._on_duplicate == "update"
            else:
                self.tally.imported += 1
                self.tally.renumbered += event.event_id in taken

    def _write(self, connection: Connection, batch: Sequence[IncomingEvent]) -> Tally:
        done = Tally()
        cameras, known = Cameras.read(connection), _known_at(connection, batch)
        taken = _taken_ids(connection, batch)
        fresh: list[dict[str, Any]] = []
        changes: list[tuple[int, IncomingEvent]] = []
        for event in batch:
            camera_id = cameras.id_of(event)
            found = _find(known[event.moment], event, camera_id, cameras)
            if found is None:
                row = _row(event, camera_id)
                if event.event_id is not None and event.event_id not in taken:
                    row["id"] = event.event_id
                    taken.add(event.event_id)
                elif event.event_id is not None:
                    done.renumbered += 1
                fresh.append(row)
                known[event.moment].append(_Known(row.get("id"), camera_id, row["batch_id"], row))
                done.imported += 1
            elif self._on_duplicate == "skip":
                done.skipped += 1
            else:
                done.updated += 1
                if found.row:
                    found.row.update(event.values)
                elif found.id is not None:
                    changes.append((found.id, event))
        cameras.write_new(connection)
        _insert(connection, fresh)
        for event_id, event in changes:
            connection.execute(update(Event).where(Event.id == event_id).values(**_changed(event)))
        return done


@contextmanager
def open_import(store: EventStore, *, on_duplicate: OnDuplicate, dry_run: bool) -> Generator[EventImport]:
    """An import into a store; a dry run writes nothing, and says what would happen."""
    if not dry_run:
        yield EventImport(store, on_duplicate, None)
        return
    # On disk where it grows, in a file that has no name and vanishes with the process.
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        yield EventImport(store, on_duplicate, SeenEvents(database))


class SeenEvents:
    """The events that a dry run has seen, which no store remembers for it: a file may hold one twice."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("CREATE TABLE seen (moment, camera, tag, PRIMARY KEY (moment, camera, tag)) WITHOUT ROWID")
        database.execute("BEGIN")

    def add(self, event: IncomingEvent, camera_id: str) -> bool:
        """Remember an event; False when it is known already."""
        row = (event.moment, camera_id, _tag(event))
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount > 0


def _tag(event: IncomingEvent) -> str:
    """The batch id that an event gets."""
    if event.batch_id is not None:
        return event.batch_id
    return _UNKNOWN_TO_BATCHES if event.event_id is None else f"{_UNKNOWN_TO_BATCHES}-{event.event_id}"


def _known_at(connection: Connection, batch: Sequence[IncomingEvent]) -> defaultdict[str, list[_Known]]:
    """The events of the store, deleted ones too, that start when one of the batch does."""
    known: defaultdict[str, list[_Known]] = defaultdict(list)
    starts = {event.started_at for event in batch}
    moment = type_coerce(Event.started_at, IsoUtcText)
    wanted = select(Event.id, Event.camera_id, Event.batch_id, moment).where(Event.started_at.in_(starts))
    for event_id, camera_id, batch_id, start in connection.execute(wanted.order_by(Event.id)):
        known[start].append(_Known(event_id, camera_id, batch_id))
    return known


def _find(candidates: Sequence[_Known], event: IncomingEvent, camera_id: str, cameras: Cameras) -> _Known | None:
    for known in candidates:
        # The export says only that a camera is unknown, not which one it was.
        same_camera = known.camera_id == camera_id or (cameras.is_unknown(event) and not cameras.has(known.camera_id))
        if same_camera and (
            known.batch_id == _tag(event)
            or (event.batch_id is None and (event.event_id is None or known.id == event.event_id))
        ):
            return known
    return None


def _taken_ids(connection: Connection, batch: Sequence[IncomingEvent]) -> set[int]:
    wanted = {event.event_id for event in batch if event.event_id is not None}
    return set(connection.execute(select(Event.id).where(Event.id.in_(wanted))).scalars()) if wanted else set()


def _row(event: IncomingEvent, camera_id: str) -> dict[str, Any]:
    return {
        **_NOTHING,
        **event.values,
        "camera_id": camera_id,
        "started_at": event.started_at,
        "batch_id": _tag(event),
        "past_detections": event.detections or 0,
    }


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(
        ("ended_at", "risk_score", "risk_level", "summary", "reasoning", "notes", "object_types", "clip_path")
    ),
    "reviewed": False,
    "is_fast_path": False,
}


def _changed(event: IncomingEvent) -> dict[str, Any]:
    """What an update writes: what the file has, and that the event is not deleted."""
    values: dict[str, Any] = {**event.values, "deleted_at": None}
    if event.detections is not None:
        linked = select(func.count()).where(Detection.event_id == Event.id).correlate(Event).scalar_subquery()
        values["past_detections"] = case((linked < event.detections, event.detections - linked), else_=0)
    return values


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    numbered = [row for row in rows if "id" in row]
    if numbered:
        # Before they are written: whoever writes meanwhile must not be given one of these ids.
        continue_ids(connection, "event", least=max(row["id"] for row in numbered))
        connection.execute(insert(Event), numbered)
    if others := [row for row in rows if "id" not in row]:
        connection.execute(insert(Event), others)
