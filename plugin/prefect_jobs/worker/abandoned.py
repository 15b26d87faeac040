"""A worker that is killed says nothing, and its jobs die with it. What watches a job of the kit says so; any other
would stay Running for ever, what the worker had taken and not begun would stay Pending, and of a machine that died
whole every job would stay as it was.

So each worker looks for runs of its pool whose worker is gone. It acts only on what it saw without a break for a while:
a few seconds where it can see that the process is gone, a minute where only the heartbeat is missing, because a server
that was away has heard nobody's. A run that had not begun is given back to the queue, one that had crashed.
"""

import signal
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, WorkerStatus
from prefect.exceptions import Abort, ObjectNotFound
from prefect.logging import get_logger
from prefect.states import Cancelled, Crashed
from prefect.utilities.engine import propose_state

from prefect_jobs.processes import is_sidecar, kill, with_environment
from prefect_jobs.report_names import WORKER_NAME_LABEL
from prefect_jobs.worker.giving_back import IN_PROCESS, give_back
from prefect_jobs.worker.running_job import RUN_ID
from prefect_jobs.worker_process import WorkerProcess

PAGE = 200
VISIBLY_GONE = 4.0
"""Seconds that a run must have been seen without its worker's process, on this machine."""
UNHEARD_OF = 60.0
"""Seconds that a run must have been seen with a worker that the server calls offline."""

logger = get_logger("prefect_jobs.worker")

Absence = Literal["visibly gone", "unheard of"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that some worker took, as far as it matters here."""

    state_type: StateType
    state_name: str
    worker: str | None
    process: WorkerProcess | None
    waits_in_process: bool

    @classmethod
    def of(cls, run: FlowRun, state: State) -> "Taken":
        """Read a run."""
        name = run.labels.get(WORKER_NAME_LABEL)
        return cls(
            state.type,
            state.name or "",
            str(name) if name else None,
            WorkerProcess.of_run(run.labels),
            run.empirical_policy.retry_type == IN_PROCESS,
        )


def absence(taken: Taken, *, online: Collection[str], first: bool) -> Absence | None:
    """How a run's worker is away; None when it is there, or somebody else is to look.

    Args:
        taken: the run.
        online: the workers of the pool that give signs of life.
        first: whether this worker looks after those of other machines: one at a time is enough.
    """
    if taken.state_type == StateType.SCHEDULED and not taken.waits_in_process:
        return None
    if taken.state_type == StateType.PENDING and taken.state_name == "Pending":
        # Its new worker has not written its name yet: what stands there may be the last one's.
        return "unheard of" if first else None
    process = taken.process
    if process is not None and process.visible:
        return None if process.lives else "visibly gone"
    if taken.worker is None or taken.worker in online or not first:
        return None
    # Of Prefect's own worker the jobs outlive it.
    return "unheard of" if process is not None or taken.state_type == StateType.PENDING else None


class AbandonedRuns:
    """Looks after the runs of dead workers of one pool."""

    def __init__(self, client: PrefectClient, *, pool: str, worker: str) -> None:
        self._client = client
        self._pool = pool
        self._worker = worker
        self._seen: dict[UUID, tuple[UUID, float]] = {}

    async def look(self, mine: Collection[object], *, now: float) -> None:
        """Look once, and act on what has been abandoned for long enough.

        Args:
            mine: the runs that this worker has taken.
            now: seconds on a clock that does not jump.
        """
        seen, self._seen = self._seen, {}  # a look that fails breaks every sighting
        online = await self._online()
        first = min(online, default="") == self._worker
        found: dict[UUID, tuple[UUID, float]] = {}
        for run in await self._taken_runs():
            state = run.state
            if state is None or run.id in mine:
                continue
            taken = Taken.of(run, state)
            away = absence(taken, online=online, first=first)
            if away is None or (away == "visibly gone" and _has_process(run)):
                continue
            state_id, since = seen.get(run.id, (state.id, now))
            since = since if state_id == state.id else now
            found[run.id] = (state.id, since)
            if now - since >= (VISIBLY_GONE if away == "visibly gone" else UNHEARD_OF):
                await self._settle(run, state, taken)
        self._seen = found

    async def _online(self) -> set[str]:
        workers = await self._client.read_workers_for_work_pool(self._pool)
        return {worker.name for worker in workers if worker.status == WorkerStatus.ONLINE}

    async def _taken_runs(self) -> list[FlowRun]:
        states = FlowRunFilterState.model_validate(
            {
                "operator": "or_",
                "type": FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]),
                "name": FlowRunFilterStateName(any_=["AwaitingRetry"]),
            }
        )
        found: list[FlowRun] = []
        while True:
            page = await self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(state=states),
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._pool])),
                limit=PAGE,
                offset=len(found),
            )
            found += page
            if len(page) < PAGE:
                return found

    async def _settle(self, run: FlowRun, state: State, taken: Taken) -> None:
        gone = f"Worker {taken.worker or 'of this run'} is gone"
        if state.type in (StateType.PENDING, StateType.SCHEDULED):
            queued = await give_back(
                self._client,
                run.id,
                f"{gone}: given back by worker {self._worker}",
                since=datetime.now(UTC),
                seen=state.id,
            )
            if queued:
                logger.info("Gave back %r, whose worker is gone", run.name)
            return
        _kill_what_is_left(run)
        wanted = Cancelled if state.type == StateType.CANCELLING else Crashed
        end = wanted(message=f"{gone}, and the job's process with it: reported by worker {self._worker}")
        if state.type == StateType.CANCELLING and state.name == "Aborting":
            end.name = "Aborted"
        try:
            current = await self._client.read_flow_run(run.id)
            if current.state is not None and current.state.id == state.id:
                await propose_state(self._client, end, flow_run_id=run.id)
                logger.info("Reported that %r ended with its worker", run.name)
        except (Abort, ObjectNotFound):
            return


def _has_process(run: FlowRun) -> bool:
    """Whether the run's own process lives on this machine; while its id is not known, whether anything of it does."""
    alive = with_environment(RUN_ID, str(run.id))
    return any(run.infrastructure_pid in (None, str(pid)) for pid in alive)


def _kill_what_is_left(run: FlowRun) -> None:
    """Kill what the run's process let run on this machine: nobody else will."""
    for pid in with_environment(RUN_ID, str(run.id)):
        if not is_sidecar(pid):
            kill(pid, signal.SIGKILL)
