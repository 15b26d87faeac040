"""Prefect's process worker as ours: how it takes runs and runs them, bears an outage, and comes to an end."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_flow_run
from prefect.logging import get_logger
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from prefect_jobs.on_stop import OnStop
from prefect_jobs.report_names import WORKER_LABEL, WORKER_NAME_LABEL
from prefect_jobs.worker.abandoned import AbandonedRuns
from prefect_jobs.worker.cancelling import observe_only_events, observer_of
from prefect_jobs.worker.deployment_slots import with_a_place
from prefect_jobs.worker.giving_back import end_is_untold, give_back
from prefect_jobs.worker.running_job import GRACE, RunningJob
from prefect_jobs.worker.starting import JobConfiguration, starter_of
from prefect_jobs.worker_process import WorkerProcess

REPORT = 1.5
"""Seconds, after the last process has ended, to write the states."""
LOOK_EVERY = 0.05
LOOK_AFTER_EVERY = 5.0

logger = get_logger("prefect_jobs.worker")


class JobWorker(ProcessWorker):
    """Prefect's process worker with our way to start a run, to bear an outage, and to stop."""

    type: ClassVar[str] = "process"
    job_configuration = JobConfiguration

    def __init__(self, *, limit: int, **options: Any) -> None:
        super().__init__(limit=limit, **options)
        observe_only_events()
        self._process = WorkerProcess.this(self.name, limit)
        self.jobs: dict[UUID, RunningJob] = {}
        """The jobs that run here now."""
        self._ending: OnStop | None = None
        self._told_to_end = datetime.now(UTC)

    @classmethod
    def __dispatch_key__(cls) -> str:
        return "prefect-jobs"  # its own name in Prefect's registry, although it serves pools of type `process`

    # -- taking and running ---------------------------------------------------------------------------------------

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Look for due runs and start them.

        Prefect's worker gives up, and kills its jobs, when the server is away for half a minute. This one looks again.
        """
        if self._ending:
            return []
        with _bearing_an_outage():
            return await super().get_and_submit_flow_runs()
        return []

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        return await with_a_place(self.client, await super()._get_scheduled_flow_runs())

    async def sync_with_backend(self) -> None:
        """Tell the server that this worker lives."""
        with _bearing_an_outage():
            await super().sync_with_backend()

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        """Write on the run which process takes it, together with what Prefect's worker writes."""
        labels: dict[str, Any] = {
            WORKER_NAME_LABEL: self.name,
            "prefect.worker.type": self.type,
            "prefect.work-pool.name": self.work_pool.name,
            "prefect.work-pool.id": str(self.work_pool.id),
            WORKER_LABEL: self._process.label(),
        }
        await self.client.update_flow_run_labels(flow_run_id, labels)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run one job until the end of its process, or until it leaves this worker."""
        with tempfile.TemporaryDirectory(prefix="prefect-jobs-") as folder:
            async with FlowRunExecutorContext() as context:
                executor = context.create_executor(
                    flow_run,
                    starter_of(configuration, Path(folder), context.control_channel),
                    resolve_flow=load_flow_from_flow_run,
                    propose_submitting=False,
                )
                job = RunningJob(flow_run.id, context.control_channel, observer_of(context))
                self.jobs[flow_run.id] = job
                try:
                    if self._ending == "hand-back":  # it was taken while the worker was told to stop
                        await job.leave()
                    status = await job.execute(executor, task_status or anyio.TASK_STATUS_IGNORED)
                finally:
                    del self.jobs[flow_run.id]
            if job.leaves:
                await self._give_back(flow_run)
            elif status:
                # Prefect's worker says Crashed of it once more, also of a run that was queued again in between.
                with suppress(httpx.HTTPError):
                    untold = await end_is_untold(self.client, flow_run.id, earlier_attempts=flow_run.run_count)
                    status = status if untold else 0
        return ProcessWorkerResult(status_code=status, identifier=str(job.pid))

    async def _give_back(self, flow_run: FlowRun) -> None:
        message = f"Handed back by worker {self.name}, which was stopped"
        try:
            if await give_back(self.client, flow_run.id, message, since=self._told_to_end):
                logger.info("Handed back %r", flow_run.name)
        except httpx.HTTPError as error:
            logger.error("Could not hand back %r: %s", flow_run.name, type(error).__name__)  # noqa: TRY400  one line

    # -- ending ---------------------------------------------------------------------------------------------------

    async def finish_jobs(self) -> None:
        """Take no new run, and wait until the running ones have ended."""
        self._end("finish")
        while self._busy:  # noqa: ASYNC110  Prefect's limiter tells nobody
            await asyncio.sleep(LOOK_EVERY)

    async def hand_back_jobs(self) -> None:
        """Take no new run, and give those that were taken back to the queue; the running ones are ended first."""
        self._end("hand-back")
        await self._each_job(RunningJob.leave)

    async def stop_jobs(self) -> None:
        """Take no new run, and end the running ones as crashed."""
        self._end("stop")
        await self._each_job(RunningJob.crash)

    def kill_jobs(self) -> None:
        """Kill the processes of all jobs at once."""
        for job in self.jobs.values():
            job.kill()

    async def look_after_pool(self) -> None:
        """Look again and again for runs that other workers took and left behind, and for cancellations unheard."""
        abandoned = AbandonedRuns(self.client, pool=self.work_pool.name, worker=self.name)
        while True:
            try:
                await self._look_for_cancellations()
                await abandoned.look(self.limiter.statistics().borrowers, now=time.monotonic())
            except (httpx.HTTPError, ObjectNotFound) as error:
                logger.debug("Could not look after the pool: %s", error)
            await asyncio.sleep(LOOK_AFTER_EVERY)

    async def _look_for_cancellations(self) -> None:
        if self.jobs:
            cancelling = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Cancelling"]))
            mine = FlowRunFilter(id=FlowRunFilterId(any_=list(self.jobs)), state=cancelling)
            for run in await self.client.read_flow_runs(flow_run_filter=mine):
                if job := self.jobs.get(run.id):
                    job.cancel()

    async def leave_pool(self) -> None:
        """Take this worker off the server's list, where it would be online for as long as its last heartbeat counts."""
        with suppress(httpx.HTTPError, ObjectNotFound):
            await self.client.request(
                "DELETE",
                "/work_pools/{work_pool_name}/workers/{name}",
                path_params={"work_pool_name": self.work_pool.name, "name": self.name},
            )

    @property
    def _busy(self) -> bool:
        """Whether a run has a slot here: from when it is taken until its process has ended and its state is written."""
        return self.limiter.borrowed_tokens > 0

    def _end(self, how: OnStop) -> None:
        self._ending = how
        self._told_to_end = datetime.now(UTC)

    async def _each_job(self, end: Callable[[RunningJob], Coroutine[Any, Any, None]]) -> None:
        """End every job, also those that are being started meanwhile."""
        asked: dict[UUID, asyncio.Task[None]] = {}
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + GRACE + REPORT
        while self._busy and clock() < give_up_at:
            for run_id, job in list(self.jobs.items()):
                if run_id not in asked and job.begun:
                    asked[run_id] = asyncio.create_task(end(job))
            await asyncio.sleep(LOOK_EVERY)
        for task in asked.values():
            task.cancel()


@contextmanager
def _bearing_an_outage() -> Generator[None]:
    try:
        yield
    except httpx.TransportError as error:
        logger.warning("Prefect does not answer (%s); looking again", type(error).__name__)
    except httpx.HTTPStatusError as error:
        if error.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        logger.warning("Prefect answered %d; looking again", error.response.status_code)
