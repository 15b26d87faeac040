"""A file of events on its way in: sent, judged row by row, imported once."""

import httpx

from tests.contract.jobs import job

ROWS = [
    {"camera_name": "Import Test", "started_at": "2026-03-04T08:15:00Z", "risk_score": 12},
    {"camera_name": "Import Test", "started_at": "2026-03-04T08:16:00Z", "risk_score": 112},
]


def test_a_file_that_is_sent_comes_in_once_with_a_report_of_its_bad_rows(api: httpx.Client) -> None:
    answer = httpx.post(f"{api.base_url}/api/events/import", content=str(ROWS).replace("'", '"'), timeout=30)
    assert answer.status_code == 202
    done = job(api, answer.json()["job_id"], status="completed")
    assert (done["job_type"], done["progress"], done["message"]) == ("import", 100, "Completed successfully")
    result = done["result"]
    assert (result["rows"], result["imported"], result["rejected"]) == (2, 1, 1)
    report = api.get(result["report_path"])
    assert report.headers["content-type"] == "text/csv; charset=utf-8"
    assert report.text.splitlines()[1:] == [',1,risk_score,"It must be from 0 to 100, and is 112"']


def test_a_file_that_is_not_there_fails_the_job_with_its_name(api: httpx.Client) -> None:
    wanted = {"job_type": "import", "parameters": {"path": "../index.db"}}
    started = api.post("/api/jobs", json=wanted).json()
    failed = job(api, started["job_id"], status="failed")
    assert failed["error"] == "ValueError: There is no file '../index.db' in the folder it may be read from"
