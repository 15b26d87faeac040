"""A job that comes to its own end while its worker kills it keeps that end."""

from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Completed, Running

from prefect_jobs.worker.cancelling import has_ended


class OneRunAtPrefect:
    """A server with one run at most, whose state may be written by force."""

    def __init__(self, state: State[Any] | None) -> None:
        self.run = FlowRun(id=uuid4(), flow_id=uuid4(), state=state)

    async def read_flow_run(self, _run_id: UUID) -> FlowRun:
        if self.run.state is None:
            raise ObjectNotFound(Exception("deleted"))
        return self.run


@pytest.mark.parametrize(
    ("state", "ended"), [(Cancelling(), False), (Running(), False), (Completed(), True), (None, True)]
)
async def test_a_run_that_came_to_its_end_is_not_cancelled_any_more(state: State[Any] | None, ended: bool) -> None:
    """Prefect's runner wrote Cancelled over Completed, by force, ten seconds after the job had returned: a job that was
    completed read cancelled."""
    server = OneRunAtPrefect(state)
    assert await has_ended(cast("PrefectClient", server), server.run.id) == ended
