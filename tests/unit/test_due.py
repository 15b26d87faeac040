"""A job of a schedule is dated by when it was due, and not by when Prefect prepared its run, days ago."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import FakePrefect, a_run, completed, pending
from prefect_jobs.gateway.runs import run_from_json
from prefect_jobs.history import Histories
from prefect_jobs.jobs import job_from_run
from prefect_jobs.store import HistoryStore
from prefect_jobs.store.database import Database
from tests.unit.serving import served

PREPARED = datetime(2026, 3, 1, 8, 15, tzinfo=UTC)
DUE = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
BEGAN = DUE + timedelta(seconds=4)


def prepared(run: Run, **fields: Any) -> Run:
    """This run as one that a schedule prepared."""
    made = {"created_at": PREPARED, "expected_at": DUE, "scheduled_for": DUE, "scheduled_by_prefect": True}
    return replace(run, **{**made, **fields})


@pytest.mark.parametrize(
    "run",
    [
        prepared(pending()),
        prepared(pending(), state_name="Late"),
        prepared(pending(), scheduled_for=DUE + timedelta(hours=2)),
        prepared(a_run("SCHEDULED", "AwaitingRetry", run_count=1), scheduled_for=DUE + timedelta(hours=1)),
        prepared(a_run("RUNNING"), started_at=BEGAN, first_started_at=BEGAN, scheduled_for=None),
        prepared(completed(), started_at=BEGAN, first_started_at=BEGAN, ended_at=BEGAN, scheduled_for=None),
    ],
    ids=["due", "late", "given another time", "retried", "running", "completed"],
)
def test_a_job_of_a_schedule_was_created_when_it_was_due(run: Run) -> None:
    job = job_from_run(run, now=DUE)
    assert (job.created_at, job.prepared_at) == (DUE, PREPARED)


def test_a_job_for_later_that_no_schedule_made_was_created_when_somebody_asked() -> None:
    job = job_from_run(prepared(pending(), scheduled_by_prefect=False), now=DUE)
    assert (job.created_at, job.prepared_at) == (PREPARED, None)


def test_one_that_was_cancelled_before_its_time_is_not_dated_by_the_future() -> None:
    cancelled = DUE - timedelta(hours=3)
    run = prepared(a_run("CANCELLED", run_count=0), first_started_at=cancelled, ended_at=cancelled)
    job = job_from_run(run, now=cancelled)
    assert (job.created_at, job.completed_at) == (cancelled, cancelled)


@pytest.mark.parametrize(
    ("made", "by_schedule"),
    [
        ({"auto_scheduled": True}, True),
        ({"auto_scheduled": False, "created_by": {"type": "SCHEDULE", "display_value": "CronSchedule"}}, True),
        ({"auto_scheduled": False, "created_by": {"type": "DEPLOYMENT"}}, False),
        ({"auto_scheduled": False, "created_by": None}, False),
    ],
)
def test_prefect_says_which_runs_a_schedule_prepared(made: dict[str, Any], by_schedule: bool) -> None:
    body = {"id": "r", "created": PREPARED.isoformat(), "expected_start_time": DUE.isoformat(), **made}
    run = run_from_json(body, flow_name="nightly", read_order=0)
    assert (run.scheduled_by_prefect, run.expected_at) == (by_schedule, DUE)


async def test_the_past_of_a_job_of_a_schedule_begins_when_it_was_due(database: Database) -> None:
    prefect = FakePrefect()
    run = prefect.put(prepared(pending()))
    histories = Histories(prefect, HistoryStore(database))
    [made] = (await histories.of(job_from_run(run, now=DUE))).transitions
    assert (made.at, made.state, made.trigger) == (DUE, "pending", "system")


def test_lists_filters_and_ages_speak_of_when_a_job_became_due(tmp_path: Path) -> None:
    """A nightly job stood below work that was older than it, and its age counted from days ago."""
    now = datetime.now(UTC)
    due, long_ago = now - timedelta(minutes=5), now - timedelta(days=3)
    nightly = prepared(pending(flow="nightly"), created_at=long_ago, expected_at=due, scheduled_for=due)
    older = completed(created_at=now - timedelta(hours=1))
    with served(tmp_path, [nightly, older]) as client:
        for run in (older, nightly):
            assert client.get(f"/api/jobs/{run.id}").is_success
        listed = client.get("/api/jobs").json()["items"]
        assert [job["job_id"] for job in listed] == [nightly.id, older.id]
        since = {"created_after": (now - timedelta(minutes=10)).isoformat()}
        assert [job["job_id"] for job in client.get("/api/jobs/search", params=since).json()["data"]] == [nightly.id]
        assert 299 < client.get("/api/jobs/stats").json()["oldest_pending_job_age_seconds"] < 900
        detail = client.get(f"/api/jobs/{nightly.id}/detail").json()["timing"]
        history = client.get(f"/api/jobs/{nightly.id}/history").json()
    told = [detail["created_at"], history["created_at"], history["transitions"][0]["at"]]
    assert [datetime.fromisoformat(moment) for moment in told] == [due] * 3
    assert datetime.fromisoformat(detail["prepared_at"]) == long_ago
