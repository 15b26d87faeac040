"""Contract 16.2: why a job waits, on the live stack."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests import naps
from tests.contract.jobs import job
from tests.prefect_api import PrefectApi
from tests.stack import eventually

NAPS = Path(naps.__file__)


def pool(prefect: PrefectApi, **fields: Any) -> str:
    """A work pool that nobody serves; its name."""
    name = f"nobody-{uuid4()}"
    prefect.post("/work_pools/", {"name": name, "type": "process", **fields})
    return name


def why(api: httpx.Client, job_id: str) -> dict[str, Any] | None:
    return api.get(f"/api/jobs/{job_id}/detail").raise_for_status().json()["pending_reason"]


def test_nobody_is_there_to_run_it(api: httpx.Client, prefect: PrefectApi) -> None:
    unserved = pool(prefect)
    run = prefect.start(prefect.deploy(NAPS, "naps", name=unserved, work_pool=unserved))

    reason = why(api, run)

    assert reason is not None
    since = datetime.fromisoformat(reason.pop("since"))
    assert reason == {"code": "no_worker", "text": f"No worker is online in work pool {unserved}", "held_by": []}
    assert abs((since - datetime.now(UTC)).total_seconds()) < 60


def test_a_paused_pool_says_so(api: httpx.Client, prefect: PrefectApi) -> None:
    paused = pool(prefect, is_paused=True)
    run = prefect.start(prefect.deploy(NAPS, "naps", name=paused, work_pool=paused))

    assert (why(api, run) or {})["text"] == f"Work pool {paused} is paused"


def test_a_job_for_later_says_when(api: httpx.Client, prefect: PrefectApi) -> None:
    unserved = pool(prefect)
    deployment = prefect.deploy(NAPS, "naps", name=unserved, work_pool=unserved)
    later = datetime.now(UTC) + timedelta(hours=1)
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": later.isoformat()}}
    run = prefect.post(f"/deployments/{deployment}/create_flow_run", {"state": state})["id"]

    reason = why(api, run) or {}

    assert (reason["code"], reason["text"]) == ("scheduled", f"Scheduled for {later:%Y-%m-%d %H:%M:%S} UTC")


def test_a_job_of_a_full_deployment_names_the_job_that_has_the_place(api: httpx.Client, prefect: PrefectApi) -> None:
    deployment = prefect.deploy(NAPS, "naps", name=f"one-{uuid4()}", concurrency_limit=1)
    holder = prefect.start(deployment, seconds=600)
    job(api, holder, status="running")
    run = prefect.start(deployment)

    eventually(lambda: (why(api, run) or {})["code"] == "deployment_limit")
    reason = why(api, run) or {}
    assert reason["held_by"] == [holder]
    assert reason["text"].endswith(f"naps {prefect.get(f'/flow_runs/{holder}')['name']}")
    assert why(api, holder) is None

    assert api.post(f"/api/jobs/{run}/cancel").is_success
    assert api.post(f"/api/jobs/{holder}/cancel").is_success
    job(api, run, status="failed")
    assert why(api, run) is None
    job(api, holder, status="failed")
