"""Batch AI pipeline audit processing for multiple events: a job that audits events one by one with the engine."""

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from prefect_jobs import checkpoint, job, progress
from prefect_jobs.events import EventStore, open_event_store
from prefect_jobs.events.audit_book import (
    Audited,
    AuditTally,
    AuditWish,
    count_waiting,
    findings_of,
    forget_failed,
    rest_of,
    tally_of,
    waiting_for_audit,
    write_audits,
)
from prefect_jobs.events.engine.engines import Engine, Opinion, open_engine
from prefect_jobs.events.engine.evidence import Evidence
from prefect_jobs.events.engine.judging import Round, judge_all
from prefect_jobs.events.engine.language_model import NoGoodAnswer, pausing
from prefect_jobs.events.engine.rules import Finding
from prefect_jobs.kit.this_run import this_run_id
from prefect_jobs.settings import Settings


@job(
    "batch_audit",
    title="Batch audit",
    description="Batch AI pipeline audit processing for multiple events",
    timeout=3600,
)
def batch_audit(
    limit: Annotated[int, Field(ge=1, le=1_000_000)] = 100,
    min_risk_score: Annotated[int, Field(ge=0, le=100)] | None = None,
    force_reevaluate: bool = False,
) -> dict[str, Any]:
    """Audit the newest events: does what each says of itself fit together?

    Rules look for a score that is not of its level, objects in the summary that nobody detected, reasoning that is
    missing or repeated, and times out of order. With a language model in the settings it is asked as well. An event
    that cannot be audited is counted. A job that is stopped or retried goes on where it stood.

    Args:
        limit: How many events.
        min_risk_score: Only events with at least this risk score.
        force_reevaluate: Also events that have been audited before.
    """
    settings, run_id = Settings(), str(this_run_id())
    wish = AuditWish(limit, min_risk_score, force_reevaluate)
    with (
        open_event_store(settings.events_database) as store,
        open_engine(settings, pause=pausing(checkpoint)) as engine,
    ):
        with store.writing() as connection:
            forget_failed(connection, run_id)
            done = tally_of(connection, run_id).events
            total = done + count_waiting(connection, rest_of(wish, done), run_id)
        progress(percent=0, message=f"Starting batch audit of {total} events...")
        judge_all(
            store, _round(wish, run_id, engine), done=done, total=total, about_to_judge=partial(_tell, total=total)
        )
        return {**_result(store, run_id), "total_events": total, "engine": engine.name}


def _round(wish: AuditWish, run_id: str, engine: Engine) -> Round[Audited]:
    return Round(
        waiting=lambda connection, at_most: waiting_for_audit(connection, wish, run_id, at_most),
        judge=lambda event: Audited(event.event_id, engine.audit(event)),
        failed=_failed,
        write=partial(write_audits, run_id=run_id, engine=engine.name),
    )


def _failed(event_id: int, _: Evidence | None, error: Exception) -> Audited:
    spent = (error.prompt_tokens, error.completion_tokens) if isinstance(error, NoGoodAnswer) else (0, 0)
    return Audited(event_id, Opinion([Finding("failed", str(error)[:500])], *spent), failed=True)


def _tell(number: int, *, total: int) -> None:
    progress(percent=100 * (number - 1) // total, message=f"Processing event {number} of {total}")
    checkpoint()


def _result(store: EventStore, run_id: str) -> dict[str, Any]:
    with store.snapshot() as connection:
        tally: AuditTally = tally_of(connection, run_id)
        findings = findings_of(connection, run_id)
    return {
        "processed_events": tally.processed,
        "failed_events": tally.failed,
        "flagged_events": tally.flagged,
        "findings": findings,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
    }


if __name__ == "__main__":
    batch_audit()
