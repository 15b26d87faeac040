"""One adapter's part in the feed: it holds it, or it waits for its turn and repeats what the holder says.

A holder that cannot read Prefect gives way to another adapter that can; where none can, the feed stays where it is.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from prefect_jobs.readiness import Part
from prefect_jobs.store import FeedLease, FeedState, StoreError

logger = logging.getLogger(__name__)

SILENT = 8.0
"""Seconds without a beat after which nobody's word counts."""
UNABLE_FOR = "unable_for"
"""Where the holder says for how many seconds it has not been able to read Prefect."""


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the index is worth here: whether Prefect answers this process, and how old the news may be."""

    prefect: Literal["up", "down"]
    behind_seconds: float
    ready: bool
    reasons: tuple[str, ...]
    complete: bool = True
    """Whether all jobs of this Prefect have been read once, by whichever adapter."""


@dataclass(frozen=True, slots=True)
class Told:
    """What this adapter knows of a feed that another one holds."""

    part: Part
    behind_seconds: float
    complete: bool


class FeedTurn:
    """Whether this adapter holds the feed. Without a lease it always does.

    Args:
        lease: its claim.
        beat_every: seconds between two words of the holder.
        able: whether this adapter can read Prefect, and so may take the feed from one that cannot.
        clock: tells the time.
        ask_every: seconds between two looks whether the feed is free.
        unable_most: seconds without a sign of Prefect after which a holder is relieved by one that can read it.
    """

    def __init__(
        self,
        lease: FeedLease | None,
        *,
        beat_every: float,
        clock: Callable[[], datetime],
        able: Callable[[], bool] = lambda: False,
        ask_every: float = 1.0,
        unable_most: float = 5.0,
    ) -> None:
        self._lease = lease
        self._beat_every = beat_every
        self._clock = clock
        self._able = able
        self._ask_every = ask_every
        self._unable_most = unable_most
        self._holding = lease is None
        self._holder: FeedState | None = None
        self._swept = False
        self.behind_before = 0.0
        """Seconds for which nobody had kept the index true when this adapter took the feed."""

    @property
    def holding(self) -> bool:
        """Whether this adapter keeps the index true."""
        return self._holding

    def told(self) -> Told | None:
        """What the holder says, as far as it is heard; None when that is this adapter."""
        if self._holding or self._lease is None:
            return None
        silence, said = self._lease.silence, self._said
        behind = float(said.get("behind_seconds", 0.0))
        if not said or self._holder is None or self._holder.holder is None:
            part = Part(up=False, reasons=("no adapter holds the feed yet",))
        elif not self._lease.heard:
            part = Part(up=False, reasons=("nothing was heard yet of the adapter that holds the feed",))
        elif silence > SILENT:
            part = Part(
                up=False, reasons=(f"nothing was heard for {silence:.0f} s of the adapter that holds the feed",)
            )
        else:
            reasons = tuple(f"the adapter that holds the feed: {reason}" for reason in said.get("reasons", ()))
            return Told(Part(bool(said["ready"]), reasons), behind + silence if behind else 0.0, self.was_swept)
        return Told(part, behind + silence, self.was_swept)

    @property
    def _said(self) -> Mapping[str, Any]:
        return self._holder.status if self._holder else dict[str, Any]()

    @property
    def was_swept(self) -> bool:
        """Whether everything had been read once, by whichever adapter."""
        return self._swept or (self._holder is not None and self._holder.swept_at is not None)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Wait for the feed, hold it inside, and give it back."""
        if self._lease is None:
            yield
            return
        while True:
            with contextlib.suppress(StoreError):
                self._holding, self._holder = await self._lease.take(now=self._clock(), relieve=self._may_relieve)
                if self._holding:
                    self.behind_before = self._behind_then()
                    break
            await asyncio.sleep(self._ask_every)
        logger.info("holding the feed")
        try:
            yield
        finally:
            self._holding = False
            with contextlib.suppress(Exception):
                # Best effort, also when this task is being cancelled: otherwise the others wait some seconds.
                await asyncio.shield(asyncio.ensure_future(self._lease.give_back()))

    def _behind_then(self) -> float:
        """Seconds since the index was known to be right, at the moment when the feed became ours."""
        if self._holder is None or self._holder.right_at is None:
            return 0.0
        return max(0.0, (self._clock() - self._holder.right_at).total_seconds())

    def _may_relieve(self, state: FeedState) -> bool:
        unable_for = state.status.get(UNABLE_FOR) or 0.0
        return unable_for >= self._unable_most and self._able()

    async def while_held(
        self,
        work: Callable[[], Awaitable[None]],
        *,
        say: Callable[[], FeedStatus],
        right_at: Callable[[], datetime | None],
        unable_for: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Do this for as long as the feed is ours, telling the others how it goes."""
        doing = asyncio.ensure_future(work())
        try:
            while not doing.done():
                said = asdict(say()) | {UNABLE_FOR: unable_for()}
                if self._lease is not None and not await self._beat(self._lease, said, right_at()):
                    logger.warning("another adapter took over the feed")
                    return
                await asyncio.wait([doing], timeout=self._beat_every)
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)

    async def _beat(self, lease: FeedLease, said: Mapping[str, Any], right_at: datetime | None) -> bool:
        try:
            return await lease.beat(said, right_at=right_at, now=self._clock())
        except StoreError as error:
            # Nobody else can take over either: what is away is the database that all share.
            logger.warning("%s", error)
            return True

    async def swept(self) -> None:
        """Note that everything was read."""
        self._swept = True
        if self._lease is not None:
            await self._lease.swept(now=self._clock())
