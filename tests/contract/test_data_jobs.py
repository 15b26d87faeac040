"""The job types that keep the event store in order, from the request to the result, on the live stack."""

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime

import httpx
import pytest

from tests.contract.jobs import job
from tests.stack import Stack

EXPORT = {"export_format": "excel", "columns": ["event_id", "summary"], "end_date": datetime.now(UTC).isoformat()}


@pytest.fixture(scope="module")
def ids(stack: Stack) -> dict[str, str]:
    """One job of each type, all started at once: starting their processes takes longer than what they do."""
    with httpx.Client(base_url=stack.api_url, timeout=30) as api:
        answers = {
            "backup": api.post("/api/backup", json={}),
            "backup at the same time": api.post("/api/backup", json={}),
            "restore": api.post("/api/backup/restore", content=b"PK, and nothing of an archive"),
            "batch_audit": api.post("/api/ai-audit/batch", json={"limit": 20, "force_reevaluate": True}),
            "re_evaluation": api.post("/api/jobs", json={"job_type": "re_evaluation", "parameters": {"limit": 20}}),
            "cleanup": api.post("/api/jobs", json={"job_type": "cleanup", "parameters": {"dry_run": True}}),
            "export": api.post("/api/exports", json=EXPORT),
        }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 202)
    return {name: answer.json()["job_id"] for name, answer in answers.items()}


def test_two_backups_are_never_at_work_at_once(api: httpx.Client, ids: dict[str, str]) -> None:
    """The second one waits for the first, and says so; it does not fail."""
    done = [job(api, ids[name], status="completed") for name in ("backup", "backup at the same time")]
    first, second = sorted(done, key=lambda one: one["started_at"])
    assert first["completed_at"] <= second["started_at"]
    assert first["result"]["manifest"]["backup_id"] != second["result"]["manifest"]["backup_id"]


def test_a_backup_is_made_listed_fetched_and_deleted(api: httpx.Client, ids: dict[str, str]) -> None:
    job_id = ids["backup"]
    done = job(api, job_id, status="completed")["result"]
    record = api.get(f"/api/backup/{job_id}").json()
    assert record["manifest"] == done["manifest"]
    assert record["progress"]["completed_tables"] == record["progress"]["total_tables"] == 5
    content = api.get(record["file_path"]).content
    assert (len(content), hashlib.sha256(content).hexdigest()) == (record["file_size_bytes"], done["sha256"])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        events = json.loads(archive.read("events.json"))
    assert len(events) == record["manifest"]["contents"]["events"]["count"] >= 300
    assert job_id in {listed["id"] for listed in api.get("/api/backup").json()["backups"]}
    assert api.delete(f"/api/backup/{job_id}").json()["status"] == "deleted"
    assert api.get(f"/api/backup/{job_id}").status_code == 404


def test_a_restore_of_what_is_no_backup_fails_and_says_why(api: httpx.Client, ids: dict[str, str]) -> None:
    job(api, ids["restore"], status="failed")
    record = api.get(f"/api/backup/restore/{ids['restore']}").json()
    assert record["error_message"].startswith("DamagedBackup: The backup is damaged, or is none")
    refused = api.post("/api/backup/restore", content=b"nothing of an archive")
    assert (refused.status_code, refused.json()["detail"]) == (400, "Invalid file type")


def test_an_audit_tells_what_it_found(api: httpx.Client, ids: dict[str, str]) -> None:
    result = job(api, ids["batch_audit"], status="completed")["result"]
    record = api.get(f"/api/ai-audit/batch/{ids['batch_audit']}").json()
    assert (record["total_events"], record["processed_events"], record["failed_events"]) == (20, 20, 0)
    assert (result["engine"], bool(result["findings"])) == ("rules", result["flagged_events"] > 0)


def test_a_re_evaluation_reports_what_changed(api: httpx.Client, ids: dict[str, str]) -> None:
    result = job(api, ids["re_evaluation"], status="completed")["result"]
    assert (result["total_events"], result["evaluated_events"], result["engine"]) == (20, 20, "rules")
    report = api.get(result["report_path"])
    assert len(report.text.splitlines()) == 1 + result["changed_events"] > 1


def test_an_audit_of_nothing_is_a_completed_job(api: httpx.Client) -> None:
    answer = api.post("/api/ai-audit/batch", json={"min_risk_score": 100}).json()
    assert (answer["status"], answer["total_events"]) == ("completed", 0)
    done = api.get(f"/api/jobs/{answer['job_id']}").json()
    assert (done["status"], done["progress"], done["result"]["total_events"]) == ("completed", 100, 0)


def test_a_cleanup_says_what_it_would_remove(api: httpx.Client, ids: dict[str, str]) -> None:
    result = job(api, ids["cleanup"], status="completed")["result"]
    assert result | {"events_deleted": 0, "dry_run": True} == result


def test_an_export_with_a_record_is_a_workbook_of_chosen_columns(api: httpx.Client, ids: dict[str, str]) -> None:
    job_id = ids["export"]
    job(api, job_id, status="completed")
    record = api.get(f"/api/exports/{job_id}").json()
    assert (record["export_format"], record["progress"]["progress_percent"]) == ("excel", 100)
    assert json.loads(record["filter_params"])["end_date"]
    file = api.get(f"/api/exports/{job_id}/download")
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 1 + record["result"]["event_count"]


def test_the_types_are_those_of_the_contract_in_its_order_and_can_all_be_started(api: httpx.Client) -> None:
    types = api.get("/api/jobs/types").json()["job_types"]
    told = [(found["name"], found["description"]) for found in types[:6]]
    assert told == [
        ("export", "Export events to CSV, JSON, or ZIP format"),
        ("cleanup", "Clean up old data and temporary files"),
        ("backup", "Create a backup of system data"),
        ("import", "Import events from external files"),
        ("batch_audit", "Batch AI pipeline audit processing for multiple events"),
        ("re_evaluation", "Score chosen events again and report what changed"),
    ]
    assert all(found["can_start"] for found in types[:6])
    assert "restore" in {found["name"] for found in types[6:]}
