"""What the adapter keeps of a job's past: the states of its run as Prefect held them, and who did what through the API.

A state never changes, so what was read once need not be asked again while the run is in the state that was the last one
then, and can be told while Prefect is away. The actions are nowhere else: Prefect does not know our callers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Index, Integer, String, Table, Text, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from prefect_jobs.gateway.runs import RunState, RunStep
from prefect_jobs.store.database import Database
from prefect_jobs.store.tables import Moment, metadata
from prefect_jobs.transitions import Action, Origin
from prefect_jobs.worker_process import WorkerProcess

MESSAGE_LIMIT = 10_000
"""Characters of a state's message that are kept."""

transitions = Table(
    "transitions",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("state_id", String(64), primary_key=True),
    Column("type", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("message", Text),
    Column("scheduled_for", Moment),
    # Who executed, on Running states.
    Column("worker", Text),
)

# What else was read with a job's states. Its history is as new as `state_id`.
histories = Table(
    "histories",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("state_id", String(64)),
    Column("read_at", Moment, nullable=False),
    Column("worker", Text),
    Column("worker_process", Text),
    Column("queue_name", Text),
    Column("queue_priority", Integer),
    Column("retries", Integer, nullable=False),
    Column("through_api", Boolean, nullable=False),
    Column("created_by", Text),
    Column("by_schedule", Boolean, nullable=False),
    # Of all attempts: a list of `[attempt, name, started, ended, outcome]`.
    Column("steps", JSON, nullable=False),
)

# The traceback of the failure that this state is; None where the log holds none.
tracebacks = Table(
    "tracebacks",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("state_id", String(64), nullable=False),
    Column("text", Text),
)

actions = Table(
    "actions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("by", Text),
    Column("at", Moment, nullable=False),
    # The state that the action wrote.
    Column("state_id", String(64)),
    Index("actions_of_job", "job_id", "id"),
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What Prefect holds of a run beside its states."""

    worker: str | None = None
    worker_process: WorkerProcess | None = None
    queue_name: str | None = None
    queue_priority: int | None = None
    retries: int = 0
    origin: Origin = field(default_factory=Origin)
    steps: tuple[RunStep, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """A job's past as it was read last. ``state_id`` is that of the newest state then."""

    state_id: str | None
    states: tuple[RunState, ...]
    workers: Mapping[str, str | None]
    circumstances: Circumstances
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody cancelled a job. ``state_id`` is the state that this wrote."""

    id: int
    """Grows with each."""
    job_id: str
    state_id: str | None
    at: datetime


class HistoryStore:
    """The stored past of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, job_id: str) -> StoredHistory | None:
        """What is stored of a job; None when its past was never read."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(histories).where(histories.c.job_id == job_id))).one_or_none()
            if row is None:
                return None
            of_job = select(transitions).where(transitions.c.job_id == job_id)
            found = (await connection.execute(of_job.order_by(transitions.c.at, transitions.c.state_id))).all()
        states = tuple(RunState(r.state_id, r.type, r.name, r.at, r.message, r.scheduled_for) for r in found)
        origin = Origin(row.through_api, row.created_by, row.by_schedule)
        about = Circumstances(
            worker=row.worker,
            worker_process=WorkerProcess.parse(row.worker_process),
            queue_name=row.queue_name,
            queue_priority=row.queue_priority,
            retries=row.retries,
            origin=origin,
            steps=_read(row.steps),
        )
        return StoredHistory(row.state_id, states, {r.state_id: r.worker for r in found}, about, row.read_at)

    async def write(self, job_id: str, states: Sequence[RunState], about: Circumstances, *, now: datetime) -> None:
        """Store the states that are not stored yet, what was added to a message, and what is known of the run now."""
        async with self._database.writing() as connection:
            of_job = select(transitions.c.state_id, transitions.c.message).where(transitions.c.job_id == job_id)
            known = {row.state_id: row.message for row in await connection.execute(of_job)}
            rows = [_row(job_id, state) for state in states]
            if fresh := [row for row in rows if row["state_id"] not in known]:
                await connection.execute(insert(transitions), fresh)
            for row in rows:
                if row["message"] != known.get(row["state_id"], row["message"]):
                    of_state = (transitions.c.job_id == job_id) & (transitions.c.state_id == row["state_id"])
                    await connection.execute(update(transitions).where(of_state).values(message=row["message"]))
            await self._note_worker(connection, job_id, states, about.worker)
            await connection.execute(delete(histories).where(histories.c.job_id == job_id))
            await connection.execute(
                insert(histories).values(
                    job_id=job_id,
                    state_id=states[-1].id if states else None,
                    read_at=now,
                    worker=about.worker,
                    worker_process=about.worker_process.label() if about.worker_process else None,
                    queue_name=about.queue_name,
                    queue_priority=about.queue_priority,
                    retries=about.retries,
                    through_api=about.origin.through_api,
                    created_by=about.origin.by,
                    by_schedule=about.origin.by_schedule,
                    steps=[
                        [step.attempt, step.name, step.started_at.isoformat(), _text(step.ended_at), step.outcome]
                        for step in about.steps
                    ],
                )
            )

    @staticmethod
    async def _note_worker(
        connection: AsyncConnection, job_id: str, states: Sequence[RunState], worker: str | None
    ) -> None:
        """The run names its latest worker only, so it is kept with the last Running state, which is that worker's."""
        running = [state.id for state in states if state.type == "RUNNING"]
        waits = bool(states) and states[-1].type in ("SCHEDULED", "PENDING")
        if worker is None or not running or waits:
            return
        of_state = (transitions.c.job_id == job_id) & (transitions.c.state_id == running[-1])
        unknown = of_state & transitions.c.worker.is_(None)
        await connection.execute(update(transitions).where(unknown).values(worker=worker))

    async def traceback(self, job_id: str, state_id: str) -> tuple[bool, str | None]:
        """Whether the log was searched for the traceback of this failure, and what was found."""
        query = select(tracebacks.c.text).where(tracebacks.c.job_id == job_id, tracebacks.c.state_id == state_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
            return row is not None, row.text if row else None

    async def keep_traceback(self, job_id: str, state_id: str, text: str | None) -> None:
        """Note what the log holds of this failure."""
        async with self._database.writing() as connection:
            await connection.execute(delete(tracebacks).where(tracebacks.c.job_id == job_id))
            await connection.execute(insert(tracebacks).values(job_id=job_id, state_id=state_id, text=text))

    async def note(self, job_id: str, action: Action) -> None:
        """Keep that somebody did something."""
        async with self._database.writing() as connection:
            await connection.execute(
                insert(actions).values(
                    job_id=job_id, action=action.action, by=action.by, at=action.at, state_id=action.state_id
                )
            )

    async def actions(self, job_id: str) -> list[Action]:
        """What was done to a job through the API, oldest first."""
        async with self._database.reading() as connection:
            of_job = select(actions).where(actions.c.job_id == job_id).order_by(actions.c.id)
            rows = (await connection.execute(of_job)).all()
            return [Action(row.action, row.by, row.at, row.state_id) for row in rows]

    async def stops(self, *, after: int, since: datetime) -> list[StopAsked]:
        """Whoever cancelled a job since this time, oldest first; those that came after this one."""
        columns = (actions.c.id, actions.c.job_id, actions.c.state_id, actions.c.at)
        stopped = actions.c.action.in_(("cancel", "purge"))
        query = select(*columns).where(actions.c.id > after, actions.c.at >= since, stopped).order_by(actions.c.id)
        async with self._database.reading() as connection:
            return [StopAsked(*row) for row in (await connection.execute(query)).all()]

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Drop the past of jobs that are gone."""
        async with self._database.writing() as connection:
            for table in (transitions, histories, tracebacks, actions):
                await connection.execute(delete(table).where(table.c.job_id.in_(job_ids)))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read(steps: list[Any]) -> tuple[RunStep, ...]:
    return tuple(
        RunStep(attempt, name, datetime.fromisoformat(started), datetime.fromisoformat(ended) if ended else None, how)
        for attempt, name, started, ended, how in steps
    )


def _row(job_id: str, state: RunState) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "state_id": state.id,
        "type": state.type,
        "name": state.name,
        "at": state.timestamp,
        "message": state.message[:MESSAGE_LIMIT] if state.message else None,
        "scheduled_for": state.scheduled_for,
    }
