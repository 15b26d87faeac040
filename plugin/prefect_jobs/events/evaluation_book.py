"""Evaluations in the store: old and new scores side by side, and how far a run is.

An evaluation belongs to its run, so a run that is stopped or retried goes on where it stood.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update

from prefect_jobs.events.engine.engines import Score
from prefect_jobs.events.models import Evaluation, Event
from prefect_jobs.events.selection import EventSelection, still_there


def _conditions(chosen: EventSelection, run_id: str) -> list[ColumnElement[bool]]:
    mine = exists().where(Evaluation.event_id == Event.id, Evaluation.run_id == run_id)
    return [*chosen.conditions(), ~mine]


def count_unscored(connection: Connection, chosen: EventSelection, run_id: str, limit: int) -> int:
    """How many of the chosen events this run has not scored yet, up to a limit."""
    limited = select(Event.id).where(*_conditions(chosen, run_id)).limit(max(0, limit)).subquery()
    return connection.execute(select(func.count()).select_from(limited)).scalar_one()


def unscored(connection: Connection, chosen: EventSelection, run_id: str, at_most: int) -> Sequence[int]:
    """The next of the chosen events, newest first, that this run has not scored yet."""
    wanted = select(Event.id).where(*_conditions(chosen, run_id))
    return connection.execute(wanted.order_by(Event.started_at.desc(), Event.id.desc()).limit(at_most)).scalars().all()


def forget_failed(connection: Connection, run_id: str) -> None:
    """Let the next attempt of a run try again what failed in the last one."""
    connection.execute(delete(Evaluation).where(Evaluation.run_id == run_id, Evaluation.new_score.is_(None)))


@dataclass(frozen=True)
class Evaluated:
    """One event with the score it had and its new one; None where the evaluation went wrong."""

    event_id: int
    old_score: int | None
    old_level: str | None
    score: Score | None
    reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


def write_evaluations(
    connection: Connection, evaluated: Sequence[Evaluated], *, run_id: str, engine: str, apply: bool
) -> None:
    """Keep old and new scores, and, where that is asked for, give events their new one."""
    rows = [
        {
            "event_id": one.event_id,
            "run_id": run_id,
            "evaluated_at": datetime.now(UTC),
            "old_score": one.old_score,
            "old_level": one.old_level,
            "new_score": one.score.score if one.score else None,
            "new_level": one.score.level if one.score else None,
            "reason": one.reason,
            "engine": engine,
            "applied": apply and one.score is not None,
            "prompt_tokens": one.prompt_tokens,
            "completion_tokens": one.completion_tokens,
        }
        for one in evaluated
    ]
    if rows := still_there(connection, rows):
        connection.execute(insert(Evaluation), rows)
    for row in rows if apply else ():
        if row["new_score"] is not None:
            values = {"risk_score": row["new_score"], "risk_level": row["new_level"]}
            connection.execute(update(Event).where(Event.id == row["event_id"]).values(values))


@dataclass(frozen=True)
class EvaluationTally:
    """How far a run is, and what changed."""

    evaluated: int
    failed: int
    changed: int
    raised: int
    lowered: int
    level_changed: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def events(self) -> int:
        """The events it has looked at."""
        return self.evaluated + self.failed


def evaluation_tally(connection: Connection, run_id: str) -> EvaluationTally:
    """What a run has scored so far, in whatever number of attempts."""
    new, old = Evaluation.new_score, Evaluation.old_score
    levels = Evaluation.new_level.is_distinct_from(Evaluation.old_level)

    def count(*conditions: ColumnElement[bool]) -> Any:
        return func.count().filter(*conditions)

    done = new.is_not(None)
    row = connection.execute(
        select(
            count(done),
            count(new.is_(None)),
            count(done, new.is_distinct_from(old)),
            count(new > old),
            count(new < old),
            count(done, levels),
            func.coalesce(func.sum(Evaluation.prompt_tokens), 0),
            func.coalesce(func.sum(Evaluation.completion_tokens), 0),
        ).where(Evaluation.run_id == run_id)
    ).one()
    return EvaluationTally(*(int(value) for value in row))


def evaluations_of(connection: Connection, run_id: str, *, only_changed: bool, batch: int = 1_000) -> Generator[Any]:
    """The evaluations of a run, in the order in which they were made: event id, scores, levels, reason."""
    columns = (
        Evaluation.event_id,
        Evaluation.old_score,
        Evaluation.new_score,
        Evaluation.old_level,
        Evaluation.new_level,
        Evaluation.reason,
    )
    wanted = select(*columns).where(Evaluation.run_id == run_id).order_by(Evaluation.id)
    if only_changed:
        wanted = wanted.where(
            Evaluation.new_score.is_not(None), Evaluation.new_score.is_distinct_from(Evaluation.old_score)
        )
    with connection.execute(wanted, execution_options={"yield_per": batch}) as found:
        yield from found
