"""Who cancelled a job was told that it is stopped, and so it must be, whatever was on its way at that moment.

A job that a worker has taken is cancelled before it has begun. Prefect lets nothing begin it while it says Cancelling;
our worker ends it at once, and writes Cancelled. Where another kind of worker has it, or one that died, nobody does, so
that is done here: when the worker has said that the process is gone, or as late as one can, because over Cancelled
Prefect lets a process begin that was on its way all the same. Such a job is cancelled once more as soon as it runs.

What was promised stands in the table of actions, so it holds across a restart, and every replica keeps it.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed
from prefect_jobs.gateway import Gateway, GatewayError, Outlook, PrefectUnavailable
from prefect_jobs.history import Histories
from prefect_jobs.jobs import Job
from prefect_jobs.store import JobIndex, StoreError
from prefect_jobs.store.history import StopAsked
from prefect_jobs.transitions import CLOCKS_APART

logger = logging.getLogger(__name__)

PROMISE_KEPT = timedelta(minutes=30)
"""So long after a cancellation a process that was already on its way may still begin."""
REST = 0.1
"""Seconds between two looks at what changed."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the jobs that somebody has yet to give up."""
GONE_AFTER = timedelta(seconds=20)
"""So long a run stays withdrawn whose worker the server calls offline."""
SERVED_AFTER = timedelta(seconds=60)
"""The same for one that no worker takes but a process that serves its deployment: of that nothing is known."""
GIVEN_UP_AFTER = timedelta(seconds=240)
"""The same for one whose worker lives and says nothing. Prefect's own patience ends after 300 s."""


class StopPromises:
    """Keeps what was promised to everybody who cancelled a job."""

    def __init__(self, gateway: Gateway, index: JobIndex, feed: Feed, hub: ChangeHub, histories: Histories) -> None:
        self._gateway = gateway
        self._index = index
        self._feed = feed
        self._hub = hub
        self._histories = histories
        self._promises: dict[str, StopAsked] = {}
        self._read_until = 0
        self._due: set[str] = set()
        self._waiting: set[str] = set()
        """Jobs that were not given up yet when they were looked at last."""
        self._look_at = 0.0

    async def keep(self) -> None:
        """See to it that what was cancelled ends, until cancelled."""
        at = self._hub.version
        while not self._hub.closed:
            await self._hub.wait(at, timeout=1.0)
            changes = self._hub.after(at)
            at = self._hub.version
            try:
                await self._learn()
                # More happened than the hub holds: each is looked at.
                changed = self._promises.keys() if changes is None else {change.job_id for change in changes}
                self._due |= changed & self._promises.keys()
                await self._look()
            except StoreError as error:  # away for a while, or its disk full; a promise stays one
                logger.warning("what was promised to be cancelled could not be looked at: %s", error)
                await asyncio.sleep(1.0)
            except Exception:
                logger.exception("what was promised to be cancelled could not be looked at")
                await asyncio.sleep(1.0)
            await asyncio.sleep(REST)

    async def _learn(self) -> None:
        """Take over what was promised since, by whichever process; drop what is too old to matter."""
        oldest = datetime.now(UTC) - PROMISE_KEPT
        for asked in await self._histories.stops(after=self._read_until, since=oldest):
            self._promises[asked.job_id] = asked
            self._read_until = asked.id
            self._due.add(asked.job_id)
        for job_id in [job_id for job_id, asked in self._promises.items() if asked.at < oldest]:
            del self._promises[job_id]

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        if self._waiting and clock() >= self._look_at:
            self._due |= self._waiting
            self._look_at = clock() + LOOK_EVERY
        for job_id in list(self._due):
            try:
                await self._keep(job_id)
            except PrefectUnavailable:
                continue  # it stays due
            except GatewayError as error:  # it ended, or is gone
                logger.info("job %s needs no second cancellation: %s", job_id, error)
            self._due.discard(job_id)

    async def _keep(self, job_id: str) -> None:
        asked, job = self._promises.get(job_id), await self._index.get(job_id)
        self._waiting.discard(job_id)
        if asked is None or job is None or job.ended:
            return
        if job.status == "pending" and job.state == "stopping":
            self._waiting.add(job_id)
            await self._give_up(job, asked)
        elif job.status == "running":
            await self._cancel_again(job, asked)

    async def _cancel_again(self, job: Job, asked: StopAsked) -> None:
        """Cancel a job that began although it was cancelled before it did."""
        # The index may not know of the cancellation yet: what came after it, Prefect tells.
        states = await self._gateway.states(job.job_id)
        place = next((place for place, state in enumerate(states) if state.id == asked.state_id), len(states))
        since = [state.type for state in states[place + 1 :]]
        if "SCHEDULED" in since:  # somebody queued it again
            self._promises.pop(job.job_id, None)
        elif since and since[-1] == "RUNNING":
            logger.info("job %s began although it was cancelled before; cancelling it again", job.job_id)
            cooperative = job.stoppable == "cooperative"
            await self._gateway.cancel(job.job_id, "It was cancelled before it began", cooperative=cooperative)

    async def _give_up(self, job: Job, asked: StopAsked) -> None:
        """End a job that was not begun and will not be, as far as one can know."""
        age = datetime.now(UTC) - asked.at
        outlook = await self._gateway.outlook(job.job_id)
        if age < patience(outlook) and not await self._gateway.given_up(job.job_id, since=asked.at - CLOCKS_APART):
            return
        await self._gateway.end_withdrawn(job.job_id)
        logger.info("job %s was cancelled before it began, and nobody gave it up; it is ended", job.job_id)
        await self._feed.took(await self._gateway.read_runs([job.job_id]))


def patience(outlook: Outlook) -> timedelta:
    """How long whoever has taken a run may take to give it up."""
    run = outlook.run
    process = run.worker_process
    if process is not None and process.visible:
        return GIVEN_UP_AFTER if process.lives else timedelta(0)
    if run.pool_name is None:
        return SERVED_AFTER
    return GIVEN_UP_AFTER if run.worker in outlook.workers else GONE_AFTER
