"""Contract 8 on an application in this process: the record of an export, its download, and what is refused."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import completed, failed, pending, running
from tests.stack import eventually
from tests.unit.serving import Client, served

NAME = "events_export_20260304_081552_5d1c0f4e.xlsx"
RESULT = {"file_path": f"/api/exports/{NAME}", "file_size": 4, "event_count": 1000, "format": "excel"}
LONG_AGO = datetime.now(UTC) - timedelta(minutes=1)
RUNS: list[Run] = [
    completed(RESULT, id="done", parameters={"format": "excel", "risk_level": "high", "export_type": "alerts"}),
    completed({"event_count": 3}, id="odd"),
    failed("disk full", id="broken"),
    pending(id="waiting"),
    running(38, "Processing event 400/1000", id="busy", created_at=LONG_AGO),
    completed({"x": 1}, id="other", flow="cleanup"),
]


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / NAME).write_bytes(b"PK..")
    with served(tmp_path, RUNS) as opened:
        eventually(lambda: opened.get("/api/jobs").json()["pagination"]["total"] == len(RUNS), what="every run read")
        yield opened


def problem(client: Client, path: str, status: int, method: str = "GET") -> str:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    return answer.json()["detail"]


def test_an_order_becomes_a_job_of_the_same_id(client: Client) -> None:
    wanted = {
        "export_format": "excel",
        "columns": ["summary", "event_id"],
        "start_date": "2026-03-04T08:15:00",
        "retention_days": 365,
        "legal_hold": True,
        "compliance_metadata": {"case": "A-17"},
    }
    answer = client.post("/api/exports", json=wanted)
    job_id = answer.json()["job_id"]
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "job_id": job_id,
            "status": "pending",
            "message": f"Export job created. Use GET /api/exports/{job_id} to track progress.",
        },
    )
    assert client.get(f"/api/jobs/{job_id}").json()["job_type"] == "export"
    parameters = client.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]
    assert parameters == {
        "format": "excel",
        "export_type": "events",
        "columns": ["summary", "event_id"],
        "start_date": "2026-03-04T08:15:00Z",
        "retention_days": 365,
        "legal_hold": True,
        "compliance_metadata": {"case": "A-17"},
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"export_format": "parquet"}, "body.export_format"),
        ({"export_type": "everything"}, "body.export_type"),
        ({"columns": ["password"]}, "body.columns"),
        ({"columns": []}, "body.columns"),
        ({"retention_days": 0}, "body.retention_days"),
        ({"legal_hold": "perhaps"}, "body.legal_hold"),
    ],
)
def test_a_wrong_order_names_the_field(client: Client, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/exports", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["error"]["errors"]] == [field]


def test_the_record_of_a_finished_export_tells_its_file(client: Client) -> None:
    record = client.get("/api/exports/done").json()
    assert (record["id"], record["status"], record["export_type"], record["export_format"]) == (
        "done",
        "completed",
        "alerts",
        "excel",
    )
    assert record["progress"] == {
        "total_items": 1000,
        "processed_items": 1000,
        "progress_percent": 100,
        "current_step": "Completed successfully",
        "estimated_completion": None,
    }
    assert record["filter_params"] == '{"risk_level": "high"}'
    assert record["result"] == {
        "output_path": f"/api/exports/{NAME}",
        "output_size_bytes": 4,
        "event_count": 1000,
        "format": "excel",
    }


def test_the_record_of_a_running_export_tells_how_far_it_is(client: Client) -> None:
    record = client.get("/api/exports/busy").json()
    progress = record["progress"]
    assert (progress["total_items"], progress["processed_items"], progress["progress_percent"]) == (1000, 400, 38)
    assert datetime.fromisoformat(progress["estimated_completion"]) > datetime.now(UTC)
    assert (record["result"], record["filter_params"]) == (None, "{}")


def test_the_record_of_a_failed_export_tells_why(client: Client) -> None:
    record = client.get("/api/exports/broken").json()
    assert (record["status"], record["error_message"], record["result"]) == ("failed", "disk full", None)


def test_the_list_holds_exports_only_and_pages(client: Client) -> None:
    answer = client.get("/api/exports", params={"limit": 2}).json()
    assert answer["pagination"] | {"total": 5, "limit": 2, "offset": 0, "has_more": True} == answer["pagination"]
    ids = {item["id"] for item in client.get("/api/exports").json()["items"]}
    assert ids == {"done", "odd", "broken", "waiting", "busy"}
    assert [item["id"] for item in client.get("/api/exports", params={"status": "failed"}).json()["items"]] == [
        "broken"
    ]
    assert client.get("/api/exports", params={"status": "lost"}).status_code == 422


def test_a_download_gives_the_file_under_its_name(client: Client) -> None:
    file = client.get("/api/exports/done/download")
    assert (file.content, file.headers["content-disposition"]) == (b"PK..", f'attachment; filename="{NAME}"')
    assert file.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert client.get("/api/exports/done/download/info").json() == {
        "ready": True,
        "filename": NAME,
        "content_type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "size_bytes": 4,
        "download_url": "/api/exports/done/download",
    }


def test_what_is_not_done_has_no_download_yet(client: Client) -> None:
    for job_id in ("waiting", "busy", "broken"):
        status = client.get(f"/api/jobs/{job_id}").json()["status"]
        detail = problem(client, f"/api/exports/{job_id}/download", 400)
        assert detail == f"Export job is not complete (status: {status})"
        assert client.get(f"/api/exports/{job_id}/download/info").json() == {
            "ready": False,
            "filename": None,
            "content_type": None,
            "size_bytes": None,
            "download_url": None,
        }


def test_a_download_without_its_file_says_which_of_two_things_is_wrong(client: Client, tmp_path: Path) -> None:
    assert problem(client, "/api/exports/odd/download", 404) == "Export file path not found"
    (tmp_path / "exports" / NAME).unlink()
    assert problem(client, "/api/exports/done/download", 404) == "Export file not found on disk"
    assert client.get("/api/exports/done/download/info").json()["ready"] is False


def test_cancelling_stops_an_export_that_has_not_ended(client: Client) -> None:
    assert client.delete("/api/exports/waiting").json() == {
        "job_id": "waiting",
        "status": "failed",
        "message": "Export job cancelled by user",
        "cancelled": True,
    }
    assert client.get("/api/jobs/waiting").json()["error"] == "Cancelled by user"
    detail = "Export job cannot be cancelled - it has already completed or failed"
    assert problem(client, "/api/exports/done", 409, "DELETE") == detail


@pytest.mark.parametrize("path", ["", "/download", "/download/info"])
@pytest.mark.parametrize("job_id", ["nobody", "other"])
def test_an_id_of_no_export_is_not_found(client: Client, path: str, job_id: str) -> None:
    assert problem(client, f"/api/exports/{job_id}{path}", 404) == f"Export job not found: {job_id}"


@pytest.mark.parametrize("job_id", ["nobody", "other"])
def test_what_is_no_export_is_not_cancelled_here(client: Client, job_id: str) -> None:
    assert problem(client, f"/api/exports/{job_id}", 404, "DELETE") == f"Export job not found: {job_id}"
    assert client.get("/api/jobs/other").json()["status"] == "completed"
