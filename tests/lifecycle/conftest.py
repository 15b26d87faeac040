"""Jobs are stopped here, killed, and robbed of their servers: real processes, on a stack of this tier's own.

Its server loses patience with a run that is being cancelled after ten seconds instead of three hundred.
"""

from collections.abc import Generator

import httpx
import pytest

from tests.lifecycle.jobs import Jobs
from tests.prefect_api import PrefectApi
from tests.stack import Stack, running_stack

PATIENCE = 10.0
STOPPING = ("stopping", "aborting", "cancelling")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    patience = {"PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": str(PATIENCE)}
    with running_stack(tmp_path_factory.mktemp("lifecycle"), settings=patience) as running:
        yield running


@pytest.fixture(scope="session")
def jobs(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Generator[Jobs]:
    """Starts subjects on the stack. The last word of this tier: whatever was done to them, none is left in Stopping."""
    with PrefectApi.of(stack) as prefect, httpx.Client(base_url=stack.api_url, timeout=30) as api:
        jobs = Jobs(stack, prefect, api, tmp_path_factory.mktemp("jobs"))
        yield jobs
        found = api.get("/api/jobs", params={"state": ",".join(STOPPING), "limit": 100}).json()["items"]
        jobs.end_all()
        assert [(job["job_id"], job["job_type"], job["state"]) for job in found] == []
