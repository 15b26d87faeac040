"""Who cancelled a run: somebody who asked for it, or Prefect's own machinery.

Prefect's Cancelled says neither. A person's cancellation is a Cancelling first, or a Cancelled without words that the
server makes of one for a run that nobody had taken; a runner that is shut down, a server that finds a limit reached or
a parent cancelled write Cancelled with words of their own. The runner writes it by force, also over an end that was
there before: that end stands.
"""

from collections.abc import Sequence
from dataclasses import replace

from prefect_jobs.gateway.runs import TERMINAL_TYPES, Run, RunState
from prefect_jobs.sidecar.receipt import find_receipt, without_receipt

CANCELLED_BY_USER = "Cancelled by user"

TIMED_OUT = "Flow run cancellation timed out"
"""How the message begins of the Cancelled that Prefect's server writes when nobody has carried out a cancellation."""
_NOBODY_ASKED = (
    "Cancelled by Automation",
    "The parent flow run was cancelled",
    "The job that called it was stopped",
    "The job stopped itself",
)
"""How messages begin of stops that no person asked for; with a receipt, where the kit carried them out."""
_SOMEBODY_ASKED = (
    "Cancelled through the jobs API",
    "It was cancelled before it began",
    "Flow run was cancelled",  # by Prefect's runner or engine, after a Cancelling
    "Flow run cancelled",  # by Prefect's worker, after a Cancelling
    TIMED_OUT,
)
_GONE = "and the job's process with it: reported by worker"
"""In what our worker says of a run that was being cancelled when its own worker died."""


def somebody_asked(message: str | None) -> bool:
    """Whether a Cancelled (or Cancelling) with this message goes back to somebody who asked for it."""
    if not message:
        return True
    if message.startswith(_NOBODY_ASKED):
        return False
    return message.startswith(_SOMEBODY_ASKED) or _GONE in message or find_receipt(message) is not None


def by_automation(message: str | None) -> bool:
    """Whether a Cancelling was not written by a person."""
    return (message or "").startswith(_NOBODY_ASKED)


def words_of_cancellation(message: str | None) -> str:
    """The contract's ``error`` of a cancelled job, from the message of its state."""
    if somebody_asked(message):
        return CANCELLED_BY_USER
    return f"Cancelled: {without_receipt(message or '').strip()}"


def may_hide_an_end(run: Run) -> bool:
    """Whether the state of this run may have been written over an end that stands."""
    return run.state_type == "CANCELLED" and run.run_count > 0 and not somebody_asked(run.state_message)


def standing(states: Sequence[RunState]) -> list[RunState]:
    """The states without each Cancelled that nobody asked for and that was written over an end."""
    found: list[RunState] = []
    for state in states:
        late = bool(found) and found[-1].type in TERMINAL_TYPES and state.type == "CANCELLED"
        if not late or somebody_asked(state.message):
            found.append(state)
    return found


def hidden_end(run: Run, states: Sequence[RunState]) -> RunState | None:
    """The end that stands of a run whose state was written over it; None where there is none."""
    left = standing(states)
    return left[-1] if left and may_hide_an_end(run) and left[-1].id != run.state_id else None


def with_end(run: Run, end: RunState | None) -> Run:
    """The run with this end. Its state keeps its id and its time."""
    if end is None:
        return run
    kept = {"state_type": end.type, "state_name": end.name, "state_message": end.message, "ended_at": end.timestamp}
    return replace(run, **kept)  # pyright: ignore[reportArgumentType]  # fields of a run
