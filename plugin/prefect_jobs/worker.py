"""Executes job runs on this machine. Prefect's process worker starts three Python processes one after another for each
run (a supervisor, one that works out where the code is, and the flow), which costs seconds; ours knows where the code
of its deployments is and starts the flow at once.

How a run is started is ``JobConfiguration`` and nothing else. Stopping the worker stops its running jobs, whose runs
become Crashed: each gets SIGTERM and ``GRACE`` seconds to say so itself, then it is killed and the worker says so.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.logging import get_logger
from prefect.utilities.processutils import command_to_string, get_sys_executable
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from prefect_jobs import shipped
from prefect_jobs.declarations import read_declarations
from prefect_jobs.deployments import register
from prefect_jobs.notify import ReadyNotice
from prefect_jobs.processes import adopt_orphans, children, kill, kill_descendants
from prefect_jobs.settings import Settings

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

FLOW_ENTRYPOINT = "PREFECT__FLOW_ENTRYPOINT"
GRACE = 3.5  # seconds for a job to end by itself
REPORT = 1.5  # seconds to write the state of a killed one

logger = get_logger("prefect_jobs.worker")

ENGINE = (get_sys_executable(), "-m", "prefect.engine")


class JobConfiguration(ProcessJobConfiguration):
    """How one run is started: the engine directly, told where the flow is when the deployment is one of ours."""

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: "DeploymentResponse | None" = None,
        flow: Flow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """Fill in the command and, for our deployments, the file of the flow."""
        self.command = self.command or command_to_string(list(ENGINE))
        super().prepare_for_flow_run(flow_run, deployment, flow, work_pool, worker_name, worker_id)
        if deployment is not None and deployment.entrypoint and _finds_flows(deployment.pull_steps):
            self.env[FLOW_ENTRYPOINT] = str(shipped.root() / deployment.entrypoint)


def _finds_flows(pull_steps: list[dict[str, Any]] | None) -> bool:
    return pull_steps == [{shipped.ENTER_FLOWS: {}}]


class JobWorker(ProcessWorker):
    """Prefect's process worker with our way to start a run, to bear an outage, and to stop."""

    type: ClassVar[str] = "process"
    job_configuration = JobConfiguration
    taking_runs = True

    @classmethod
    def __dispatch_key__(cls) -> str:
        return "prefect-jobs"  # its own name in Prefect's registry, although it serves pools of type `process`

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Look for due runs and start them.

        Prefect's worker gives up, and kills its jobs, when the server is away for half a minute. This one looks again.
        """
        if not self.taking_runs:
            return []
        with _bearing_an_outage():
            return await super().get_and_submit_flow_runs()
        return []

    async def sync_with_backend(self) -> None:
        """Tell the server that this worker lives."""
        with _bearing_an_outage():
            await super().sync_with_backend()

    async def stop_jobs(self) -> None:
        """Take no new run and end the running ones, each with its state on the server where that can be reached."""
        self.taking_runs = False
        me, asked = os.getpid(), set[int]()
        clock = asyncio.get_running_loop().time
        kill_at = clock() + GRACE
        # A slot is given back once its process has ended and its state is written.
        while self.limiter.borrowed_tokens and clock() < kill_at + REPORT:
            signum = signal.SIGTERM if clock() < kill_at else signal.SIGKILL
            for pid in children(me):
                if signum is signal.SIGKILL or pid not in asked:
                    kill(pid, signum)
                    asked.add(pid)
            await asyncio.sleep(0.05)


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


async def work(settings: Settings, *, limit: int, name: str | None = None) -> None:
    """Register the deployments, then execute runs until SIGTERM or SIGINT. Leaves no process behind.

    Args:
        settings: names the work pool.
        limit: how many runs at once.
        name: the worker's name in Prefect; host and process when left out.

    Raises:
        DeclarationsInvalid, FlowUnloadable, RegistrationFailed, WorkPoolUnusable: see ``deployments``.
    """
    ready = ReadyNotice()
    folder = shipped.root()
    declarations = read_declarations(folder / shipped.DECLARATIONS)
    async with get_client() as client:
        written = await register(client, declarations, folder=folder, work_pool=settings.work_pool)
    for deployment in written:
        print(f"Registered deployment {deployment}", flush=True)
    worker = JobWorker(
        work_pool_name=settings.work_pool,
        name=name or f"{socket.gethostname()}-{os.getpid()}",
        limit=limit,
        create_pool_if_not_found=False,
    )

    def started(message: str) -> None:
        print(message, flush=True)
        ready.send()

    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    adopt_orphans()
    serving = asyncio.create_task(worker.start(printer=started))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if worker.is_setup:
            await worker.stop_jobs()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    finally:
        stopping.cancel()
        kill_descendants(os.getpid())
