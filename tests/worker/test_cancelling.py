"""A worker hears of a cancellation also where Prefect's events do not come, and leaves alone what stops by itself."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests import naps
from tests.lifecycle import subjects
from tests.line import EventsLine
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually
from tests.workers import Worker, deployments_stay, make_pool

NAPS, SUBJECTS = Path(naps.__file__), Path(subjects.__file__)
LOOKS_WITHIN = 13.0
"""Seconds in which Prefect's own observer would have looked."""


@pytest.fixture(scope="module")
def line(stack: Stack) -> Generator[EventsLine]:
    port = urlsplit(stack.prefect_api_url).port
    assert port is not None
    with closing(EventsLine(port)) as line:
        yield line


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Generator[PrefectApi]:
    with PrefectApi.of(stack) as prefect:
        yield prefect


@pytest.fixture(scope="module")
def pool(
    stack: Stack, prefect: PrefectApi, line: EventsLine, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    """A work pool whose worker is at the other end of the line."""
    pool = make_pool(prefect, "by-line")
    with deployments_stay(stack):
        worker = Worker(stack, tmp_path_factory.mktemp("by-line"), pool, PREFECT_API_URL=line.url)
        try:
            worker.wait_started()
            yield pool
        finally:
            worker.end()


def test_a_job_at_work_holds_no_more_than_two_sockets_open_at_the_server(
    api: httpx.Client, prefect: PrefectApi, line: EventsLine, pool: str
) -> None:
    """They were four: the worker opened an observer and an event client of its own for each job."""
    naps_of_nobody = prefect.deploy(NAPS, "naps", name="by-line", work_pool=pool)
    at_work = [prefect.start(naps_of_nobody, seconds=600)]
    prefect.wait_for_line(at_work[0], "asleep")
    with_one = line.sockets
    at_work += [prefect.start(naps_of_nobody, seconds=600) for _ in range(2)]
    for run in at_work[1:]:
        prefect.wait_for_line(run, "asleep")
    assert line.sockets - with_one <= 2 * 2
    for run in at_work:
        assert api.post(f"/api/jobs/{run}/cancel").is_success
    for run in at_work:
        assert prefect.wait_for(run, "CANCELLED", "CRASHED") == "CANCELLED"


def test_a_job_is_cancelled_although_its_event_was_lost_and_one_that_stops_is_left_alone(
    api: httpx.Client, prefect: PrefectApi, line: EventsLine, pool: str, tmp_path: Path
) -> None:
    """A cancelled flow of nobody's went on for ever where the server had restarted. After a longer outage Prefect's own
    observer looks by itself, and killed a job of the kit in the middle of the step that it was to finish."""
    nobodys = prefect.start(prefect.deploy(NAPS, "naps", name="by-line", work_pool=pool), seconds=600)
    prefect.wait_for_line(nobodys, "asleep")
    line.events = "silent"
    assert api.post(f"/api/jobs/{nobodys}/cancel").is_success
    assert prefect.wait_for(nobodys, "CANCELLED", "CRASHED") == "CANCELLED"

    line.events = "refused"
    deployment = prefect.deploy(SUBJECTS, "long_step", name="by-line", work_pool=pool)
    ours = prefect.start(deployment, folder=str(tmp_path), seconds=LOOKS_WITHIN + 5.0)
    eventually((tmp_path / "ready").exists, within=60)
    eventually(lambda: api.get(f"/api/jobs/{ours}").json()["stoppable"] == "cooperative")  # the adapter knows the kit
    assert api.post(f"/api/jobs/{ours}/cancel").is_success
    assert prefect.wait_for(ours, "CANCELLED", "CRASHED") == "CANCELLED"
    assert (tmp_path / "step-done").exists()
