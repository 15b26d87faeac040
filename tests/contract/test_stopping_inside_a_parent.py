"""A flow that runs inside its parent's process: who can be stopped there, and who only with the job around it.

It was told `cancelling`, did all its work, and read `Cancelled by user` five minutes later.
"""

from pathlib import Path

import httpx
import pytest

from tests import nested
from tests.contract.jobs import job
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

FLOWS = Path(nested.__file__)


def inner_job(api: httpx.Client, job_type: str) -> str:
    """The only job of a type that is at work."""

    def look() -> str | None:
        found = api.get("/api/jobs", params={"job_type": job_type, "status": "running"}).json()["items"]
        return found[0]["job_id"] if found else None

    return eventually(look, within=60, what=f"a job of type {job_type}") or ""


@pytest.mark.timeout(240)
def test_a_flow_inside_a_process_of_another_is_stopped_with_that_one_only(
    api: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    with PrefectApi.of(stack) as prefect:
        outer = prefect.start(prefect.deploy(FLOWS, "outermost", name="nested"), folder=str(tmp_path))
        eventually((tmp_path / "at-work").exists, within=90)
        inner, between = inner_job(api, "innermost"), inner_job(api, "middle")
        refused = f"Job runs inside job {outer} - stop that one"

        for job_id in (inner, between):
            assert job(api, job_id)["stoppable"] == "with_parent"
            for method, path in (("POST", "/cancel"), ("POST", "/abort"), ("DELETE", "")):
                answer = api.request(method, f"/api/jobs/{job_id}{path}")
                assert (answer.status_code, answer.json()["detail"]) == (409, refused)
        bulk = api.post("/api/jobs/bulk-cancel", json={"job_ids": [inner]}).json()
        assert bulk == {"cancelled": 0, "failed": 1, "errors": [{"job_id": inner, "error": refused}]}
        preview = api.post("/api/jobs/bulk?dry_run=true", json={"action": "cancel", "job_ids": [inner, outer]}).json()
        assert (preview["eligible"], preview["reasons"]) == (1, {refused: 1})
        started = api.post("/api/jobs/bulk", json={"action": "cancel", "token": preview["token"]}).json()
        operation = f"/api/jobs/bulk/{started['operation_id']}"
        eventually(lambda: api.get(operation).json()["state"] == "finished", within=60)
        errors = {item["job_id"]: item["error"] for item in api.get(operation).json()["items"]}
        assert errors == {inner: refused, outer: None}

        assert job(api, outer, status="failed", state="cancelled")["error"] == "Cancelled by user"
        assert prefect.state(inner) != "CANCELLING"


@pytest.mark.timeout(240)
def test_a_job_of_the_kit_inside_a_process_of_another_stops_alone(
    api: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    with PrefectApi.of(stack) as prefect:
        outer = prefect.start(prefect.deploy(FLOWS, "outermost", name="nested"), folder=str(tmp_path), kit=True)
        eventually((tmp_path / "at-work").exists, within=90)
        inner = inner_job(api, "inner-kit")
        eventually(lambda: job(api, inner)["stoppable"] == "cooperative", within=30)
        assert api.post(f"/api/jobs/{inner}/cancel").status_code == 200
        assert job(api, inner, status="failed", state="cancelled")["error"] == "Cancelled by user"
        eventually((tmp_path / "went-on").exists, within=30)
        prefect.wait_for(outer, "COMPLETED", "FAILED", "CANCELLED")
