"""What people do to jobs: stop, queue again, remove. One place says which job allows what.

Every action reads the run first, so that it is judged by Prefect's truth and not by an index that may be a second old,
and again afterwards, so that the index is right before the request is answered.

What was cancelled before it began may be on its way all the same: see ``stop_promises``.
"""

import functools
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal, get_args

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed
from prefect_jobs.gateway import (
    Gateway,
    NothingRunsIt,
    RunGone,
    RunState,
    StateRefused,
)
from prefect_jobs.history import Histories
from prefect_jobs.job_states import ENDED
from prefect_jobs.jobs import Job
from prefect_jobs.stop_promises import StopPromises
from prefect_jobs.store import JobIndex, JobSummary
from prefect_jobs.transitions import Action, words_of

logger = logging.getLogger(__name__)

Verb = Literal["cancel", "abort", "retry", "purge"]
VERBS: tuple[Verb, ...] = get_args(Verb)
Reason = Literal["ended", "queued", "running", "not_failed", "no_deployment", "with_parent", "refused"]

RETRYABLE = ("failed", "crashed", "timed_out")

_ALLOWED: dict[Verb, dict[str, Reason | None]] = {
    "cancel": {"pending": None, "running": None, "completed": "ended", "failed": "ended"},
    "abort": {"pending": "queued", "running": None, "completed": "ended", "failed": "ended"},
    "retry": {"pending": "not_failed", "running": "not_failed", "completed": "not_failed", "failed": None},
    "purge": {"pending": None, "running": "running", "completed": None, "failed": None},
}


class JobUnknown(Exception):
    """No job found with ID: {job_id}"""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job found with ID: {job_id}")


class ActionRefused(Exception):
    """The job is {status}, which does not allow to {verb} it: {reason}"""

    def __init__(self, verb: Verb, job: Job, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or f"The job is {job.status}, which does not allow to {verb} it")
        self.job = job
        self.reason: Reason = reason


def refusal(verb: Verb, job: Job | JobSummary) -> Reason | None:
    """Why this job does not allow that, or None when it does."""
    reason = _ALLOWED[verb][job.status]
    if reason is None and verb == "retry":
        if job.state not in RETRYABLE:
            return "not_failed"
        if job.deployment_id is None:
            return "no_deployment"
    if reason is None and verb != "retry" and job.status not in ENDED and job.stoppable == "with_parent":
        return "with_parent"
    return reason


class JobActions:
    """Acts on jobs, and keeps who did it."""

    def __init__(self, gateway: Gateway, index: JobIndex, feed: Feed, hub: ChangeHub, histories: Histories) -> None:
        self._gateway = gateway
        self._index = index
        self._feed = feed
        self._hub = hub
        self._histories = histories
        self._promises = StopPromises(gateway, index, feed, hub, histories)

    async def keep_promises(self) -> None:
        """See to it that what was cancelled ends, until cancelled."""
        await self._promises.keep()

    async def current(self, job_id: str) -> Job:
        """The job as Prefect has it now.

        Raises:
            JobUnknown: there is none.
            PrefectUnavailable: Prefect is away.
        """
        runs = await self._gateway.read_runs([job_id])
        await self._feed.took(runs)
        if not runs:
            await self._feed.forget([job_id])
            raise JobUnknown(job_id)
        job = await self._index.get(job_id)
        if job is None:
            raise JobUnknown(job_id)
        return job

    async def cancel(self, job_id: str, *, by: str | None) -> Job:
        """Stop a job that has not ended: a pending one at once, a running one at its next checkpoint.

        A running job that does not use the kit gets Prefect's own cancel.

        Returns:
            The job afterwards. A running one is still stopping then.

        Raises:
            JobUnknown, ActionRefused, PrefectUnavailable: it was not stopped.
        """
        return await self._stop("cancel", job_id, by)

    async def abort(self, job_id: str, *, by: str | None) -> Job:
        """End a running job at once, with all its processes; also one that is being cancelled.

        Where the kit is not used it is Prefect's own cancel. Raises as ``cancel``, and ``ActionRefused`` for a pending
        job.
        """
        return await self._stop("abort", job_id, by)

    async def retry(self, job_id: str, *, by: str | None) -> Job:
        """Queue a failed job again. Raises as ``cancel``."""
        job = await self._allowed("retry", job_id)
        # The run names its latest worker only: who executed this attempt is known now, and not after the next one.
        await self._histories.of(job)
        try:
            await self._act("retry", job, by, self._gateway.retry)
        except NothingRunsIt as error:
            raise ActionRefused("retry", job, "no_deployment") from error
        except StateRefused as error:
            raise ActionRefused("retry", job, "not_failed", error.reason) from error
        return await self.current(job_id)

    async def purge(self, job_id: str, *, by: str | None) -> None:
        """Remove a job with its past, cancelling it first when it is pending. Raises as ``cancel``.

        One that was taken and has not begun is removed too: Prefect lets nothing begin that is cancelled, or gone.
        """
        job = await self._allowed("purge", job_id)
        if not job.ended:
            job = await self._stop("purge", job_id, by)
            if job.status == "running":
                raise ActionRefused("purge", job, "running")
        logger.info("job %s (%s, %s) removed by %s", job_id, job.job_type, job.state, by or "somebody")
        await self._gateway.delete_run(job_id)
        await self._feed.forget([job_id])

    async def _allowed(self, verb: Verb, job_id: str) -> Job:
        job = await self.current(job_id)
        reason, detail = refusal(verb, job), ""
        if reason == "with_parent" and not (detail := await self.stop_instead(job.inside_of or "")):
            reason = None
        if reason:
            raise ActionRefused(verb, job, reason, detail)
        return job

    async def stop_instead(self, parent_id: str) -> str:
        """Why a job cannot be stopped that runs inside this one; empty when that is over, and so is its process.

        It names the job to be stopped: the nearest one around it that can be.
        """
        seen: set[str] = set()
        while parent_id not in seen:
            seen.add(parent_id)
            if not parent_id:
                return "Job runs inside another job - stop that one"
            try:
                parent = await self.current(parent_id)
            except JobUnknown:
                return ""
            if parent.ended:
                return ""
            if parent.stoppable != "with_parent":
                break
            parent_id = parent.inside_of or ""
        return f"Job runs inside job {parent_id} - stop that one"

    async def _stop(self, verb: Verb, job_id: str, by: str | None) -> Job:
        job = await self._allowed(verb, job_id)
        try:
            await self._act(verb, job, by, self._stopper(verb, job))
        except StateRefused as error:
            # It ended between the look at it and the write.
            job = await self.current(job_id)
            if job.awaits_proof and verb in ("cancel", "abort"):
                return job  # its processes are being killed
            raise ActionRefused(verb, job, refusal(verb, job) or "refused", error.reason) from error
        return await self.current(job_id)

    def _stopper(self, verb: Verb, job: Job) -> Callable[[str, str], Awaitable[RunState]]:
        if verb == "abort" and job.stoppable == "cooperative":
            return self._gateway.abort
        return functools.partial(self._gateway.cancel, cooperative=job.stoppable == "cooperative")

    async def _act(
        self, verb: Verb, job: Job, by: str | None, write: Callable[[str, str], Awaitable[RunState]]
    ) -> None:
        try:
            written = await write(job.job_id, words_of(verb, by))
        except RunGone as error:
            await self._feed.forget([job.job_id])
            raise JobUnknown(job.job_id) from error
        if written.id != job.state_id:  # otherwise an earlier call wrote it
            await self._histories.note(job.job_id, Action(verb, by, datetime.now(UTC), written.id))
