"""Gives a run that was taken back to the queue: the same run, for whichever worker looks next.

A run that had begun waits for its next attempt, as after a retry by hand; one that had not is scheduled as before.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import Abort, ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Scheduled
from prefect.utilities.engine import propose_state

IN_PROCESS = "in_process"
"""Prefect's word for a run that waits for its next attempt inside its own process: no worker is offered such a run."""


async def give_back(
    client: PrefectClient, run_id: UUID, message: str, *, since: datetime, seen: UUID | None = None
) -> bool:
    """Queue a run again whose process is gone, unless it has ended or somebody stops it.

    Args:
        client: the server.
        run_id: the run.
        message: why, for the state.
        since: when its process was told to end. A crash reported later is the end of that process, and no result.
        seen: the state that it must still be in, whatever that is when left out.

    Returns:
        Whether it waits in the queue now.
    """
    try:
        run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        return False
    state = _queued(run, message, since)
    if state is None or (seen is not None and (run.state is None or run.state.id != seen)):
        return False
    if run.empirical_policy.retry_type == IN_PROCESS:
        policy = run.empirical_policy.model_copy(update={"retry_type": "reschedule"})
        await client.update_flow_run(run_id, empirical_policy=policy)
    try:
        found: State[Any] = await propose_state(client, state, flow_run_id=run_id)
    except (Abort, ObjectNotFound):  # it has come to an end, or was deleted, in the meantime
        return False
    return found.is_scheduled()


async def end_withdrawn(client: PrefectClient, run: FlowRun) -> None:
    """End a run as cancelled that was cancelled before it began, and that nobody begins any more."""
    with suppress(Abort, ObjectNotFound):
        message = run.state.message if run.state else None
        await propose_state(client, Cancelled(message=message), flow_run_id=run.id)


async def end_is_untold(client: PrefectClient, run_id: UUID, *, earlier_attempts: int) -> bool:
    """Whether a run whose process ended still says that this attempt is on its way or at work.

    Whoever waited for the process has said how it ended, and by now somebody may have queued the run again, or another
    worker may be at its next attempt.

    Args:
        client: the server.
        run_id: the run.
        earlier_attempts: the run's `run_count` when it was taken.
    """
    try:
        run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        return False
    match run.state.type if run.state else None:
        case StateType.PENDING:
            return run.run_count == earlier_attempts
        case StateType.RUNNING | StateType.PAUSED | StateType.CANCELLING:
            return run.run_count == earlier_attempts + 1
        case _:
            return False


def _queued(run: FlowRun, message: str, since: datetime) -> State[Any] | None:
    """The state in which it waits; None when it shall not."""
    state = run.state
    now = datetime.now(UTC)
    match state.type if state else None:
        case StateType.PENDING:
            return Scheduled(scheduled_time=cast(Any, now), message=message)
        case StateType.RUNNING:
            return AwaitingRetry(scheduled_time=cast(Any, now), message=message)
        case StateType.SCHEDULED if run.empirical_policy.retry_type == IN_PROCESS:
            due = state.state_details.scheduled_time if state else None
            return AwaitingRetry(scheduled_time=cast(Any, due or now), message=message)
        case StateType.CRASHED if state and state.timestamp >= since:
            return AwaitingRetry(scheduled_time=cast(Any, now), message=message)
        case _:
            return None
