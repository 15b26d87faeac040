"""When a killed job has ended: not when its end is written, but when it is proven.

A sidecar writes the end of an aborted or timed-out job before it kills (else Crashed may win), and writes it again with
the receipt when every process is gone. Between the two the job still runs, so it reads ``running``, ``aborting``. When
no receipt comes within the patience, it reads ended, and that nobody has proven it.

Everything here follows from Prefect's states and the present time alone: an index that is built anew says the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from prefect_jobs.gateway.runs import Run, RunState
from prefect_jobs.sidecar.receipt import find_receipt

PATIENCE = timedelta(seconds=15)
"""After that a killed job without a receipt has ended all the same."""
RECEIPT_ARRIVES_WITHIN = timedelta(seconds=5)
"""So long after a crash that a worker told, the receipt of the job's sidecar may still be on its way."""
STOPPED_STATES = ("cancelled", "aborted", "timed_out")
"""States of jobs that somebody or something stopped."""
_BEFORE_THE_KILL = frozenset({("CANCELLED", "Aborted"), ("FAILED", "TimedOut")})


def is_killed(state_type: str, state_name: str, *, uses_kit: bool) -> bool:
    """Whether this is an end that a sidecar writes before it is true."""
    return uses_kit and (state_type, state_name) in _BEFORE_THE_KILL


def receipt_of(run: Run) -> str | None:
    """The text of the receipt of a run's end: in the words of its state, or a label beside it."""
    told = find_receipt(run.state_message or "") or find_receipt(dict(run.receipts).get(run.state_id or "", ""))
    return told.text() if told else None


def proof_due(run: Run) -> datetime | None:
    """Until when the proof of this run's end is awaited; None where none is, or where it is there."""
    if not is_killed(run.state_type, run.state_name, uses_kit=run.uses_kit) or receipt_of(run):
        return None
    return (run.state_at or run.ended_at or run.created_at) + PATIENCE


def look_again_at(run: Run) -> datetime | None:
    """When a run that Prefect calls ended has to be read again, because its receipt may come; None where none will.

    The receipt of a crash is a label of the run, of which no event tells.
    """
    if run.state_type == "CRASHED" and run.uses_kit and not receipt_of(run):
        return (run.state_at or run.ended_at or run.created_at) + RECEIPT_ARRIVES_WITHIN
    return proof_due(run)


def ended_at(run: Run) -> datetime | None:
    """When a run ended: a killed one with the proof, or when nobody waits for that any more."""
    if not is_killed(run.state_type, run.state_name, uses_kit=run.uses_kit):
        return run.ended_at
    return proof_due(run) or run.state_at or run.ended_at


def as_proven(states: Sequence[RunState], *, uses_kit: bool, ended: bool) -> list[RunState]:
    """The states of a run, each end of a killed attempt once and at the time that it was true.

    Args:
        states: every state of the run, oldest first.
        uses_kit: whether a sidecar watches it.
        ended: whether the job reads ended: an end that still awaits its proof is left out otherwise.
    """
    found: list[RunState] = []
    for state, following in zip(states, [*states[1:], None], strict=False):
        if not is_killed(state.type, state.name, uses_kit=uses_kit) or find_receipt(state.message or ""):
            found.append(state)
        elif following is None:
            if ended:
                found.append(replace(state, timestamp=state.timestamp + PATIENCE))
        elif (following.type, following.name) != (state.type, state.name):
            found.append(replace(state, timestamp=min(state.timestamp + PATIENCE, following.timestamp)))
    return found
