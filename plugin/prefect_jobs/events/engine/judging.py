"""Going through many events one by one with the engine, so that one bad event costs no more than itself, and a stop
costs nothing that was done.

Reading and judging happen outside of any transaction that writes: an answer of a model may take a minute.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

from prefect_jobs.events.database import EventStore
from prefect_jobs.events.engine.evidence import Evidence, read_evidence
from prefect_jobs.events.engine.language_model import ModelRefuses, NoGoodAnswer

logger = logging.getLogger(__name__)

CHUNK = 50
"""Events that are looked up at once."""
KEPT_WITHIN = 1.0
"""Seconds within which a judgement is in the store."""
IN_A_ROW = 5
"""Answers that a model may owe one after another before it counts as away."""

T = TypeVar("T")


@dataclass(frozen=True)
class Round(Generic[T]):
    """One way to judge events."""

    waiting: Callable[[Connection, int], Sequence[int]]
    """The next events, at most so many, that have no judgement yet."""
    judge: Callable[[Evidence], T]
    failed: Callable[[int, Evidence | None, Exception], T]
    """What is kept of an event that could not be judged, or not even be read."""
    write: Callable[[Connection, Sequence[T]], None]


def judge_all(
    store: EventStore, this: Round[T], *, done: int, total: int, about_to_judge: Callable[[int], None]
) -> None:
    """Judge what waits until `total` is reached.

    Args:
        store: the events.
        this: how.
        done: how many of the total are judged already.
        total: how many there are altogether.
        about_to_judge: called with the number of each event, from 1, before it is judged; what it raises ends it all.

    Raises:
        ModelRefuses: the model takes no questions.
        NoGoodAnswer: it gave no good answer several times in a row.
    """
    silent = 0
    with _Keeper(store, this.write) as keeper:
        while done < total:
            with store.snapshot() as connection:
                ids = this.waiting(connection, min(CHUNK, total - done))
            if not ids:
                return
            for event_id, evidence in _evidence(store, ids):
                done += 1
                about_to_judge(done)
                try:
                    if isinstance(evidence, Exception):
                        raise evidence
                    keeper.add(this.judge(evidence))
                    silent = 0
                except ModelRefuses:
                    raise
                except Exception as error:  # whatever is wrong with one event, the others are judged
                    logger.warning("Event %d: %s", event_id, error)
                    keeper.add(this.failed(event_id, evidence if isinstance(evidence, Evidence) else None, error))
                    silent = silent + 1 if isinstance(error, NoGoodAnswer) else 0
                    if silent == IN_A_ROW:
                        raise
            keeper.flush()


def _evidence(store: EventStore, ids: Sequence[int]) -> Iterator[tuple[int, Evidence | Exception]]:
    try:
        with store.snapshot() as connection:
            yield from [(found.event_id, found) for found in read_evidence(connection, ids)]
    except Exception:  # noqa: BLE001  # one of them cannot be read: which?
        for event_id in ids:
            try:
                with store.snapshot() as connection:
                    alone = read_evidence(connection, [event_id])
            except Exception as error:  # noqa: BLE001  # this one
                yield event_id, error
            else:
                yield from [(event_id, found) for found in alone]


class _Keeper(Generic[T]):
    """Writes judgements into the store before long, and those at hand whatever happens."""

    def __init__(self, store: EventStore, write: Callable[[Connection, Sequence[T]], None]) -> None:
        self._store = store
        self._write = write
        self._held: list[T] = []
        self._since = 0.0

    def __enter__(self) -> "_Keeper[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, judgement: T) -> None:
        now = time.monotonic()
        if not self._held:
            self._since = now
        self._held.append(judgement)
        if now - self._since > KEPT_WITHIN:
            self.flush()

    def flush(self) -> None:
        if self._held:
            with self._store.writing() as connection:
                self._write(connection, self._held)
            self._held = []
