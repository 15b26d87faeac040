"""Who keeps the index true: of several adapters on one database one holds the feed, the others follow what it writes.

The holder counts a beat up every two seconds. One that sees the beat stand still for some seconds, by its own clock,
takes over, and so does one that relieves a holder which says that it cannot do its work; clocks of machines are never
compared. A holder that stops gives the feed back at once, and one that died on this machine is known to be dead, so
that an adapter that restarts need not wait for its own ghost.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import JSON, BigInteger, Column, Integer, Table, Text, insert, select, update

from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import Moment, metadata

BEAT_EVERY = 2.0
"""Seconds between two beats of the holder."""
PATIENCE = 6.0
"""Seconds without a beat after which a holder counts as dead."""

feed_state = Table(
    "feed_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("holder", Text),
    Column("beat", BigInteger, nullable=False),
    Column("beaten_at", Moment, nullable=False),
    # What the holder says of itself, and when it had last read all active jobs, and everything.
    Column("status", JSON, nullable=False),
    Column("right_at", Moment),
    Column("swept_at", Moment),
)


@dataclass(frozen=True, slots=True)
class FeedState:
    """What is known of the feed by all who share the database. ``holder`` is None when nobody keeps it."""

    holder: str | None
    beat: int
    beaten_at: datetime
    status: Mapping[str, Any]
    right_at: datetime | None
    swept_at: datetime | None


def _began(pid: int) -> str:
    """When this process began, in the kernel's own count; empty where the platform does not say, or it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def this_process() -> str:
    """A name that no other adapter has: machine, process, when it began, and something random."""
    return f"{socket.gethostname()} {os.getpid()} {_began(os.getpid()) or '-'} {uuid4().hex[:8]}"


def known_dead(holder: str) -> bool:
    """Whether that process was one of this machine and is gone."""
    machine, pid, began, _ = holder.rsplit(" ", 3)
    if machine != socket.gethostname() or began == "-":
        return False
    return _began(int(pid)) != began


class FeedLease:
    """One adapter's claim to the feed."""

    def __init__(
        self,
        database: Database,
        *,
        name: str | None = None,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.name = name or this_process()
        self._patience = patience
        self._clock = clock
        self._seen: tuple[str | None, int] | None = None
        self._seen_at = clock()
        self.heard = False
        """Whether the holder was seen to live: what stands in the database may be the word of a dead one."""

    async def read(self) -> FeedState | None:
        """What the database says; None when nobody ever held the feed."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(feed_state))).one_or_none()
        if row is None:
            return None
        status = cast("Mapping[str, Any]", row.status)
        return FeedState(row.holder, row.beat, row.beaten_at, status, row.right_at, row.swept_at)

    async def take(
        self, *, now: datetime, relieve: Callable[[FeedState], bool] = lambda _state: False
    ) -> tuple[bool, FeedState | None]:
        """Try to become the holder. Returns whether this worked, and what the database said before.

        Args:
            now: the time.
            relieve: whether to take it from a holder that lives and says this.
        """
        state = await self.read()
        if state is not None and not self._is_free(state) and not relieve(state):
            return False, state
        async with self._database.writing() as connection:
            row = (await connection.execute(select(feed_state.c.holder, feed_state.c.beat))).one_or_none()
            if row is None:
                await connection.execute(
                    insert(feed_state).values(id=1, holder=self.name, beat=1, beaten_at=now, status={})
                )
                return True, state
            if state is None or (row.holder, row.beat) != (state.holder, state.beat):
                return False, state
            # What the one before said is not ours: nobody may relieve us for it.
            await connection.execute(
                update(feed_state).values(holder=self.name, beat=row.beat + 1, beaten_at=now, status={})
            )
            return True, state

    def _is_free(self, state: FeedState) -> bool:
        if (state.holder, state.beat) != self._seen:
            self.heard = self._seen is not None
            self._seen, self._seen_at = (state.holder, state.beat), self._clock()
        return state.holder is None or known_dead(state.holder) or self.silence > self._patience

    @property
    def silence(self) -> float:
        """Seconds since the holder's last beat was seen."""
        return self._clock() - self._seen_at

    async def beat(self, status: Mapping[str, Any], *, right_at: datetime | None, now: datetime) -> bool:
        """Say that the holder lives, and how it fares. False when another one took over meanwhile."""
        said = {"status": dict(status), "beaten_at": now, "beat": feed_state.c.beat + 1}
        if right_at is not None:
            said["right_at"] = right_at
        async with self._database.writing() as connection:
            mine = update(feed_state).where(feed_state.c.holder == self.name)
            return (await connection.execute(mine.values(said))).rowcount == 1

    async def swept(self, *, now: datetime) -> None:
        """Note that everything was read."""
        async with self._database.writing() as connection:
            await connection.execute(update(feed_state).values(swept_at=now))

    async def give_back(self) -> None:
        """Let another one hold the feed at once."""
        async with self._database.writing() as connection:
            await connection.execute(update(feed_state).where(feed_state.c.holder == self.name).values(holder=None))
