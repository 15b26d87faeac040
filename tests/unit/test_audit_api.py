"""Contract 12.1 on an application in this process, with events in a real store."""

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.events import open_event_store
from prefect_jobs.events.audit_book import Audited, AuditWish, waiting_for_audit, write_audits
from prefect_jobs.events.engine.engines import Opinion
from prefect_jobs.events.sample import write_sample
from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import completed, pending, running
from tests.stack import eventually
from tests.unit.serving import Client, served

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
RESULT = {"total_events": 9, "processed_events": 7, "failed_events": 2}
RUNS: list[Run] = [
    completed(RESULT, id="done", flow="batch_audit"),
    running(30, "Processing event 4 of 9", id="busy", flow="batch_audit"),
    pending(id="other"),
]


@pytest.fixture
def client(tmp_path: Path, events_url: str) -> Generator[Client]:
    write_sample(events_url, 50, 7, now=NOW)
    with served(tmp_path, RUNS, deployed=("batch_audit",), events_url=events_url) as opened:
        eventually(lambda: opened.get("/api/jobs").json()["pagination"]["total"] == len(RUNS), what="every run read")
        yield opened


def audit(url: str, run_id: str, count: int, *, failed: bool = False) -> None:
    with open_event_store(url) as store, store.writing() as connection:
        ids = waiting_for_audit(connection, AuditWish(1000), run_id, count)
        audits = [Audited(event_id, Opinion([]), failed) for event_id in ids]
        write_audits(connection, audits, run_id=run_id, engine="rules")


def test_an_audit_is_started_with_the_number_of_its_events(client: Client) -> None:
    answer = client.post("/api/ai-audit/batch", json={"limit": 10})
    job_id = answer.json()["job_id"]
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "job_id": job_id,
            "status": "pending",
            "message": f"Batch audit job created. Use GET /api/ai-audit/batch/{job_id} to track progress.",
            "total_events": 10,
        },
    )
    parameters = client.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]
    assert parameters == {"limit": 10, "min_risk_score": None, "force_reevaluate": False}


def test_nothing_to_do_is_a_completed_job_with_zero_counts(client: Client, events_url: str) -> None:
    audit(events_url, "earlier", 1000)
    answer = client.post("/api/ai-audit/batch", json={})
    job_id = answer.json()["job_id"]
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "job_id": job_id,
            "status": "completed",
            "message": "No events found matching criteria",
            "total_events": 0,
        },
    )
    job = client.get(f"/api/jobs/{job_id}").json()
    assert (job["status"], job["progress"]) == ("completed", 100)
    assert job["result"] == {"total_events": 0, "processed_events": 0, "failed_events": 0}
    record = client.get(f"/api/ai-audit/batch/{job_id}").json()
    assert (record["status"], record["total_events"]) == ("completed", 0)
    assert client.post("/api/ai-audit/batch", json={"force_reevaluate": True}).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "body.limit"),
        ({"limit": 1001}, "body.limit"),
        ({"min_risk_score": 101}, "body.min_risk_score"),
        ({"min_risk_score": -1}, "body.min_risk_score"),
        ({"force_reevaluate": "perhaps"}, "body.force_reevaluate"),
    ],
)
def test_what_is_out_of_range_is_named(client: Client, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/ai-audit/batch", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["error"]["errors"]] == [field]


def test_the_record_of_an_audit_tells_what_came_of_it(client: Client) -> None:
    record = client.get("/api/ai-audit/batch/done").json()
    assert set(record) == {
        *("job_id", "status", "progress", "message", "total_events", "processed_events", "failed_events"),
        *("created_at", "started_at", "completed_at", "error"),
    }
    assert record | RESULT | {"job_id": "done", "progress": 100, "error": None} == record


def test_the_record_of_a_running_audit_counts_what_is_in_the_store(client: Client, events_url: str) -> None:
    audit(events_url, "busy", 2)
    audit(events_url, "busy", 1, failed=True)
    record = client.get("/api/ai-audit/batch/busy").json()
    assert (record["total_events"], record["processed_events"], record["failed_events"]) == (9, 2, 1)
    assert (record["progress"], record["message"]) == (30, "Processing event 4 of 9")


@pytest.mark.parametrize("job_id", ["nobody", "other"])
def test_an_id_of_no_audit_is_not_found(client: Client, job_id: str) -> None:
    answer = client.get(f"/api/ai-audit/batch/{job_id}")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"No batch audit job found with ID: {job_id}")
