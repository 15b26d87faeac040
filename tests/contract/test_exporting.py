"""Contract 7: starting an export, following it, fetching its file; and 16.8: who may start one."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import Stack, eventually

FILE = re.compile(r"/api/exports/events_export_\d{8}_\d{6}_[0-9a-f]{8}\.(csv|json|zip)")


def finished(api: httpx.Client, job_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        job = api.get(f"/api/jobs/{job_id}").json()
        return job if job["status"] in ("completed", "failed") else None

    return eventually(ended, what=f"export {job_id} ended", within=120)


@pytest.mark.parametrize("format", ["csv", "json", "zip"])
def test_an_export_goes_from_the_request_to_the_file(api: httpx.Client, format: str) -> None:
    answer = api.post("/api/events/export", json={"format": format, "risk_level": "high"})
    assert answer.status_code == 202
    started = answer.json()
    job_id = started["job_id"]
    assert started == {
        "job_id": job_id,
        "status": "pending",
        "message": f"Export job created. Use GET /api/jobs/{job_id} to track progress.",
    }
    # At once in the list: the request that made it has put it into the index.
    assert job_id in {item["job_id"] for item in api.get("/api/jobs").json()["items"]}

    job = finished(api, job_id)
    assert (job["status"], job["progress"], job["message"]) == ("completed", 100, "Completed successfully")
    result = job["result"]
    assert set(result) == {"file_path", "file_size", "event_count", "format"}
    assert FILE.fullmatch(result["file_path"])
    assert job_id[:8] in result["file_path"]

    file = api.get(result["file_path"])
    name = result["file_path"].rsplit("/", 1)[1]
    assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert file.headers["x-content-type-options"] == "nosniff"
    assert len(file.content) == result["file_size"]
    expected = {"csv": "text/csv; charset=utf-8", "json": "application/json", "zip": "application/zip"}
    assert file.headers["content-type"] == expected[format]
    assert rows(format, file.content) == result["event_count"] > 0


def rows(format: str, content: bytes) -> int:
    if format == "csv":
        return len(list(csv.DictReader(io.StringIO(content.decode(), newline=""))))
    if format == "zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            [name] = archive.namelist()
            content = archive.read(name)
    return len(json.loads(content))


def test_an_empty_body_object_is_enough_and_no_body_is_not(api: httpx.Client) -> None:
    assert api.post("/api/events/export", json={}).status_code == 202
    answer = api.post("/api/events/export")
    assert answer.status_code == 422
    assert answer.json()["error"]["errors"][0]["field"] == "body"


def test_nothing_that_matches_is_a_success_with_an_empty_file(api: httpx.Client) -> None:
    started = api.post("/api/events/export", json={"format": "json", "camera_id": "no such camera"}).json()
    job = finished(api, started["job_id"])
    assert (job["status"], job["result"]["event_count"]) == ("completed", 0)
    assert api.get(job["result"]["file_path"]).json() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"format": "xml"}, "body.format"),
        ({"format": "CSV"}, "body.format"),
        ({"risk_level": "enormous"}, "body.risk_level"),
        ({"start_date": "yesterday"}, "body.start_date"),
        ({"end_date": 12.5}, "body.end_date"),
        ({"reviewed": "perhaps"}, "body.reviewed"),
        ({"camera_id": "x" * 201}, "body.camera_id"),
    ],
)
def test_a_wrong_field_is_named(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    answer = api.post("/api/events/export", json=body)
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["error"]["errors"]] == [field]


def test_a_body_that_is_no_json_is_a_validation_error(api: httpx.Client) -> None:
    answer = api.post("/api/events/export", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


def test_another_site_may_not_start_an_export(api: httpx.Client) -> None:
    answer = api.post("/api/events/export", json={}, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.json()["title"] == "Forbidden"


@pytest.mark.parametrize(
    "path",
    [
        "events_export_20260304_081552_5d1c0f4e.csv",
        "..%2Findex.db",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5Cindex.db",
        ".events_export_20260304_081552_5d1c0f4e.csv.part",
        "x" * 2000 + ".csv",
    ],
)
def test_a_file_that_is_no_finished_export_is_not_found(api: httpx.Client, path: str) -> None:
    answer = api.get(f"/api/exports/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "status"), [("events_export_20260304_081552_5d1c0f4e.csv%00", 422), ("x" * 2100, 414)]
)
def test_a_path_that_no_file_can_have_is_refused_before_it_is_looked_for(
    api: httpx.Client, path: str, status: int
) -> None:
    assert api.get(f"/api/exports/{path}").status_code == status


def test_a_link_that_leads_out_of_the_export_folder_is_not_followed(api: httpx.Client, stack: Stack) -> None:
    secret = stack.data_dir / "secret.txt"
    secret.write_text("secret")
    link = Path(stack.exports_dir) / "events_export_20260304_081552_00000000.csv"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret)
    try:
        assert api.get(f"/api/exports/{link.name}").status_code == 404
    finally:
        link.unlink()
        secret.unlink()


def test_a_file_that_was_removed_is_not_found_any_more(api: httpx.Client, stack: Stack) -> None:
    started = api.post("/api/events/export", json={"camera_id": "no such camera"}).json()
    path = finished(api, started["job_id"])["result"]["file_path"]
    assert api.get(path).status_code == 200
    (stack.exports_dir / path.rsplit("/", 1)[1]).unlink()
    answer = api.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (404, "Export file not found on disk")
