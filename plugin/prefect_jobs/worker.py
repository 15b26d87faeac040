"""Executes job runs on this machine. Prefect's process worker starts three Python processes one after another for each
run (a supervisor, one that works out where the code is, and the flow), which costs seconds; ours knows where the code
of its deployments is and starts the flow at once.

How a run is started is ``JobConfiguration`` and nothing else. Stopping the worker stops its running jobs: each gets
SIGTERM and has ``GRACE`` seconds to say so to Prefect (its run becomes Crashed), then it is killed.
"""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.utilities.processutils import command_to_string, get_sys_executable
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from prefect_jobs import shipped
from prefect_jobs.declarations import read_declarations
from prefect_jobs.deployments import register
from prefect_jobs.notify import ReadyNotice
from prefect_jobs.settings import Settings

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

FLOW_ENTRYPOINT = "PREFECT__FLOW_ENTRYPOINT"
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
    """Prefect's process worker with our way to start a run."""

    type: ClassVar[str] = "process"
    job_configuration = JobConfiguration

    @classmethod
    def __dispatch_key__(cls) -> str:
        return "prefect-jobs"  # its own name in Prefect's registry, although it serves pools of type `process`


async def work(settings: Settings, *, limit: int, name: str | None = None) -> None:
    """Register the deployments, then execute runs until SIGTERM or SIGINT.

    Args:
        settings: names the work pool.
        limit: how many runs at once.
        name: the worker's name in Prefect; host and process when left out.

    Raises:
        DeclarationsInvalid, FlowUnloadable, RegistrationFailed, WorkPoolUnusable: see ``deployments``.
    """
    ready = ReadyNotice()
    folder = shipped.root()
    async with get_client() as client:
        written = await register(
            client,
            read_declarations(folder / shipped.DECLARATIONS),
            folder=folder,
            work_pool=settings.work_pool,
        )
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

    serving = asyncio.create_task(worker.start(printer=started))
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving
