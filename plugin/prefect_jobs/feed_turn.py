"""One adapter's part in the feed: it holds it, or it waits for its turn and repeats what the holder says."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from prefect_jobs.store import FeedLease, FeedState, StoreError

logger = logging.getLogger(__name__)

ASK_EVERY = 1.0
"""Seconds between two looks whether the feed is free."""
SILENT = 8.0
"""Seconds without a beat after which nobody's word counts."""


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the index is worth: whether Prefect answers, and how old the news may be."""

    prefect: Literal["up", "down"]
    behind_seconds: float
    ready: bool
    reasons: tuple[str, ...]
    complete: bool = True
    """Whether all jobs of this Prefect have been read once, by whichever adapter."""


class FeedTurn:
    """Whether this adapter holds the feed. Without a lease it always does."""

    def __init__(self, lease: FeedLease | None, *, beat_every: float, clock: Callable[[], datetime]) -> None:
        self._lease = lease
        self._beat_every = beat_every
        self._clock = clock
        self._holding = lease is None
        self._holder: FeedState | None = None

    @property
    def holding(self) -> bool:
        """Whether this adapter keeps the index true."""
        return self._holding

    def told(self) -> FeedStatus | None:
        """What the holder says; None when that is this adapter."""
        if self._holding or self._lease is None:
            return None
        said: Mapping[str, Any] = self._holder.status if self._holder else dict[str, Any]()
        if not said or self._lease.silence > SILENT:
            silent = self._lease.silence
            return FeedStatus("down", round(silent, 3), False, ("no adapter holds the feed yet",))
        return FeedStatus(
            said["prefect"], said["behind_seconds"], said["ready"], tuple(said["reasons"]), said.get("complete", True)
        )

    @property
    def was_swept(self) -> bool:
        """Whether everything had been read once before this adapter held the feed."""
        return self._holder is not None and self._holder.swept_at is not None

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Wait for the feed, hold it inside, and give it back."""
        if self._lease is None:
            yield
            return
        while True:
            with contextlib.suppress(StoreError):
                self._holding, self._holder = await self._lease.take(now=self._clock())
                if self._holding:
                    break
            await asyncio.sleep(ASK_EVERY)
        logger.info("holding the feed")
        try:
            yield
        finally:
            self._holding = False
            with contextlib.suppress(Exception):
                # Best effort, also when this task is being cancelled: otherwise the others wait some seconds.
                await asyncio.shield(asyncio.ensure_future(self._lease.give_back()))

    async def while_held(
        self,
        work: Callable[[], Awaitable[None]],
        *,
        say: Callable[[], FeedStatus],
        right_at: Callable[[], datetime | None],
    ) -> None:
        """Do this for as long as the feed is ours, telling the others how it goes."""
        doing = asyncio.ensure_future(work())
        try:
            while not doing.done():
                if self._lease is not None and not await self._beat(self._lease, say(), right_at()):
                    logger.warning("another adapter took over the feed")
                    return
                await asyncio.wait([doing], timeout=self._beat_every)
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)

    async def _beat(self, lease: FeedLease, status: FeedStatus, right_at: datetime | None) -> bool:
        said: dict[str, Any] = asdict(status)
        try:
            return await lease.beat(said, right_at=right_at, now=self._clock())
        except StoreError as error:
            # Nobody else can take over either: what is away is the database that all share.
            logger.warning("%s", error)
            return True

    async def swept(self) -> None:
        """Note that everything was read."""
        if self._lease is not None:
            await self._lease.swept(now=self._clock())
