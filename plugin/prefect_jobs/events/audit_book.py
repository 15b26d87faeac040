"""Audits in the store: which events still wait for one, what was found, how far a run is.

An audit belongs to its run, so a run that is stopped or retried goes on where it stood; and an event that any run has
audited is not audited again, unless that is asked for.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select

from prefect_jobs.events.engine.engines import Opinion
from prefect_jobs.events.models import Audit, Event
from prefect_jobs.events.selection import still_there

FAILED = "failed"
Verdict = Literal["passed", "flagged", "failed"]


@dataclass(frozen=True)
class AuditWish:
    """Which events to audit: the newest that have no audit yet."""

    limit: int
    min_risk_score: int | None = None
    again: bool = False
    """Whether events that have been audited are audited again."""

    def conditions(self, run_id: str | None = None) -> list[ColumnElement[bool]]:
        """What an event must be like; for a run also that it has not audited it yet."""
        wanted: list[ColumnElement[bool]] = [Event.deleted_at.is_(None)]
        if run_id is not None:
            wanted.append(~exists().where(Audit.event_id == Event.id, Audit.run_id == run_id))
        if self.min_risk_score is not None:
            wanted.append(Event.risk_score >= self.min_risk_score)
        if not self.again:
            wanted.append(~exists().where(Audit.event_id == Event.id, Audit.verdict != FAILED))
        return wanted


def count_waiting(connection: Connection, wish: AuditWish, run_id: str | None = None) -> int:
    """How many events an audit would look at; of a run that goes on, how many more."""
    limited = select(Event.id).where(*wish.conditions(run_id)).limit(max(0, wish.limit)).subquery()
    return connection.execute(select(func.count()).select_from(limited)).scalar_one()


def waiting_for_audit(connection: Connection, wish: AuditWish, run_id: str, at_most: int) -> Sequence[int]:
    """The next events, newest first, that this run has not audited yet."""
    wanted = select(Event.id).where(*wish.conditions(run_id))
    return connection.execute(wanted.order_by(Event.started_at.desc(), Event.id.desc()).limit(at_most)).scalars().all()


def forget_failed(connection: Connection, run_id: str) -> None:
    """Let the next attempt of a run try again what failed in the last one."""
    connection.execute(delete(Audit).where(Audit.run_id == run_id, Audit.verdict == FAILED))


def rest_of(wish: AuditWish, done: int) -> AuditWish:
    """What is left of a wish when so many events are done."""
    return replace(wish, limit=wish.limit - done)


@dataclass(frozen=True)
class Audited:
    """One event and what became of its audit."""

    event_id: int
    opinion: Opinion
    failed: bool = False

    @property
    def verdict(self) -> Verdict:
        """The audit in a word."""
        if self.failed:
            return "failed"
        return "flagged" if self.opinion.findings else "passed"


def write_audits(connection: Connection, audits: Iterable[Audited], *, run_id: str, engine: str) -> None:
    """Keep audits. An event that was removed meanwhile is left out."""
    rows = [
        {
            "event_id": audit.event_id,
            "run_id": run_id,
            "audited_at": datetime.now(UTC),
            "verdict": audit.verdict,
            "findings": json.dumps([vars(finding) for finding in audit.opinion.findings], ensure_ascii=False),
            "engine": engine,
            "prompt_tokens": audit.opinion.prompt_tokens,
            "completion_tokens": audit.opinion.completion_tokens,
        }
        for audit in audits
    ]
    if rows := still_there(connection, rows):
        connection.execute(insert(Audit), rows)


@dataclass(frozen=True)
class AuditTally:
    """How far a run is."""

    processed: int
    flagged: int
    failed: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def events(self) -> int:
        """The events it has looked at."""
        return self.processed + self.failed


def tally_of(connection: Connection, run_id: str) -> AuditTally:
    """What a run has audited so far, in whatever number of attempts."""
    sums = func.coalesce(func.sum(Audit.prompt_tokens), 0), func.coalesce(func.sum(Audit.completion_tokens), 0)
    wanted = select(Audit.verdict, func.count(), *sums).where(Audit.run_id == run_id).group_by(Audit.verdict)
    rows = {row[0]: row for row in connection.execute(wanted)}
    counts = Counter({verdict: row[1] for verdict, row in rows.items()})
    return AuditTally(
        processed=counts["passed"] + counts["flagged"],
        flagged=counts["flagged"],
        failed=counts[FAILED],
        prompt_tokens=sum(int(row[2]) for row in rows.values()),
        completion_tokens=sum(int(row[3]) for row in rows.values()),
    )


def findings_of(connection: Connection, run_id: str, *, batch: int = 1_000) -> dict[str, int]:
    """How often each rule found something in a run."""
    wanted = select(Audit.findings).where(Audit.run_id == run_id, Audit.verdict == "flagged")
    counts: Counter[str] = Counter()
    with connection.execute(wanted, execution_options={"yield_per": batch}) as found:
        for text in found.scalars():
            counts.update({finding["rule"] for finding in json.loads(text)})
    return dict(sorted(counts.items()))
