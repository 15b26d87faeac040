"""A deployment's limit holds on the embedded server, whose database has one connection; its places are handed on."""

from collections.abc import Generator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests import naps
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

NAPS = Path(naps.__file__)


@pytest.fixture
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


def _at_work(prefect: PrefectApi, run: str) -> tuple[datetime, datetime]:
    """From when to when a run held its place."""
    states = {state["type"]: datetime.fromisoformat(state["timestamp"]) for state in reversed(prefect.states(run))}
    return states["PENDING"], states["COMPLETED"]


def test_two_runs_of_a_deployment_with_one_place_are_never_at_work_at_once(prefect: PrefectApi) -> None:
    deployment = prefect.deploy(NAPS, "naps", name="one-at-a-time", concurrency_limit=1)
    runs = [prefect.start(deployment, seconds=0.5) for _ in range(3)]

    for run in runs:
        assert prefect.wait_for(run, "COMPLETED", "FAILED", "CRASHED", "CANCELLED", within=90) == "COMPLETED"

    for (_, ended), (began, _) in pairwise(sorted(_at_work(prefect, run) for run in runs)):
        assert ended <= began
        assert (began - ended).total_seconds() < 5  # Prefect's own worker looks again after half a minute
    for run in runs:  # nobody asked for a place that there was not
        assert [state["name"] for state in prefect.states(run) if state["type"] == "SCHEDULED"] in (
            ["Scheduled"],
            ["Scheduled", "Late"],
        )


@pytest.mark.timeout(240)
def test_a_place_is_kept_while_the_server_restarts(stack: Stack, api: httpx.Client, prefect: PrefectApi) -> None:
    """Prefect keeps in its memory who holds a place. After a restart it knew of none, and a job that asked to keep its
    own was ended."""
    deployment = prefect.deploy(NAPS, "naps", name="kept", concurrency_limit=1)
    holder = prefect.start(deployment, seconds=600)
    prefect.wait_for_line(holder, "asleep")
    lease = prefect.get(f"/flow_runs/{holder}")["state"]["state_details"]["deployment_concurrency_lease_id"]

    stack.kill("prefect")
    eventually(lambda: prefect.http.get("/health").is_success, within=90)

    assert prefect.http.post(f"/v2/concurrency_limits/leases/{lease}/renew", json={}).status_code == 204
    waiting = prefect.start(deployment)
    stack.wait_ready()
    limit = prefect.get(f"/deployments/{deployment}")["global_concurrency_limit"]
    assert (limit["limit"], limit["active_slots"]) == (1, 1)
    assert api.post(f"/api/jobs/{holder}/cancel").is_success
    assert prefect.wait_for(holder, "CANCELLED", "CRASHED") == "CANCELLED"
    assert prefect.wait_for(waiting, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"
    assert prefect.state(holder) == "CANCELLED"
