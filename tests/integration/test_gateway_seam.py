"""The seam to Prefect: what the adapter relies on holds for the shipped fake and for a real server alike."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import LogCreate
from prefect.events.clients import PrefectEventsClient
from prefect.events.schemas.events import Event, Resource
from prefect.states import Completed, Failed, Pending, Running

from prefect_jobs.gateway import PAGE, Gateway, NoDeployment, PrefectUnavailable, RunEvent
from prefect_jobs.gateway.fake import FakePrefect, a_run
from prefect_jobs.gateway.prefect import PrefectGateway
from prefect_jobs.report_names import PROGRESS_EVENT, PROGRESS_LABEL
from tests.stack import Stack

STATES = {"PENDING": Pending, "RUNNING": Running, "COMPLETED": Completed, "FAILED": Failed}


class World(Protocol):
    """A Prefect in which things happen, and the gateway through which the adapter sees them."""

    gateway: Gateway

    async def new_run(self) -> str: ...
    async def move(self, run_id: str, state_type: str, message: str | None = None) -> None: ...
    async def report(self, run_id: str, percent: int) -> None: ...
    async def log(self, run_id: str, messages: list[str], *, timestamp: datetime | None = None) -> None: ...
    async def delete(self, run_id: str) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.prefect = FakePrefect()
        self.gateway: Gateway = self.prefect

    async def new_run(self) -> str:
        return self.prefect.put(a_run("PENDING", flow="seam")).id

    async def move(self, run_id: str, state_type: str, message: str | None = None) -> None:
        [old] = await self.prefect.read_runs([run_id])
        moved = a_run(state_type, flow="seam", id=run_id, created_at=old.created_at, state_message=message)
        self.prefect.put(replace(moved, progress=old.progress))

    async def report(self, run_id: str, percent: int) -> None:
        self.prefect.report(run_id, percent)

    async def log(self, run_id: str, messages: list[str], *, timestamp: datetime | None = None) -> None:
        for message in messages:
            self.prefect.log(run_id, message, timestamp=timestamp)

    async def delete(self, run_id: str) -> None:
        self.prefect.delete(run_id)


@flow(name="seam")
def seam() -> None:
    """Only its name is used."""


class RealWorld:
    def __init__(self, client: PrefectClient, events: PrefectEventsClient, gateway: Gateway) -> None:
        self.client = client
        self.events = events
        self.gateway = gateway

    async def new_run(self) -> str:
        return str((await self.client.create_flow_run(seam, state=Pending())).id)

    async def move(self, run_id: str, state_type: str, message: str | None = None) -> None:
        await self.client.set_flow_run_state(UUID(run_id), STATES[state_type](message=message))

    async def report(self, run_id: str, percent: int) -> None:
        payload = {"percent": percent, "message": None, "attempt": 1, "at": datetime.now(UTC).isoformat()}
        resource = Resource({"prefect.resource.id": f"prefect.flow-run.{run_id}"})
        await self.events.emit(Event(event=PROGRESS_EVENT, resource=resource, payload=payload))

    async def log(self, run_id: str, messages: list[str], *, timestamp: datetime | None = None) -> None:
        lines = [
            LogCreate(
                name="seam",
                level=20,
                message=message,
                timestamp=cast("Any", timestamp or datetime.now(UTC)),
                flow_run_id=UUID(run_id),
            )
            for message in messages
        ]
        await self.client.create_logs(lines)

    async def delete(self, run_id: str) -> None:
        await self.client.delete_flow_run(UUID(run_id))


@asynccontextmanager
async def real_world(api_url: str) -> AsyncGenerator[RealWorld]:
    async with (
        PrefectClient(api_url) as client,
        PrefectEventsClient(api_url=api_url) as events,
        PrefectGateway.connect(api_url) as gateway,
    ):
        yield RealWorld(client, events, gateway)


@pytest.fixture(params=["fake", "prefect"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    stack: Stack = request.getfixturevalue("stack")
    async with real_world(stack.prefect_api_url) as real:
        yield real


async def test_a_run_is_read_by_its_id_in_its_current_state(world: World) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    [run] = await world.gateway.read_runs([run_id])
    assert (run.id, run.flow_name, run.state_type, run.run_count) == (run_id, "seam", "RUNNING", 1)
    assert run.started_at is not None
    assert run.ended_at is None
    await world.move(run_id, "FAILED", "Flow run encountered an exception: ValueError: disk full")
    [run] = await world.gateway.read_runs([run_id])
    assert run.state_message == "Flow run encountered an exception: ValueError: disk full"
    assert run.ended_at is not None


async def test_a_run_that_does_not_exist_is_simply_not_there(world: World) -> None:
    assert await world.gateway.read_runs([str(uuid4())]) == []
    assert await world.gateway.read_runs(["no-uuid-at-all"]) == []
    assert await world.gateway.read_runs([]) == []


async def test_a_deleted_run_is_gone(world: World) -> None:
    run_id = await world.new_run()
    await world.delete(run_id)
    assert await world.gateway.read_runs([run_id]) == []


async def test_active_runs_are_those_that_have_not_ended(world: World) -> None:
    active, ended = await world.new_run(), await world.new_run()
    await world.move(ended, "COMPLETED")
    found = {run.id for run in await world.gateway.active_runs(due_before=datetime.now(UTC), offset=0)}
    assert active in found
    assert ended not in found


async def test_all_runs_come_in_pages_in_a_stable_order(world: World) -> None:
    ids = {await world.new_run() for _ in range(3)}
    first = [run.id for run in await world.gateway.all_runs(offset=0)]
    assert ids <= set(first)
    assert first == sorted(first, reverse=True)
    assert [run.id for run in await world.gateway.all_runs(offset=1)][: len(first) - 1] == first[1:]


async def test_a_later_reading_says_that_it_is_later(world: World) -> None:
    run_id = await world.new_run()
    [first] = await world.gateway.read_runs([run_id])
    [second] = await world.gateway.read_runs([run_id])
    assert second.read_order > first.read_order


async def test_starting_what_nobody_deployed_is_refused_by_name(world: World) -> None:
    with pytest.raises(NoDeployment, match="No deployment can run jobs of type no-such-type"):
        await world.gateway.start_run("no-such-type", {})


async def test_the_names_of_flows_are_listed_in_order(world: World) -> None:
    await world.new_run()
    names = await world.gateway.flow_names()
    assert "seam" in names
    assert names == sorted(names)


async def test_log_lines_come_by_time_from_a_time_on_in_pages(world: World) -> None:
    run_id = await world.new_run()
    now = datetime.now(UTC)
    for start in range(0, PAGE + 10, 70):
        for number in range(start, start + 70):
            await world.log(run_id, [f"line {number:03}"], timestamp=now + timedelta(milliseconds=number))
    first = await world.gateway.read_logs(run_id, after=None, offset=0)
    assert [line.message for line in first] == [f"line {number:03}" for number in range(PAGE)]
    rest = await world.gateway.read_logs(run_id, after=first[-1].timestamp, offset=0)
    assert rest[0] == first[-1]
    assert len({line.id for line in [*first, *rest]}) == len(first) + len(rest) - 1
    assert await world.gateway.read_logs("no-uuid-at-all", after=None, offset=0) == []


async def _next(events: AsyncIterator[RunEvent], matches: Callable[[RunEvent], bool]) -> RunEvent:
    async with asyncio.timeout(20):
        async for event in events:
            if matches(event):
                return event
    raise AssertionError("the stream ended")


async def test_a_subscriber_hears_of_states_and_of_progress(world: World) -> None:
    run_id = await world.new_run()
    async with world.gateway.subscribe() as events:
        await world.move(run_id, "RUNNING")
        told = await _next(events, lambda event: event.run_id == run_id and event.state_id is not None)
        [run] = await world.gateway.read_runs([run_id])
        while told.state_id != run.state_id:  # the stream may begin with the state of before
            told = await _next(events, lambda event: event.run_id == run_id and event.state_id is not None)
        await world.report(run_id, 38)
        told = await _next(events, lambda event: event.run_id == run_id and event.progress is not None)
        assert told.progress is not None
        assert (told.progress.percent, told.progress.attempt) == (38, 1)


async def test_stored_events_can_be_read_again(world: World) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    async with asyncio.timeout(20):
        while run_id not in {event.run_id for event in await world.gateway.events_since(before)}:
            await asyncio.sleep(0.05)


async def test_a_new_line_wakes_the_one_who_watches_its_run(world: World) -> None:
    run_id = await world.new_run()
    async with world.gateway.log_wakeups(run_id) as ticks, asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(ticks))
        while not waiting.done():
            # The socket has no past: a line from before it listens is never announced.
            await world.log(run_id, ["wake up"])
            await asyncio.wait([waiting], timeout=0.2)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with PrefectGateway.connect("http://127.0.0.1:9/api") as gateway:
        with pytest.raises(PrefectUnavailable, match=r"127\.0\.0\.1:9"):
            await gateway.read_runs([str(uuid4())])
        with pytest.raises(PrefectUnavailable):
            async with gateway.subscribe():
                pass


async def test_the_label_of_a_real_run_carries_its_progress(stack: Stack) -> None:
    async with real_world(stack.prefect_api_url) as world:
        await _check_label(world)


async def _check_label(world: RealWorld) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    text = '{"percent": 40, "message": "from the label", "attempt": 1, "at": "2026-03-04T08:15:00.000001+00:00"}'
    await world.client.update_flow_run_labels(UUID(run_id), {PROGRESS_LABEL: text})
    [run] = await world.gateway.read_runs([run_id])
    assert run.progress is not None
    assert (run.progress.percent, run.progress.message) == (40, "from the label")
