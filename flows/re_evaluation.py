"""Score chosen events again and report what changed: a job that asks the engine once more, and keeps both scores."""

import io
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from prefect_jobs import checkpoint, job, progress, publishing
from prefect_jobs.events import EventStore, open_event_store
from prefect_jobs.events.engine.engines import Engine, open_engine
from prefect_jobs.events.engine.evidence import Evidence
from prefect_jobs.events.engine.judging import Round, judge_all
from prefect_jobs.events.engine.language_model import NoGoodAnswer, pausing
from prefect_jobs.events.evaluation_book import (
    Evaluated,
    count_unscored,
    evaluation_tally,
    evaluations_of,
    forget_failed,
    unscored,
    write_evaluations,
)
from prefect_jobs.events.export_file import csv_text
from prefect_jobs.events.selection import EventSelection
from prefect_jobs.events.times import EventTime
from prefect_jobs.kit.this_run import this_run_id
from prefect_jobs.settings import Settings


@job(
    "re_evaluation",
    title="Re-evaluation",
    description="Score chosen events again and report what changed",
    timeout=3600,
)
def re_evaluation(
    event_ids: list[int] | None = None,
    camera_id: str | None = None,
    risk_level: str | None = None,
    start_date: EventTime | None = None,
    end_date: EventTime | None = None,
    reviewed: bool | None = None,
    limit: Annotated[int, Field(ge=1, le=1_000_000)] = 100,
    apply: bool = False,
) -> dict[str, Any]:
    """Score the newest of the chosen events again, by the same engine as the audit.

    Old and new score are kept side by side; the events keep their scores unless they are to get the new ones. What
    changed is listed in a file. A job that is stopped or retried goes on where it stood.

    Args:
        event_ids: Only these events.
        camera_id: Only events of this camera.
        risk_level: Only events of this risk level.
        start_date: Only events that started at this time or later; UTC when it has no offset.
        end_date: Only events that started at this time or earlier; UTC when it has no offset.
        reviewed: Only events that were reviewed (true), or were not (false).
        limit: How many events.
        apply: Give each event its new score and level.
    """
    settings, run_id = Settings(), str(this_run_id())
    ids = None if event_ids is None else tuple(event_ids)
    chosen = EventSelection(camera_id, risk_level, start_date, end_date, reviewed, ids=ids)
    with (
        open_event_store(settings.events_database) as store,
        open_engine(settings, pause=pausing(checkpoint)) as engine,
    ):
        with store.writing() as connection:
            forget_failed(connection, run_id)
            done = evaluation_tally(connection, run_id).events
            total = done + count_unscored(connection, chosen, run_id, limit - done)
        progress(percent=0, message=f"Starting re-evaluation of {total} events...")
        this = _round(chosen, run_id, engine, apply)
        judge_all(store, this, done=done, total=total, about_to_judge=partial(_tell, total=total))
        return {"total_events": total, **_result(store, run_id), "applied": apply, "engine": engine.name}


def _round(chosen: EventSelection, run_id: str, engine: Engine, apply: bool) -> Round[Evaluated]:
    def judge(event: Evidence) -> Evaluated:
        score = engine.score(event)
        return Evaluated(
            event.event_id,
            event.risk_score,
            event.risk_level,
            score,
            score.reason,
            score.prompt_tokens,
            score.completion_tokens,
        )

    return Round(
        waiting=lambda connection, at_most: unscored(connection, chosen, run_id, at_most),
        judge=judge,
        failed=_failed,
        write=partial(write_evaluations, run_id=run_id, engine=engine.name, apply=apply),
    )


def _failed(event_id: int, event: Evidence | None, error: Exception) -> Evaluated:
    spent = (error.prompt_tokens, error.completion_tokens) if isinstance(error, NoGoodAnswer) else (0, 0)
    old = (event.risk_score, event.risk_level) if event else (None, None)
    return Evaluated(event_id, *old, None, str(error)[:500], *spent)


def _tell(number: int, *, total: int) -> None:
    progress(percent=100 * (number - 1) // total, message=f"Processing event {number} of {total}")
    checkpoint()


def _result(store: EventStore, run_id: str) -> dict[str, Any]:
    with store.snapshot() as connection:
        tally = evaluation_tally(connection, run_id)
        report = None
        if tally.changed:
            with publishing("re_evaluation.csv") as published:
                text = io.TextIOWrapper(published.file, "utf-8", newline="")
                text.write("Event ID,Old Score,New Score,Old Level,New Level,Reason\r\n")
                for event_id, *scores_and_levels, reason in evaluations_of(connection, run_id, only_changed=True):
                    cells = ("" if cell is None else cell for cell in scores_and_levels)
                    text.write(f"{event_id},{','.join(map(str, cells))},{csv_text(reason)}\r\n")
                text.detach()
                report = published.url
    return {
        "evaluated_events": tally.evaluated,
        "failed_events": tally.failed,
        "changed_events": tally.changed,
        "raised": tally.raised,
        "lowered": tally.lowered,
        "level_changed": tally.level_changed,
        "report_path": report,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
    }


if __name__ == "__main__":
    re_evaluation()
