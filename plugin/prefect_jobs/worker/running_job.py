"""One job that this worker runs, and the ways to end it early.

Prefect's engine takes SIGTERM as a crash and says so to the server, unless it was told first, over its control channel,
that the run goes on elsewhere. Then it leaves the state to the worker.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import anyio
import httpx
from anyio.abc import TaskStatus
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger
from prefect.runner._control_channel import ControlChannel, ControlSignalStatus
from prefect.runner._flow_run_executor import FlowRunExecutionResult, FlowRunExecutor
from prefect.runner._process_manager import ProcessHandle
from prefect.runner._state_proposer import StateProposer

from prefect_jobs.processes import children, environment, is_sidecar, kill
from prefect_jobs.worker.cancelling import CancelObserver

GRACE = 3.5  # seconds for a job to end by itself
LOOK_EVERY = 0.02
RUN_ID = "PREFECT__FLOW_RUN_ID"
"""Prefect's variable in the environment of whatever stems from a run's process."""

logger = get_logger("prefect_jobs.worker")


class _EndTeller(StateProposer):
    """Says of a run that it crashed, unless it never began and is settled otherwise."""

    def __init__(self, settled: Callable[[FlowRun], Awaitable[bool]], *, client: PrefectClient) -> None:
        super().__init__(client=client)
        self._settled = settled

    async def propose_crashed(self, flow_run: FlowRun, message: str) -> State[Any] | None:
        try:
            if await self._settled(flow_run):
                return None
        except httpx.HTTPError as error:
            logger.warning("Could not tell how %r ended: %s", flow_run.name, type(error).__name__)
        return await super().propose_crashed(flow_run, message)


def tell_ends_through(executor: FlowRunExecutor, settled: Callable[[FlowRun], Awaitable[bool]]) -> None:
    """Let an executor report a crash only of what is not settled: asked when a process has failed, or its start."""
    told = executor._state_proposer  # pyright: ignore[reportPrivateUsage]  # Prefect has no other way to it
    executor._state_proposer = _EndTeller(settled, client=told._client)  # pyright: ignore[reportPrivateUsage]


class RunningJob:
    """A run with its process, once it has one."""

    def __init__(
        self, run_id: UUID, control: ControlChannel, observer: CancelObserver, *, earlier_attempts: int
    ) -> None:
        self.leaves = False
        """The run goes on elsewhere: its process ends here, and it is given back."""
        self.earlier_attempts = earlier_attempts
        """The run's `run_count` when it was taken."""
        self._run_id = run_id
        self._control = control
        self._observer = observer
        self._process: ProcessHandle | None = None
        self._watching = anyio.CancelScope()

    async def execute(self, executor: FlowRunExecutor, task_status: TaskStatus[int]) -> int:
        """Start the process, say so, and wait until it has ended and its end is told, or until the job leaves.

        Returns:
            The exit status: 0 when nothing is left to be said about the end.

        Raises:
            RuntimeError: there was no process to start.
        """
        execution: FlowRunExecutionResult | None = None

        async def submit(*, task_status: TaskStatus[ProcessHandle]) -> None:
            nonlocal execution
            execution = await executor.submit(task_status=task_status)

        with self._watching:
            async with anyio.create_task_group() as group:
                self._process = await group.start(submit)
                task_status.started(self.pid)
        if self.leaves:
            if self._process is None:
                task_status.started(0)  # Prefect's worker takes that for a run that did not begin
            return 0
        if execution is None or execution.status_code is None:
            raise RuntimeError("The process of the job could not be started")
        return execution.status_code

    def cancel(self) -> None:
        """Let Prefect's runner cancel it, unless it does already."""
        if self._alive and not self.leaves:
            self._observer.hear(self._run_id)

    def withdraw(self) -> None:
        """End its process, which has not begun with the run yet and never may."""
        self.kill()
        self._end_leftovers()

    async def crash(self) -> None:
        """End its process, which tells Prefect that it crashed; the worker does where the process cannot."""
        if self._ask() and not await self._gone(GRACE):
            self.kill()
        self._end_leftovers()

    async def leave(self) -> None:
        """End its process in a way that leaves the run's state to the worker."""
        self.leaves = True
        if self._alive:
            answer = await self._control.signal(self._run_id, "reschedule")
            if answer is ControlSignalStatus.ALREADY_CONCLUDED:
                self.leaves = False  # it came to an end of its own while we asked
                await self._gone(GRACE)
            elif answer is ControlSignalStatus.ACKNOWLEDGED and self._ask():
                await self._gone(GRACE)
            # Not acknowledged: it still imports, or is stuck. A signal to the engine would be taken as a crash.
            self.kill()
            self._end_leftovers()
        # No wait in between: the death must not be reported as a crash.
        if self.leaves:
            self._watching.cancel()

    def kill(self) -> None:
        """Kill its process, if it still lives."""
        if self._alive:
            kill(self.pid, signal.SIGKILL)

    def _end_leftovers(self) -> None:
        """Kill what its process let run: it would work on, and hold the pipes on which the job's end shows."""
        for pid in children(os.getpid()):
            if pid != self.pid and environment(pid).get(RUN_ID) == str(self._run_id) and not is_sidecar(pid):
                kill(pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Its process; 0 before it has one."""
        return (self._process.pid if self._process else None) or 0

    @property
    def begun(self) -> bool:
        """Whether it has, or had, a process."""
        return self._process is not None

    @property
    def _alive(self) -> bool:
        return self._process is not None and self._process.returncode is None and self.pid > 0

    def _ask(self) -> bool:
        if self._alive:
            kill(self.pid, signal.SIGTERM)
        return self._alive

    async def _gone(self, seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while self._alive and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  others wait for it
            await asyncio.sleep(LOOK_EVERY)
        return not self._alive
