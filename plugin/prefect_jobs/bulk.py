"""One action on many jobs: first a preview of exactly which, then the work, a few at a time, through every restart."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from prefect_jobs.gateway import GatewayError, PrefectUnavailable
from prefect_jobs.job_actions import ActionRefused, JobActions, JobUnknown, Verb, refusal
from prefect_jobs.job_states import CANCELLED_STATES
from prefect_jobs.jobs import Job
from prefect_jobs.store.bulk import BulkItem, BulkStore, Operation, Outcome
from prefect_jobs.store.index import JobIndex, JobSummary

logger = logging.getLogger(__name__)

JOBS_LIMIT = 100_000
"""Jobs in one operation."""
SIDE_BY_SIDE = 4
"""Jobs acted on at the same time: Prefect has other work too."""
UNKNOWN = "unknown"
"""The reason of a job that is not there, beside the reasons of ``ActionRefused``."""
_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Preview:
    """What an operation would act on. ``reasons`` counts why jobs would be refused; ``token`` executes it."""

    count: int
    by_state: dict[str, int]
    eligible: int
    reasons: dict[str, int]
    token: str


class BulkRunner:
    """Previews bulk operations and carries them out, one after the other."""

    def __init__(self, index: JobIndex, actions: JobActions, store: BulkStore) -> None:
        self._index = index
        self._actions = actions
        self.store = store
        self._news = asyncio.Event()

    async def preview(self, action: Verb, found: Sequence[JobSummary], unknown: Sequence[str] = ()) -> Preview:
        """Freeze this set of jobs, and those ids that no job has.

        The set is judged now for the preview, and each job again when its turn comes.
        """
        instead: dict[str | None, str] = {}
        for job in found:
            if refusal(action, job) == "with_parent" and job.inside_of not in instead:
                instead[job.inside_of] = await self._actions.stop_instead(job.inside_of or "")

        def reason_of(job: JobSummary) -> str | None:
            reason = refusal(action, job)
            return instead[job.inside_of] if reason == "with_parent" else reason

        reasons = Counter(reason for job in found if (reason := reason_of(job)))
        if unknown:
            reasons[UNKNOWN] = len(unknown)
        job_ids = [*(job.job_id for job in found), *unknown]
        token = str(uuid4())
        now = datetime.now(UTC)
        await self.store.preview(Operation(token, action, "previewed", None, len(job_ids), now, None, None), job_ids)
        by_state = dict(Counter(job.state for job in found).most_common())
        return Preview(len(job_ids), by_state, len(job_ids) - reasons.total(), dict(reasons), token)

    async def start(self, token: str, *, action: Verb, by: str | None) -> Operation | None:
        """Carry out what this token previewed. None when there is no such preview, or its time is up."""
        operation = await self.store.start(token, action=action, by=by, now=datetime.now(UTC))
        if operation is not None:
            logger.info("bulk %s of %d jobs by %s", operation.action, operation.total, by or "somebody")
            self._news.set()
        return operation

    async def stop(self, operation_id: str) -> bool:
        """Leave the rest of an operation undone. False when it is not running."""
        return await self.store.end(operation_id, "stopped", now=datetime.now(UTC))

    async def run(self) -> None:
        """Work on operations until cancelled, beginning with those that a restart interrupted."""
        while True:
            self._news.clear()
            while operation := await self.store.next_running():
                await self._work_on(operation)
            await self._news.wait()

    async def _work_on(self, operation: Operation) -> None:
        while taken := await self.store.take(operation.operation_id, SIDE_BY_SIDE):
            results = await asyncio.gather(*(self._act(operation, item) for item in taken), return_exceptions=True)
            for item, result in zip(taken, results, strict=True):
                if isinstance(result, asyncio.CancelledError):
                    raise result
                if isinstance(result, PrefectUnavailable):
                    continue
                if isinstance(result, BaseException):
                    logger.error("bulk %s of job %s failed", operation.action, item.job_id, exc_info=result)
                    result = ("failed", type(result).__name__)
                await self.store.note(operation.operation_id, item.number, *result)
            if any(isinstance(result, PrefectUnavailable) for result in results):
                # Nobody's turn is lost: what could not be asked is taken again.
                await asyncio.sleep(_PAUSE)
        await self.store.end(operation.operation_id, "finished", now=datetime.now(UTC))

    async def _act(self, operation: Operation, item: BulkItem) -> tuple[Outcome, str | None]:
        act = {
            "cancel": self._actions.cancel,
            "abort": self._actions.abort,
            "retry": self._actions.retry,
            "purge": self._actions.purge,
        }[operation.action]
        try:
            await act(item.job_id, by=operation.by)
        except JobUnknown:
            done = item.begun and operation.action == "purge"
            return ("done", None) if done else ("refused", UNKNOWN)
        except ActionRefused as error:
            # Begun before, and no outcome kept: the adapter died in between, maybe after it was done.
            if item.begun and is_done(operation.action, error.job, operation.started_at or operation.created_at):
                return "done", None
            return "refused", str(error) if error.reason == "with_parent" else error.reason
        except PrefectUnavailable:
            raise
        except GatewayError as error:
            return "failed", str(error)
        return "done", None


def is_done(action: str, job: Job, since: datetime) -> bool:
    """Whether a job that refuses an action got, after this time, where the action would bring it."""
    if action in ("cancel", "abort"):
        return job.state in CANCELLED_STATES and job.completed_at is not None and job.completed_at >= since
    if action == "retry":
        began = job.started_at is not None and job.started_at >= since
        return not job.ended and (job.state == "awaiting_retry" or began)
    return False
