"""Signs of life of a job, and whether a running one stands still.

A sign is a report of progress, a log line or a heartbeat: Prefect's, or that the job's sidecar waits here. A heartbeat
says that the process lives and not that the work goes on, so it does not count against a stall. What is usual for a
type is learnt from its latest completed jobs, and only when somebody looks at a job that has been silent for a minute.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from prefect_jobs.feed_turn import FeedStatus
from prefect_jobs.gaps import LEAST, MICROSECOND, stands_still, usual_gap
from prefect_jobs.gateway import Gateway, GatewayError
from prefect_jobs.jobs import Job
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import JobIndex, LineGap, LogStore

T = TypeVar("T")

SAMPLE = 20
"""Latest completed jobs of a type that its usual gap is learnt from."""
USUAL_FOR = 60.0
"""Seconds for which the usual gap of a type is believed."""
BEAT_FOR = 20.0
"""Seconds for which a heartbeat that was asked for is believed to be the last: Prefect's come every 30 s at best."""
BEAT_PATIENCE = 2.0
"""Seconds that Prefect may take to tell it: who looks at a job does not wait for that."""
REMEMBERED = 1_000
"""Types, and jobs, of which that is remembered."""
_NOT_AT_WORK = ("paused",)


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a job's signs of life."""

    last_at: datetime | None = None
    silent: timedelta | None = None
    """How long a running job has told neither progress nor a log line."""
    usual: timedelta | None = None
    """The longest usual gap of its type, where it was asked for."""
    stalled: bool | None = False
    """None while Prefect is away: then nobody can be heard."""


class SignsOfLife:
    """Tells them."""

    def __init__(
        self,
        gateway: Gateway,
        index: JobIndex,
        logs: LogStore,
        waits: StateWaits,
        status: Callable[[], FeedStatus],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._logs = logs
        self._waits = waits
        self._status = status
        self._clock = clock
        self._monotonic = monotonic
        self._usual: OrderedDict[str, tuple[float, list[int]]] = OrderedDict()
        self._beats: OrderedDict[str, tuple[float, datetime | None]] = OrderedDict()

    async def of(self, job: Job) -> Signs:
        """The signs of this job."""
        if job.started_at is None:
            return Signs()
        newest = (await self._logs.book(job.job_id)).newest
        reported = job.reported.at if job.reported else None
        told = [moment for moment in (reported, newest) if moment is not None and moment >= job.started_at]
        if job.status != "running":
            return Signs(max(told, default=None))
        beats = [beat for beat in (await self._heartbeat(job.job_id), self._waited(job.job_id)) if beat is not None]
        last_at = max([*told, *beats], default=None)
        silent = max(timedelta(), self._clock() - max(told, default=job.started_at))
        if job.state in _NOT_AT_WORK or silent < LEAST:
            return Signs(last_at, silent)
        if self._status().prefect != "up":
            return Signs(last_at, silent, stalled=None)
        usual = usual_gap(await self._of_type(job.job_type), await self._own(job))
        return Signs(last_at, silent, usual, stands_still(silent, usual))

    async def _heartbeat(self, job_id: str) -> datetime | None:
        asked_at, beat = self._beats.get(job_id, (-math.inf, None))
        if self._monotonic() - asked_at < BEAT_FOR or self._status().prefect != "up":
            return beat
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(BEAT_PATIENCE):
                beat = next(iter(await self._gateway.heartbeats(job_id)), None)
        _remember(self._beats, job_id, (self._monotonic(), beat))
        return beat

    def _waited(self, job_id: str) -> datetime | None:
        silent = self._waits.silent_for(job_id)
        return None if math.isinf(silent) else self._clock() - timedelta(seconds=silent)

    async def _of_type(self, job_type: str) -> list[int]:
        """The longest gaps of the latest completed jobs of a type."""
        learnt_at, found = self._usual.get(job_type, (-math.inf, []))
        if self._monotonic() - learnt_at < USUAL_FOR:
            return found
        jobs = await self._index.latest_completed(job_type, limit=SAMPLE)
        lines = await self._logs.gaps([job.job_id for job in jobs if job.attempt == 1])
        gaps = [_shorter(job.longest_gap, _of_lines(job, lines.get(job.job_id)), _whole(job)) for job in jobs]
        found = [gap for gap in gaps if gap is not None]
        _remember(self._usual, job_type, (self._monotonic(), found))
        return found

    async def _own(self, job: Job) -> int | None:
        lines = await self._logs.gaps([job.job_id]) if job.attempt == 1 else {}
        return _shorter(job.longest_gap, _of_lines(job, lines.get(job.job_id)))


def _of_lines(job: Job, lines: LineGap | None) -> int | None:
    """The longest gap between the start of a job, its log lines and its end."""
    if lines is None or job.started_at is None:
        return None
    edges = [lines.longest, (lines.first - job.started_at) // MICROSECOND]
    if job.completed_at is not None and lines.whole:
        edges.append((job.completed_at - lines.last) // MICROSECOND)
    return max(edges)


def _whole(job: Job) -> int | None:
    """How long a job ran: no gap of it is longer."""
    if job.started_at is None or job.completed_at is None:
        return None
    return (job.completed_at - job.started_at) // MICROSECOND


def _shorter(*gaps: int | None) -> int | None:
    """Reports and lines fill each other's gaps."""
    return min((gap for gap in gaps if gap is not None), default=None)


def _remember(known: "OrderedDict[str, T]", key: str, value: T) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)
