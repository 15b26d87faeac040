"""Prefect's process worker as ours: how it takes runs and runs them, bears an outage, and comes to an end."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.orchestration import PrefectClient
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
from prefect.workers.base import BaseWorkerResult
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from prefect_jobs.on_stop import OnStop
from prefect_jobs.report_names import KIT_LABEL, WITHDRAWN, WORKER_LABEL, WORKER_NAME_LABEL
from prefect_jobs.worker.abandoned import AbandonedRuns
from prefect_jobs.worker.cancelling import SharedExecutors
from prefect_jobs.worker.deployment_slots import with_a_place
from prefect_jobs.worker.giving_back import end_is_untold, end_withdrawn, give_back
from prefect_jobs.worker.outages import Outages, asking_once, is_outage
from prefect_jobs.worker.running_job import GRACE, RunningJob, tell_ends_through
from prefect_jobs.worker.starting import JobConfiguration, starter_of
from prefect_jobs.worker_process import WorkerProcess

REPORT = 1.5
"""Seconds, after the last process has ended, to write the states."""
LOOK_EVERY = 0.05
LOOK_AFTER_EVERY = 5.0

P = ParamSpec("P")
T = TypeVar("T")

logger = get_logger("prefect_jobs.worker")


class JobWorker(ProcessWorker):
    """Prefect's process worker with our way to start a run, to bear an outage, and to stop."""

    type: ClassVar[str] = "process"
    job_configuration = JobConfiguration

    def __init__(self, *, limit: int, umask: int, **options: Any) -> None:
        super().__init__(limit=limit, **options)
        self._umask = umask
        self._executors = SharedExecutors()
        self._withdrawals = asyncio.Event()
        self._taken: dict[UUID, float] = {}
        self._outages = Outages()
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
        with self._outages.borne():
            return await super().get_and_submit_flow_runs()
        return []

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        with asking_once():
            return await with_a_place(self.client, await super()._get_scheduled_flow_runs())

    async def sync_with_backend(self) -> None:
        """Tell the server that this worker lives."""
        with self._outages.borne():
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

        async def write(client: PrefectClient) -> None:
            with suppress(ObjectNotFound):  # it was removed meanwhile, which is seen before it begins
                await client.update_flow_run_labels(flow_run_id, labels)

        await self._patiently(write)

    async def __aenter__(self) -> Self:
        await self._executors.__aenter__()
        self._executors.observer.on_withdrawn = lambda _run_id: self._withdrawals.set()
        try:
            await super().__aenter__()
        except BaseException:
            await self._executors.__aexit__(*sys.exc_info())
            raise
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        try:
            await super().__aexit__(*exc_info)
        finally:
            await self._executors.__aexit__(*exc_info)

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """Take a run. A server that goes away meanwhile ends neither the worker nor the run."""
        try:
            await super()._submit_run(flow_run)
        except httpx.HTTPError as error:
            if not is_outage(error):
                raise
            self._outages.note()
            logger.warning("Prefect does not answer (%s); leaving %r for later", type(error).__name__, flow_run.name)
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)

    async def _submit_run_and_capture_errors(
        self, flow_run: FlowRun, task_status: anyio.abc.TaskStatus[int | Exception] | None = None
    ) -> BaseWorkerResult | Exception:
        self._taken[flow_run.id] = time.monotonic()
        try:
            return await super()._submit_run_and_capture_errors(flow_run, task_status)
        finally:
            del self._taken[flow_run.id]

    async def _propose_crashed_state(
        self, flow_run: FlowRun, message: str, client: PrefectClient | None = None
    ) -> None:
        with suppress(httpx.HTTPError):
            if await self._ended_unbegun(flow_run):
                return
        await super()._propose_crashed_state(flow_run, message, client)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run one job until the end of its process, or until it leaves this worker."""
        told = task_status or anyio.TASK_STATUS_IGNORED
        if not await self._may_begin(flow_run):
            told.started(0)  # Prefect's worker takes that for a run that did not begin
            return ProcessWorkerResult(status_code=0, identifier="")
        shared = self._executors
        with tempfile.TemporaryDirectory(prefix="prefect-jobs-") as folder:
            executor = shared.create_executor(
                flow_run,
                starter_of(configuration, Path(folder), shared.control_channel, umask=self._umask),
                resolve_flow=load_flow_from_flow_run,
                propose_submitting=False,
            )
            tell_ends_through(executor, self._ended_unbegun)
            job = RunningJob(flow_run.id, shared.control_channel, shared.observer, earlier_attempts=flow_run.run_count)
            self.jobs[flow_run.id] = job
            try:
                if self._ending == "hand-back":  # it was taken while the worker was told to stop
                    await job.leave()
                status = await job.execute(executor, told)
            finally:
                del self.jobs[flow_run.id]
                await shared.left(flow_run.id)
            if job.leaves:
                await self._give_back(flow_run)
            elif status:
                # Prefect's worker says Crashed of it once more, also of a run that was queued again in between.
                with suppress(httpx.HTTPError):
                    untold = await end_is_untold(self.client, flow_run.id, earlier_attempts=flow_run.run_count)
                    status = status if untold else 0
        return ProcessWorkerResult(status_code=status, identifier=str(job.pid))

    async def _may_begin(self, flow_run: FlowRun) -> bool:
        """Whether a run that was taken is still to be started. One that was cancelled meanwhile ends here."""
        run = await self._read_patiently(flow_run.id)
        if run is None or run.state is None:
            return run is not None
        if run.state.is_cancelling():
            logger.info("%r was cancelled before it began", flow_run.name)
            await self._patiently(end_withdrawn, run)
        return run.state.is_pending()

    async def _ended_unbegun(self, flow_run: FlowRun) -> bool:
        """Settle a run whose process is gone and that never ran; False where it did, or where that is its own fault.

        One that was cancelled meanwhile is cancelled. One whose process may have found no server is given back: what
        cannot be reached is no fault of the job.
        """
        run = await self._read_patiently(flow_run.id)
        if run is None:
            return True
        if run.state is None or run.run_count != flow_run.run_count:
            return False
        if run.state.is_cancelling():
            await self._patiently(end_withdrawn, run)
            return True
        if not run.state.is_pending() or self._outages.last_at < self._taken.get(flow_run.id, 0.0):
            return False
        message = f"Prefect could not be reached while worker {self.name} was starting it: given back"
        return await self._patiently(give_back, flow_run.id, message, since=datetime.now(UTC), seen=run.state.id)

    async def _read_patiently(self, run_id: UUID) -> FlowRun | None:
        """A run, as soon as the server answers; None when there is no such run."""

        async def read(client: PrefectClient) -> FlowRun | None:
            try:
                return await client.read_flow_run(run_id)
            except ObjectNotFound:
                return None

        return await self._patiently(read)

    async def _patiently(
        self, ask: Callable[Concatenate[PrefectClient, P], Awaitable[T]], *args: P.args, **options: P.kwargs
    ) -> T:
        """What the server answers, however long it is away; a worker that is to end waits no longer."""
        return await self._outages.patiently(
            lambda: ask(self.client, *args, **options), gives_up=lambda: self._ending is not None
        )

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
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear_of_withdrawals)
            await self._look_again_and_again(abandoned)

    async def _hear_of_withdrawals(self) -> None:
        while True:
            await self._withdrawals.wait()
            self._withdrawals.clear()
            try:
                await self._look_for_cancellations()
            except httpx.HTTPError as error:
                logger.debug("Could not look for cancellations: %s", error)

    async def _look_again_and_again(self, abandoned: AbandonedRuns) -> None:
        while True:
            try:
                await self._look_for_cancellations()
                await abandoned.look(self.limiter.statistics().borrowers, now=time.monotonic())
            except (httpx.HTTPError, ObjectNotFound) as error:
                logger.debug("Could not look after the pool: %s", error)
            await asyncio.sleep(LOOK_AFTER_EVERY)

    async def _look_for_cancellations(self) -> None:
        if self.jobs:
            cancelling = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Cancelling", WITHDRAWN]))
            mine = FlowRunFilter(id=FlowRunFilterId(any_=list(self.jobs)), state=cancelling)
            for run in await self.client.read_flow_runs(flow_run_filter=mine):
                job = self.jobs.get(run.id)
                if job is None:
                    continue
                if run.run_count == job.earlier_attempts:
                    job.withdraw()
                elif run.state_name != WITHDRAWN or KIT_LABEL not in run.labels:  # the kit's jobs stop by themselves
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
