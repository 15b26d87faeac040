"""Starting a job of any type: what is asked for is judged at once, and nobody else waits meanwhile."""

from pathlib import Path

import pytest

from prefect_jobs.gateway import DeployedFlow, Deployment
from tests.unit.serving import KEYS, served

SLUG = DeployedFlow(
    "slug",
    (Deployment("d", "api", parameter_schema={"properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}),),
)


@pytest.mark.parametrize("letters", [26, 60, 100_000])
def test_a_name_that_a_pattern_would_chew_on_for_days_is_refused(tmp_path: Path, letters: int) -> None:
    """26 letters kept the whole server from answering for 17 s; 60 would have done so for ever."""
    with served(tmp_path, deployed=[SLUG]) as client:
        refused = client.post("/api/jobs", json={"job_type": "slug", "parameters": {"name": "a" * letters + "!"}})
        assert refused.status_code == 422
        assert refused.json()["error"]["errors"][0]["field"] == "body.parameters.name"
        fitting = client.post("/api/jobs", json={"job_type": "slug", "parameters": {"name": "a" * letters}})
        assert fitting.status_code == 202


def test_a_body_is_not_read_before_the_key_is_known(tmp_path: Path) -> None:
    """A megabyte of JSON took 350 ms before anybody asked who sent it."""
    with served(tmp_path, api_keys=KEYS) as client:
        for body in (b"[" * 2**19, b" " * (2**20 + 1), b"[" + b"1e999," * 1000 + b"1]"):
            assert client.post("/api/jobs", content=body).status_code == 401


def test_ten_thousand_mistakes_are_answered_by_a_hundred(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        answer = client.post(
            "/api/jobs/bulk", json={"action": "cancel", "job_ids": list(range(9_999)), "dry_run": True}
        )
        assert answer.status_code == 422
        assert len(answer.json()["error"]["errors"]) == 100
