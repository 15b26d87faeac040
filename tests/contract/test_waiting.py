"""One long question about a job's state, which the sidecars of running jobs ask."""

import threading
import time

import httpx
from prefect.states import Completed

from tests.contract.jobs import job
from tests.contract.runs import Runs


def test_a_job_in_another_state_is_answered_at_once(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.completed()
    job(api, job_id, status="completed")
    answer = api.get(f"/api/jobs/{job_id}/wait", params={"state": "running"})
    assert answer.json() == {"job_id": job_id, "status": "completed", "state": "completed"}


def test_the_answer_comes_with_the_next_state(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    job(api, job_id, status="running")
    ends = threading.Timer(0.5, runs.move, (job_id, Completed()))
    ends.start()
    began = time.monotonic()
    answer = api.get(f"/api/jobs/{job_id}/wait", params={"state": "running", "timeout": 20})
    assert answer.json()["state"] == "completed"
    assert 0.4 < time.monotonic() - began < 10
    ends.join()


def test_an_answer_comes_when_nothing_happens(api: httpx.Client, runs: Runs) -> None:
    job_id = runs.started()
    job(api, job_id, status="running")
    answer = api.get(f"/api/jobs/{job_id}/wait", params={"state": "running", "timeout": 0.1})
    assert answer.json()["state"] == "running"


def test_an_unknown_job_and_a_wait_without_end_are_refused(api: httpx.Client, runs: Runs) -> None:
    assert api.get("/api/jobs/job-001/wait", params={"state": "running"}).status_code == 404
    for params in ({}, {"state": "running", "timeout": 31}, {"state": "running", "timeout": -1}):
        assert api.get(f"/api/jobs/{runs.started()}/wait", params=params).status_code == 422
