"""Contract 12.2 on an application in this process: backups, their archives, and restores."""

from collections.abc import Generator
from pathlib import Path

import pytest

from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import completed, failed, pending, running
from tests.stack import eventually
from tests.unit.serving import ADMIN, KEYS, OPERATOR, Client, served

NAME = "backup_20260304_081552_5d1c0f4e.zip"
MANIFEST = {"backup_id": "done", "version": "1.0", "contents": {"events": {"count": 3, "checksum": "ab"}}}
RESULT = {"file_path": "/api/backup/done/download", "file_name": NAME, "file_size": 4, "manifest": MANIFEST}
RUNS: list[Run] = [
    completed(RESULT, id="done", flow="backup"),
    completed({**RESULT, "file_name": NAME.replace("2026", "2025")}, id="gone", flow="backup"),
    completed({**RESULT, "file_name": "../index.db"}, id="sly", flow="backup"),
    failed("disk full", id="broken", flow="backup"),
    running(32, "Exporting detections", id="busy", flow="backup"),
    pending(id="other"),
    completed(
        {"restored": {"events": 3}, "backup_before": NAME, "manifest": {"backup_id": "done"}},
        id="restored",
        flow="restore",
    ),
]


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / NAME).write_bytes(b"PK..")
    with served(tmp_path, RUNS, deployed=("backup", "restore")) as opened:
        eventually(lambda: opened.get("/api/jobs").json()["pagination"]["total"] == len(RUNS), what="every run read")
        yield opened


def problem(client: Client, path: str, status: int, method: str = "GET") -> str:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    return answer.json()["detail"]


def test_a_backup_is_started_with_or_without_an_empty_object(client: Client) -> None:
    for content in (b"{}", b""):
        answer = client.post("/api/backup", content=content)
        job_id = answer.json()["job_id"]
        assert (answer.status_code, answer.json()) == (
            202,
            {
                "job_id": job_id,
                "status": "pending",
                "message": f"Backup job created. Use GET /api/backup/{job_id} to track progress.",
            },
        )
        assert client.get(f"/api/jobs/{job_id}").json()["job_type"] == "backup"


def test_the_list_holds_backups_whose_archives_are_there(client: Client) -> None:
    answer = client.get("/api/backup").json()
    [listed] = answer["backups"]
    assert answer["total"] == 1
    assert {**listed, "created_at": ""} == {
        "id": "done",
        "created_at": "",
        "file_size_bytes": 4,
        "status": "completed",
        "download_url": "/api/backup/done/download",
    }


def test_the_record_of_a_backup_tells_its_archive_and_its_manifest(client: Client) -> None:
    record = client.get("/api/backup/done").json()
    assert (record["id"], record["status"], record["manifest"]) == ("done", "completed", MANIFEST)
    assert (record["file_path"], record["file_size_bytes"]) == ("/api/backup/done/download", 4)
    assert record["progress"] == {
        "total_tables": 5,
        "completed_tables": 5,
        "progress_percent": 100,
        "current_step": "Completed successfully",
    }
    assert client.get("/api/backup/gone").json()["file_path"] is None


def test_the_record_of_a_running_backup_tells_how_far_it_is(client: Client) -> None:
    assert client.get("/api/backup/busy").json()["progress"] == {
        "total_tables": 5,
        "completed_tables": 2,
        "progress_percent": 32,
        "current_step": "Exporting detections",
    }
    assert client.get("/api/backup/broken").json()["error_message"] == "disk full"


def test_a_download_gives_the_archive(client: Client) -> None:
    file = client.get("/api/backup/done/download")
    assert (file.content, file.headers["content-type"]) == (b"PK..", "application/zip")
    assert file.headers["content-disposition"] == f'attachment; filename="{NAME}"'
    assert problem(client, "/api/backup/busy/download", 400) == "Backup job is not complete (status: running)"
    for job_id in ("gone", "sly"):
        assert problem(client, f"/api/backup/{job_id}/download", 404) == "Backup file not found on disk"


def test_deleting_a_backup_removes_archive_and_record(client: Client, tmp_path: Path) -> None:
    assert problem(client, "/api/backup/busy", 409, "DELETE").startswith("Backup job is not over")
    answer = client.delete("/api/backup/done")
    assert answer.json() == {"job_id": "done", "status": "deleted", "deleted": True, "message": "Backup deleted"}
    assert list((tmp_path / "backups").iterdir()) == []
    assert client.get("/api/jobs/done").status_code == 404


