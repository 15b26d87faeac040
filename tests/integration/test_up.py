"""`prefect-jobs up` on real parts."""

import httpx

from stack import Stack, eventually


def test_everything_answers_once_up_says_ready(stack: Stack, api: httpx.Client) -> None:
    assert api.get("/readyz").status_code == 200
    assert httpx.get(f"{stack.prefect_api_url}/health").status_code == 200
    assert "Jobs page" in stack.log


def test_a_job_started_by_the_api_completes(api: httpx.Client) -> None:
    job_id = api.post("/api/events/export", json={}).json()["job_id"]

    eventually(lambda: api.get(f"/api/jobs/{job_id}").json()["status"] == "completed", within=60)
