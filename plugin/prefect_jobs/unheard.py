"""Running jobs that nothing is heard of any more: their machine died whole, and with it whoever would have said so.

A worker of ours is missed by the other workers of its pool. A script, or what Prefect's own worker started, has nobody:
its run would stay Running for ever. Two things speak for such a job: the sidecar that waits here to be told of a stop,
and Prefect's heartbeat, an event that every flow's process sends (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY`, 180 s). A run
that never sent one is not judged, and nobody is while Prefect was away: it heard nobody then.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prefect_jobs.feed_turn import FeedStatus
from prefect_jobs.gateway import Gateway, GatewayError
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import JobIndex

LOOK_EVERY = 30.0
"""Seconds between two looks at the running jobs."""
BEATS_MISSED = 4
"""So many heartbeats must be missing, whatever the setting says, where it is known how often the run sends them."""

logger = logging.getLogger(__name__)


class UnheardJobs:
    """Ends running jobs as crashed that gave no sign of life for too long."""

    def __init__(
        self,
        gateway: Gateway,
        index: JobIndex,
        waits: StateWaits,
        status: Callable[[], FeedStatus],
        *,
        after: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._index = index
        self._waits = waits
        self._status = status
        self._after = after
        self._clock = clock
        self._monotonic = monotonic
        self._up_since: float | None = None

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while self._after:
            try:
                await self.look()
            except GatewayError as error:
                logger.debug("could not look for jobs that nothing is heard of: %s", error)
            except Exception:
                logger.exception("looking for jobs that nothing is heard of failed")
            await asyncio.sleep(min(LOOK_EVERY, self._after))

    async def look(self) -> None:
        """Look once at every running job.

        Raises:
            GatewayError: Prefect does not answer.
        """
        now = self._monotonic()
        status = self._status()
        if status.prefect != "up" or status.behind_seconds:
            self._up_since = None
            return
        self._up_since = now if self._up_since is None else self._up_since
        if now - self._up_since < self._after:
            return
        async for job_ids in self._index.running():
            for job_id in job_ids:
                if self._waits.silent_for(job_id) >= self._after:
                    await self._judge(job_id)

    async def _judge(self, job_id: str) -> None:
        job = await self._index.get(job_id)
        now, limit = self._clock(), timedelta(seconds=self._after)
        if job is None or job.state != "running" or job.state_id is None:
            return
        if job.started_at is None or now - job.started_at < limit:
            return
        beats = await self._gateway.heartbeats(job_id)
        if len(beats) > 1:
            limit = max(limit, BEATS_MISSED * (beats[0] - beats[1]))
        if not beats or now - beats[0] < limit:
            return
        heard = f"{beats[0]:%Y-%m-%d %H:%M:%S} UTC"
        message = f"Nothing was heard of the job's process since {heard}: it is gone, and its machine may be"
        try:
            await self._gateway.crash(job_id, message, seen=job.state_id)
        except GatewayError as error:
            logger.info("%s stays as it is: %s", job_id, error)
        else:
            logger.warning("%s: %s", job_id, message)