@pytest.mark.parametrize("job_id", ["nobody", "other", "restored"])
def test_an_id_of_no_backup_is_not_found(client: Client, job_id: str) -> None:
    for path in (f"/api/backup/{job_id}", f"/api/backup/{job_id}/download"):
        assert problem(client, path, 404) == f"Backup job not found: {job_id}"
    assert problem(client, f"/api/backup/{job_id}", 404, "DELETE") == f"Backup job not found: {job_id}"


def test_an_archive_that_is_sent_becomes_a_restore_of_it(client: Client, tmp_path: Path) -> None:
    answer = client.post("/api/backup/restore", content=b"PK..", params={"backup_first": "false"})
    job_id = answer.json()["job_id"]
    assert answer.json()["message"] == f"Restore job created. Use GET /api/backup/restore/{job_id} to track progress."
    [upload] = (tmp_path / "uploads").iterdir()
    parameters = client.get(f"/api/jobs/{job_id}/detail").json()["metadata"]["input_params"]
    assert parameters == {"upload": upload.name, "backup_first": False}
    assert client.get(f"/api/backup/restore/{job_id}").json()["status"] == "pending"


@pytest.mark.parametrize(
    "content", [b"not a zip", b"P", b"\x1f\x8b", b'--x\r\nContent-Disposition: form-data; name="file"']
)
def test_what_is_no_archive_is_refused_and_not_kept(client: Client, tmp_path: Path, content: bytes) -> None:
    answer = client.post("/api/backup/restore", content=content)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid file type")
    assert answer.headers["content-type"] == "application/problem+json"
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_restore_that_is_somebody_elses_flow_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    strange = {"restored": {"events": "many"}, "manifest": [1], "backup_before": 5, "file_size": "large"}
    runs = [completed(strange, id="theirs", flow="restore"), completed(strange, id="their-backup", flow="backup")]
    with served(tmp_path, runs) as client:
        eventually(lambda: client.get("/api/jobs").json()["pagination"]["total"] == 2)
        record = client.get("/api/backup/restore/theirs").json()
        assert (record["restored"], record["backup_id"], record["backup_before"]) == ({"events": 0}, None, None)
        assert client.get("/api/backup/their-backup").json()["file_size_bytes"] is None


def test_the_record_of_a_restore_tells_what_came_back(client: Client) -> None:
    record = client.get("/api/backup/restore/restored").json()
    assert (record["status"], record["restored"], record["backup_before"]) == ("completed", {"events": 3}, NAME)
    assert record["progress"] == {"progress_percent": 100, "current_step": "Completed successfully"}
    assert (record["items_restored"], record["backup_id"]) == ({"events": 3}, "done")
    assert problem(client, "/api/backup/restore/done", 404) == "Restore job not found: done"


def test_replacing_everything_takes_an_admin(tmp_path: Path) -> None:
    ended = [
        RUNS[0],
        failed("disk full", id="broken", flow="backup", deployment_id="d"),
        failed("killed", id="torn", flow="restore", deployment_id="d"),
    ]
    with served(tmp_path, ended, deployed=("backup", "restore"), api_keys=KEYS) as client:
        eventually(lambda: client.get("/api/jobs", headers={"X-API-Key": ADMIN}).json()["pagination"]["total"] == 3)
        operator, admin = {"X-API-Key": OPERATOR}, {"X-API-Key": ADMIN}
        restoring = {"job_type": "restore", "parameters": {"backup": NAME}}
        assert client.post("/api/backup", headers=operator).status_code == 202
        assert client.post("/api/backup/restore", content=b"PK..", headers=operator).status_code == 403
        assert client.post("/api/jobs", json=restoring, headers=operator).status_code == 403
        assert client.delete("/api/backup/done", headers=operator).status_code == 403
        assert client.post("/api/jobs/torn/retry", headers=operator).status_code == 403
        assert client.post("/api/jobs/broken/retry", headers=operator).status_code == 200
        assert client.post("/api/jobs/torn/retry", headers=admin).status_code == 200
        assert client.post("/api/jobs", json=restoring, headers=admin).status_code == 202
        assert client.delete("/api/backup/done", headers=admin).status_code == 200
    assert not (tmp_path / "uploads").exists()
