"""How one run is started, and nothing else in the worker knows it.

The worker asks ``starter_of`` for a starter: something that starts a process for a run, hands it over, and returns when
the process has ended. Today's starts the flow's own Python process, which imports Prefect first; one that
forks a process that has done so would be another starter, and change nothing but this module.
"""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.client.schemas.objects import Flow, FlowRun, WorkPool

# These parts of Prefect have no public name. Its own process worker is made of them, and so is this one: a release that
# moves them shows in the tests that run a worker.
from prefect.runner._control_channel import ControlChannel
from prefect.runner._flow_run_executor import ProcessStarter
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.utilities.processutils import command_from_string, command_to_string, get_sys_executable
from prefect.workers.process import ProcessJobConfiguration

from prefect_jobs import shipped
from prefect_jobs.leash import leashed

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

FLOW_ENTRYPOINT = "PREFECT__FLOW_ENTRYPOINT"
LOG_HANDLER = "PREFECT_LOGGING_HANDLERS_API_CLASS"
"""Prefect's variable with the class of the handler that sends log lines to its server."""
JOB_LOG_HANDLER = "prefect_jobs.kit.log_lines.JobLogHandler"
FOR_OUR_FLOWS = ("PREFECT_JOBS_MODEL_KEY",)
"""Secrets in the worker's environment that only the job types of ours have a use for."""
ENGINE = (get_sys_executable(), "-m", "prefect.engine")


class JobConfiguration(ProcessJobConfiguration):
    """What one run needs to be started: the engine's command, told where the flow is when the deployment is ours."""

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
        if not self.command:
            self.command = command_to_string(list(ENGINE))
            # A command of somebody else's may be another Python, which does not have our handler.
            self.env.setdefault(LOG_HANDLER, JOB_LOG_HANDLER)
        super().prepare_for_flow_run(flow_run, deployment, flow, work_pool, worker_name, worker_id)
        if deployment is not None and deployment.entrypoint and _finds_flows(deployment.pull_steps):
            self.env[FLOW_ENTRYPOINT] = str(shipped.root() / deployment.entrypoint)
        else:
            self.env.update(dict.fromkeys(FOR_OUR_FLOWS))


def starter_of(
    configuration: ProcessJobConfiguration, folder: Path, control: ControlChannel, *, umask: int
) -> ProcessStarter:
    """What starts a run's process, in this folder and reachable through this channel.

    Job types of ours make files for their owner alone; others have the umask that the worker was started with: for whom
    their files are is their authors' business.

    On Linux the process dies with a worker that dies without a word. It could not work on for long: its output goes to
    the worker, and the first line that it logs would fail. For the same reason it cannot say itself what happened; what
    watches it does, or another worker (``abandoned``).
    """
    command = configuration.command or command_to_string(list(ENGINE))
    theirs = None if FLOW_ENTRYPOINT in configuration.env else umask
    if sys.platform == "linux":
        command = command_to_string(leashed(command_from_string(command), signal.SIGKILL, umask=theirs))
    return EngineCommandStarter(
        command=command,
        cwd=configuration.working_dir or folder,
        env=configuration.env,
        stream_output=configuration.stream_output,
        control_channel=control,
    )


def _finds_flows(pull_steps: list[dict[str, Any]] | None) -> bool:
    return pull_steps == [{shipped.ENTER_FLOWS: {}}]
