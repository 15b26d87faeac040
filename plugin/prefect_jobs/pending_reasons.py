"""Why a job waits. "Pending" says nothing to who waits for it: is there no worker, is there no room and who has it, is
it not due yet, has somebody paused the queue?

One pure function from what is around a run to a reason. The first that applies is told: what somebody decided (a time,
a pause) before what is missing (a worker), and what is missing before what is full.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from prefect_jobs.gateway import Outlook, Run
from prefect_jobs.gateway.outlook import COUNTED, Way
from prefect_jobs.report_names import WITHDRAWN

Code = Literal[
    "scheduled",
    "retry",
    "paused",
    "suspended",
    "no_worker",
    "deployment_limit",
    "queue_limit",
    "pool_limit",
    "worker_limit",
    "starting",
    "stopping",
    "late",
    "waiting",
]
NAMED = 3
"""Jobs that the text names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class PendingReason:
    """Why a job waits, since when, and the ids of the jobs that it waits for."""

    code: Code
    text: str
    since: datetime
    held_by: tuple[str, ...] = ()


def pending_reason(outlook: Outlook, *, now: datetime) -> PendingReason | None:
    """Why this run has not begun; None when it has."""
    run = outlook.run
    since = run.state_at or run.created_at
    match run.state_type:
        case "PENDING":
            return PendingReason("starting", _who_starts(outlook), since)
        case "CANCELLING" if run.state_name == WITHDRAWN or run.run_count == 0:
            return PendingReason("stopping", _who_gives_up(outlook), since)
        case "PAUSED" if run.state_name == "Suspended":
            return PendingReason("suspended", "Suspended, until somebody resumes it", since)
        case "SCHEDULED":
            return _not_due(run, since, now=now) or _held_up(outlook, due=run.scheduled_for or since)
        case _:
            return None


def _who_starts(outlook: Outlook) -> str:
    worker = outlook.run.worker
    if worker is None:
        return "A worker has taken it"
    if outlook.pool is not None and worker not in outlook.workers:
        return f"Worker {worker} took it and has gone; another worker will give it back"
    return f"Worker {worker} is starting it"


def _who_gives_up(outlook: Outlook) -> str:
    who = f"worker {outlook.run.worker}" if outlook.run.worker else "whoever took it"
    return f"Cancelled before it began: it ends as soon as {who} has given it up"


def _not_due(run: Run, since: datetime, *, now: datetime) -> PendingReason | None:
    due = run.scheduled_for
    if due is None or due <= now or run.state_name == "AwaitingConcurrencySlot":
        return None
    if run.state_name == "AwaitingRetry":
        return PendingReason("retry", f"Waits until {_moment(due)} for attempt {run.run_count + 1}", since)
    return PendingReason("scheduled", f"Scheduled for {_moment(due)}", since)


def _held_up(outlook: Outlook, *, due: datetime) -> PendingReason:
    """Why a run that is due was not taken."""
    pool, queue, deployment = outlook.pool, outlook.queue, outlook.deployment
    for paused, what in ((pool, "Work pool"), (queue, "Work queue")):
        if paused is not None and paused.paused:
            return PendingReason("paused", f"{what} {paused.name} is paused", due)
    if (absent := _nobody(outlook)) is not None:
        return PendingReason("no_worker", absent, due)
    if deployment is not None and deployment.limit is not None and deployment.taken >= deployment.limit:
        holders = [run for run in outlook.at_work if run.deployment_id == outlook.run.deployment_id]
        return _full("deployment_limit", f"Deployment {deployment.name} runs", deployment.limit, holders, due)
    return _full_way(outlook, due) or _full_workers(outlook, due) or _just_waiting(outlook.run, due)


def _nobody(outlook: Outlook) -> str | None:
    """That there is nobody who could take it."""
    if outlook.pool is not None:
        return None if outlook.workers else f"No worker is online in work pool {outlook.pool.name}"
    if outlook.deployment is not None:
        return None if outlook.deployment.served else f"No process serves deployment {outlook.deployment.name}"
    return "It has no deployment: only who made it can begin it"


def _full_way(outlook: Outlook, due: datetime) -> PendingReason | None:
    counted = [run for run in outlook.at_work if run.state_type in COUNTED]
    ways: list[tuple[Code, str, Way | None, list[Run]]] = [
        ("queue_limit", "Work queue", outlook.queue, [run for run in counted if run.queue_id == outlook.run.queue_id]),
        ("pool_limit", "Work pool", outlook.pool, counted),
    ]
    for code, what, way, holders in ways:
        if way is not None and way.limit is not None and len(holders) >= way.limit:
            return _full(code, f"{what} {way.name} runs", way.limit, holders, due)
    return None


def _full_workers(outlook: Outlook, due: datetime) -> PendingReason | None:
    """That every worker has as many jobs as it takes: each says so on the jobs that it has."""
    holders: list[Run] = []
    limits: list[int] = []
    for worker in outlook.workers:
        theirs = [run for run in outlook.at_work if run.worker == worker]
        limit = next((run.worker_process.limit for run in theirs if run.worker_process), None)
        if limit is None or len(theirs) < limit:
            return None
        holders += theirs
        limits.append(limit)
    who = f"Worker {outlook.workers[0]} runs" if len(limits) == 1 else f"The {len(limits)} workers online run"
    return _full("worker_limit", who, sum(limits), holders, due) if limits else None


def _just_waiting(run: Run, due: datetime) -> PendingReason:
    if run.state_name == "Late":
        return PendingReason("late", f"Due since {_moment(due)}, and not taken yet although a worker is online", due)
    return PendingReason("waiting", "A worker will take it in a moment", due)


def _full(code: Code, who: str, limit: int, holders: Sequence[Run], due: datetime) -> PendingReason:
    if not limit:
        return PendingReason(code, f"{who} no jobs: its limit is 0", due)
    jobs = "1 job" if limit == 1 else f"{limit} jobs"
    busy = f": {_named(holders)}" if holders else ""
    return PendingReason(code, f"{who} {jobs} at once, and that many are at work{busy}", due, _ids(holders))


def _named(runs: Sequence[Run]) -> str:
    names = [f"{run.flow_name} {run.name}" for run in runs[:NAMED]]
    more = len(runs) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _ids(runs: Iterable[Run]) -> tuple[str, ...]:
    return tuple(run.id for run in runs)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
