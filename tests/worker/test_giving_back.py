"""Giving a run back to the queue, on a real server: what waits there afterwards, and whether a worker is offered it."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import State, flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import AwaitingRetry, Completed, Crashed, Pending, Running

from prefect_jobs.worker.giving_back import end_is_untold, give_back
from tests.stack import Stack

POOL = "given-back"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@flow(name="given-back")
def given_back() -> None:
    """Only its name is used."""


class Queue:
    """A pool that nobody serves, and runs in it."""

    def __init__(self, client: PrefectClient, deployment: UUID) -> None:
        self.client = client
        self._deployment = deployment

    async def run_in(self, *states: State[Any], retry_type: str | None = None) -> UUID:
        run = await self.client.create_flow_run_from_deployment(self._deployment)
        for state in states:
            await self.client.set_flow_run_state(run.id, state)
        if retry_type:
            policy = run.empirical_policy.model_copy(update={"retry_type": retry_type})
            await self.client.update_flow_run(run.id, empirical_policy=policy)
        return run.id

    async def give_back(self, run: UUID, *, since: datetime = LONG_AGO, seen: UUID | None = None) -> bool:
        return await give_back(self.client, run, "given back", since=since, seen=seen)

    async def name_of_state(self, run: UUID) -> str | None:
        state = (await self.client.read_flow_run(run)).state
        return state.name if state else None

    async def offered(self) -> set[UUID]:
        return {found.flow_run.id for found in await self.client.get_scheduled_flow_runs_for_work_pool(POOL)}


@pytest.fixture
async def queue(stack: Stack) -> AsyncGenerator[Queue]:
    async with PrefectClient(stack.prefect_api_url) as client:
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        flow_id = await client.create_flow(given_back)
        yield Queue(client, await client.create_deployment(flow_id=flow_id, name="nobody", work_pool_name=POOL))


@pytest.mark.parametrize(
    ("states", "name"),
    [([Pending()], "Scheduled"), ([Pending(), Running()], "AwaitingRetry"), ([Running(), Crashed()], "AwaitingRetry")],
    ids=["not begun", "begun", "its end was taken for a crash"],
)
async def test_a_run_that_was_taken_waits_for_the_next_worker(queue: Queue, states: list[Any], name: str) -> None:
    run = await queue.run_in(*states)

    assert await queue.give_back(run)

    assert await queue.name_of_state(run) == name
    assert run in await queue.offered()


async def test_a_run_that_waited_for_a_retry_in_its_process_is_offered_to_workers_again(queue: Queue) -> None:
    """Prefect offers no worker a run that ever waited inside its own process, so it would have waited for ever."""
    for states in ([Running()], [Running(), AwaitingRetry()]):
        run = await queue.run_in(*states, retry_type="in_process")
        assert run not in await queue.offered()

        assert await queue.give_back(run)

        assert run in await queue.offered()


async def test_a_run_that_has_ended_or_that_somebody_stops_stays_as_it_is(queue: Queue) -> None:
    done = await queue.run_in(Running(), Completed())
    crashed = await queue.run_in(Running(), Crashed())

    assert not await queue.give_back(done)
    assert not await queue.give_back(crashed, since=datetime.now(UTC))  # it crashed before its worker was told to stop
    assert not await queue.give_back(uuid4())

    assert await queue.name_of_state(done) == "Completed"
    assert await queue.name_of_state(crashed) == "Crashed"


async def test_the_end_of_a_process_is_told_once(queue: Queue) -> None:
    """Prefect's worker says Crashed a second time, half a second later: a retry in between was lost."""
    again = AwaitingRetry()
    for states, earlier, untold in (
        ([Pending()], 0, True),
        ([Pending(), Running()], 0, True),
        ([Pending(), Running(), Crashed()], 0, False),
        ([Pending(), Running(), Crashed(), again], 0, False),
        ([Pending(), Running(), Crashed(), again, Pending()], 0, False),
        ([Pending(), Running(), Crashed(), again, Pending(), Running()], 0, False),
        ([Pending(), Running(), Crashed(), again, Pending(), Running()], 1, True),
    ):
        run = await queue.run_in(*states)
        assert await end_is_untold(queue.client, run, earlier_attempts=earlier) == untold, states
    assert not await end_is_untold(queue.client, uuid4(), earlier_attempts=0)


async def test_a_run_that_has_moved_on_since_it_was_seen_is_left_alone(queue: Queue) -> None:
    run = await queue.run_in(Pending())
    seen = (await queue.client.read_flow_run(run)).state
    assert seen is not None
    await queue.client.set_flow_run_state(run, Running())

    assert not await queue.give_back(run, seen=seen.id)

    assert await queue.name_of_state(run) == "Running"
