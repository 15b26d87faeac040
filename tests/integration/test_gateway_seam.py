"""The seam to Prefect: what the adapter relies on holds for the shipped fake and for a real server alike."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

import pytest
from prefect import State, flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import LogCreate, WorkPoolCreate
from prefect.events.clients import PrefectEventsClient
from prefect.events.schemas.events import Event, Resource
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Cancelled, Completed, Failed, Pending, Running, Scheduled

from prefect_jobs.gateway import (
    PAGE,
    START,
    Bookmark,
    DeployedFlow,
    Deployment,
    Gateway,
    NoDeployment,
    NothingRunsIt,
    PrefectUnavailable,
    RunEvent,
    RunGone,
    RunPage,
    StartRefused,
    StateRefused,
)
from prefect_jobs.gateway.fake import FakePrefect, a_run
from prefect_jobs.gateway.outlook import Places, Way
from prefect_jobs.gateway.prefect import HEARTBEAT, PrefectGateway
from prefect_jobs.gateway.transitions import RunTransitions
from prefect_jobs.report_names import PROGRESS_EVENT, PROGRESS_LABEL, TITLE_LABEL
from tests.stack import Stack

STATES = {"PENDING": Pending, "RUNNING": Running, "COMPLETED": Completed, "FAILED": Failed}


class World(Protocol):
    """A Prefect in which things happen, and the gateway through which the adapter sees them."""

    gateway: Gateway

    async def new_run(self) -> str: ...
    async def move(self, run_id: str, state_type: str, message: str | None = None) -> None: ...
    async def report(self, run_id: str, percent: int) -> None: ...
    async def log(
        self, run_id: str, messages: list[str], *, timestamp: datetime | None = None, level: int = 20
    ) -> None: ...
    async def beat(self, run_id: str, at: datetime) -> None: ...
    async def deploy(self) -> None: ...
    async def queue_up(self) -> str:
        """A run in the work pool `seam`, which nobody serves, of a deployment with one place."""
        ...

    async def delete(self, run_id: str) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.prefect = FakePrefect(deployed=[DeployedFlow("seam", (Deployment("1", "nobody"),))])
        self.gateway: Gateway = self.prefect

    async def new_run(self) -> str:
        return self.prefect.put(a_run("PENDING", flow="seam")).id

    async def move(self, run_id: str, state_type: str, message: str | None = None) -> None:
        [old] = await self.prefect.read_runs([run_id])
        moved = a_run(state_type, flow="seam", id=run_id, created_at=old.created_at, state_message=message)
        self.prefect.put(
            replace(moved, progress=old.progress, deployment_id=old.deployment_id, pool_name=old.pool_name)
        )

    async def report(self, run_id: str, percent: int) -> None:
        self.prefect.report(run_id, percent)

    async def log(
        self, run_id: str, messages: list[str], *, timestamp: datetime | None = None, level: int = 20
    ) -> None:
        for message in messages:
            self.prefect.log(run_id, message, timestamp=timestamp, level=level)

    async def beat(self, run_id: str, at: datetime) -> None:
        self.prefect.beat(run_id, at)

    async def deploy(self) -> None:
        """Done already."""

    async def queue_up(self) -> str:
        self.prefect.pools["seam"] = Way("seam")
        self.prefect.places["1"] = Places("seam/limited", limit=1)
        return self.prefect.put(a_run("SCHEDULED", flow="seam", pool_name="seam", deployment_id="1")).id

    async def delete(self, run_id: str) -> None:
        self.prefect.delete(run_id)


@flow(name="seam")
def seam() -> None:
    """Only its name is used."""


class RealWorld:
    def __init__(self, client: PrefectClient, events: PrefectEventsClient, prefect: PrefectGateway) -> None:
        self.client = client
        self.events = events
        self.prefect = prefect
        self.gateway: Gateway = prefect

    async def new_run(self) -> str:
        return str((await self.client.create_flow_run(seam, state=Pending())).id)

    async def move(self, run_id: str, state_type: str, message: str | None = None) -> None:
        await self.client.set_flow_run_state(UUID(run_id), STATES[state_type](message=message))

    async def report(self, run_id: str, percent: int) -> None:
        payload = {"percent": percent, "message": None, "attempt": 1, "at": datetime.now(UTC).isoformat()}
        resource = Resource({"prefect.resource.id": f"prefect.flow-run.{run_id}"})
        await self.events.emit(Event(event=PROGRESS_EVENT, resource=resource, payload=payload))

    async def log(
        self, run_id: str, messages: list[str], *, timestamp: datetime | None = None, level: int = 20
    ) -> None:
        lines = [
            LogCreate(
                name="seam",
                level=level,
                message=message,
                timestamp=cast("Any", timestamp or datetime.now(UTC)),
                flow_run_id=UUID(run_id),
            )
            for message in messages
        ]
        await self.client.create_logs(lines)

    async def beat(self, run_id: str, at: datetime) -> None:
        resource = Resource({"prefect.resource.id": f"prefect.flow-run.{run_id}"})
        await self.events.emit(Event(occurred=cast("Any", at), event=HEARTBEAT, resource=resource))

    async def deploy(self) -> None:
        """A deployment that no worker serves."""
        await self.client.create_deployment(flow_id=await self.client.create_flow(seam), name="nobody")

    async def queue_up(self) -> str:
        with suppress(ObjectAlreadyExists):
            await self.client.create_work_pool(WorkPoolCreate(name="seam", type="process"))
        deployment = await self.client.create_deployment(
            flow_id=await self.client.create_flow(seam), name="limited", work_pool_name="seam", concurrency_limit=1
        )
        return str((await self.client.create_flow_run_from_deployment(deployment, state=Scheduled())).id)

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


async def every(read: Callable[[Bookmark], Awaitable[RunPage]]) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    at: Bookmark | None = START
    while at is not None:
        page = await read(at)
        found += [run.id for run in page.runs]
        at = page.next
    return found


async def test_active_runs_are_those_that_have_not_ended(world: World) -> None:
    active, ended = await world.new_run(), await world.new_run()
    await world.move(ended, "COMPLETED")
    now = datetime.now(UTC)
    found = await every(lambda at: world.gateway.active_runs(due_before=now, at=at))
    assert active in found
    assert ended not in found


async def test_the_pages_hold_every_run_however_many_there_are(world: World) -> None:
    ids = {await world.new_run() for _ in range(PAGE + 3)}
    found = await every(lambda at: world.gateway.all_runs(at=at))
    assert ids <= set(found)
    # Pages overlap by the runs of the moment at which one ends, and by the last look at the other end.
    assert len(found) <= len(set(found)) + PAGE + 3


async def test_a_later_reading_says_that_it_is_later(world: World) -> None:
    run_id = await world.new_run()
    [first] = await world.gateway.read_runs([run_id])
    [second] = await world.gateway.read_runs([run_id])
    assert second.read_order > first.read_order


async def test_starting_what_nobody_deployed_is_refused_by_name(world: World) -> None:
    with pytest.raises(NoDeployment, match="No deployment can run jobs of type no-such-type"):
        await world.gateway.start_run("no-such-type", {})


async def test_flows_are_listed_by_name_with_what_can_run_them(world: World) -> None:
    await world.new_run()
    await world.deploy()
    found = await world.gateway.flows()
    assert [flow.name for flow in found] == sorted(flow.name for flow in found)
    [seam] = [flow for flow in found if flow.name == "seam"]
    assert [deployment.name for deployment in seam.deployments] == ["nobody"]
    assert seam.deployment() == seam.deployment("nobody")
    assert seam.deployment("no such") is None


async def test_the_title_of_a_type_is_learnt_from_its_runs(stack: Stack) -> None:
    async with real_world(stack.prefect_api_url) as world:
        run_id = await world.new_run()
        await world.client.update_flow_run_labels(UUID(run_id), {TITLE_LABEL: "Seams"})
        await world.gateway.read_runs([run_id])
        assert [flow.title for flow in await world.gateway.flows() if flow.name == "seam"] == ["Seams"]


async def test_a_run_is_started_with_what_differs_and_says_who_asked(world: World) -> None:
    await world.deploy()
    later = datetime.now(UTC) + timedelta(hours=1)
    run = await world.gateway.start_run("seam", {"size": 5}, deployment="nobody", run_at=later, by="alice")
    assert (run.flow_name, run.state_type, run.scheduled_for) == ("seam", "SCHEDULED", later)
    [read] = await world.gateway.read_runs([run.id])
    assert (read.parameters, read.created_through_api, read.created_by) == ({"size": 5}, True, "alice")
    with pytest.raises(NoDeployment):
        await world.gateway.start_run("seam", {}, deployment="no such")


async def test_a_second_start_with_the_same_key_finds_the_first_run(world: World) -> None:
    await world.deploy()
    key = str(uuid4())
    first, second = [await world.gateway.start_run("seam", {}, idempotency_key=key) for _ in range(2)]
    other = await world.gateway.start_run("seam", {}, idempotency_key=f"{key}!")
    assert first.id == second.id != other.id


async def test_a_job_that_has_nothing_to_do_is_made_as_completed(world: World) -> None:
    await world.deploy()
    made = await world.gateway.start_run("seam", {"size": 5}, by="alice", result={"total": 0})
    [run] = await world.gateway.read_runs([made.id])
    for seen in (made, run):
        assert (seen.state_type, seen.result, seen.has_result, seen.run_count) == ("COMPLETED", {"total": 0}, True, 0)
    assert run.ended_at is not None
    assert (run.parameters, run.created_by) == ({"size": 5}, "alice")


async def test_every_state_of_a_run_is_told_oldest_first(world: World) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    await world.move(run_id, "FAILED", "Flow run encountered an exception: ValueError: x")
    states = await world.gateway.states(run_id)
    assert [state.type for state in states] == ["PENDING", "RUNNING", "FAILED"]
    [run] = await world.gateway.read_runs([run_id])
    assert (states[-1].id, states[-1].message) == (run.state_id, run.state_message)
    assert states == sorted(states, key=lambda state: state.timestamp)
    assert await world.gateway.states(str(uuid4())) == []
    assert await world.gateway.states("no-uuid-at-all") == []


async def test_a_run_without_a_process_is_cancelled_at_once(world: World) -> None:
    await world.deploy()
    scheduled = (await world.gateway.start_run("seam", {})).id
    for run_id in (await world.new_run(), scheduled):
        written = await world.gateway.cancel(run_id, "by alice")
        [run] = await world.gateway.read_runs([run_id])
        assert (run.state_type, run.state_name, run.state_message) == ("CANCELLED", "Cancelled", "by alice")
        assert run.state_id == written.id
        assert run.ended_at is not None


async def test_a_running_run_gets_prefects_own_cancel_once(world: World) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    first = await world.gateway.cancel(run_id, "by alice")
    second = await world.gateway.cancel(run_id, "by bob")
    assert (first.type, first.name, first.id) == ("CANCELLING", "Cancelling", second.id)
    [run] = await world.gateway.read_runs([run_id])
    assert run.state_id == first.id


async def test_a_running_run_of_the_kit_is_asked_to_stop_once(world: World) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    first = await world.gateway.cancel(run_id, "by alice", cooperative=True)
    second = await world.gateway.cancel(run_id, "by bob", cooperative=True)
    assert (first.type, first.name, first.id) == ("CANCELLING", "Stopping", second.id)


async def test_an_abort_is_asked_once_of_a_run_at_work_and_of_one_that_is_stopping(world: World) -> None:
    for stops_already in (False, True):
        run_id = await world.new_run()
        await world.move(run_id, "RUNNING")
        if stops_already:
            await world.gateway.cancel(run_id, "by alice", cooperative=True)
        first = await world.gateway.abort(run_id, "by bob")
        second = await world.gateway.abort(run_id, "by carol")
        assert (first.type, first.name, first.id) == ("CANCELLING", "Aborting", second.id)
        [run] = await world.gateway.read_runs([run_id])
        assert (run.state_id, run.state_message) == (first.id, "by bob")


async def test_a_run_that_has_not_begun_or_has_ended_is_not_aborted(world: World) -> None:
    waiting, ended = await world.new_run(), await world.new_run()
    await world.move(ended, "COMPLETED")
    for run_id in (waiting, ended):
        before = (await world.gateway.read_runs([run_id]))[0].state_id
        with pytest.raises(StateRefused):
            await world.gateway.abort(run_id, "by bob")
        assert (await world.gateway.read_runs([run_id]))[0].state_id == before


async def test_a_run_that_ended_is_not_cancelled(world: World) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "COMPLETED")
    with pytest.raises(StateRefused):
        await world.gateway.cancel(run_id, "too late")
    [run] = await world.gateway.read_runs([run_id])
    assert run.state_type == "COMPLETED"


async def test_a_failed_run_of_a_deployment_is_queued_again_and_no_other(world: World) -> None:
    await world.deploy()
    run_id = (await world.gateway.start_run("seam", {})).id
    with pytest.raises(StateRefused):
        await world.gateway.retry(run_id, "by alice")
    await world.move(run_id, "RUNNING")
    await world.move(run_id, "FAILED")
    await world.gateway.retry(run_id, "by alice")
    [run] = await world.gateway.read_runs([run_id])
    assert (run.state_type, run.state_name, run.state_message) == ("SCHEDULED", "AwaitingRetry", "by alice")
    alone = await world.new_run()
    await world.move(alone, "FAILED")
    with pytest.raises(NothingRunsIt):
        await world.gateway.retry(alone, "by alice")


@pytest.mark.parametrize("run_id", [str(uuid4()), "no-uuid-at-all"])
async def test_a_run_that_is_not_there_cannot_be_acted_on(world: World, run_id: str) -> None:
    with pytest.raises(RunGone):
        await world.gateway.cancel(run_id, "")
    with pytest.raises(RunGone):
        await world.gateway.retry(run_id, "")
    await world.gateway.delete_run(run_id)


async def test_a_running_run_ends_as_crashed_unless_it_moved_on(world: World) -> None:
    run_id = await world.new_run()
    await world.move(run_id, "RUNNING")
    seen = (await world.gateway.states(run_id))[-1].id
    with pytest.raises(StateRefused):
        await world.gateway.crash(run_id, "gone", seen=str(uuid4()))
    written = await world.gateway.crash(run_id, "gone", seen=seen)
    assert (written.type, written.name, written.message) == ("CRASHED", "Crashed", "gone")
    with pytest.raises(StateRefused):
        await world.gateway.crash(run_id, "gone", seen=seen)
    with pytest.raises(RunGone):
        await world.gateway.crash(str(uuid4()), "gone", seen=seen)


async def test_the_last_two_signs_of_life_of_a_run_are_told(world: World) -> None:
    run_id, other = await world.new_run(), await world.new_run()
    assert await world.gateway.heartbeats(run_id) == []
    now = datetime.now(UTC).replace(microsecond=0)
    beats = [now - timedelta(seconds=seconds) for seconds in (120, 60, 0)]
    for at in beats:
        await world.beat(run_id, at)
    await world.beat(other, now)
    async with asyncio.timeout(20):
        while await world.gateway.heartbeats(run_id) != [beats[2], beats[1]]:
            await asyncio.sleep(0.05)


async def test_a_run_is_deleted(world: World) -> None:
    run_id = await world.new_run()
    await world.gateway.delete_run(run_id)
    assert await world.gateway.read_runs([run_id]) == []


async def test_the_lines_of_all_runs_are_told_by_time_with_the_run_of_each(world: World) -> None:
    one, other = await world.new_run(), await world.new_run()
    now = datetime.now(UTC) + timedelta(minutes=5)
    await world.log(one, ["long before"], timestamp=now - timedelta(seconds=20))
    await world.log(one, ["first"], timestamp=now)
    await world.log(other, ["second"], timestamp=now + timedelta(seconds=1))
    lines = await world.gateway.logs_of_all(after=now - timedelta(seconds=10), offset=0)
    assert [(line.run_id, line.message) for line in lines] == [(one, "first"), (other, "second")]
    assert len({line.id for line in lines}) == 2
    rest = await world.gateway.logs_of_all(after=now - timedelta(seconds=10), offset=1)
    assert [line.message for line in rest] == ["second"]


async def test_the_last_errors_of_a_log_come_newest_first(world: World) -> None:
    run_id = await world.new_run()
    now = datetime.now(UTC)
    await world.log(run_id, ["an info"], timestamp=now)
    for number in range(3):
        await world.log(run_id, [f"error {number}"], timestamp=now + timedelta(seconds=number), level=40)
    found = await world.gateway.last_errors(run_id)
    assert [line.message for line in found] == ["error 2", "error 1", "error 0"]
    assert await world.gateway.last_errors("no-uuid-at-all") == []


async def test_a_queue_that_is_not_there_has_no_priority(world: World) -> None:
    assert await world.gateway.queue_priority(str(uuid4())) is None


async def test_what_is_around_a_waiting_run_is_read_at_once(world: World) -> None:
    run_id, other = await world.queue_up(), await world.queue_up()
    await world.move(other, "RUNNING")

    found = await world.gateway.outlook(run_id)

    assert found.run.id == run_id
    assert found.pool == Way("seam")
    assert found.deployment is not None
    assert (found.deployment.name, found.deployment.limit, found.deployment.served) == ("seam/limited", 1, False)
    assert (found.workers, [run.id for run in found.at_work]) == ((), [other])


async def test_a_run_that_is_not_there_has_no_outlook(world: World) -> None:
    with pytest.raises(RunGone):
        await world.gateway.outlook(str(uuid4()))


class Overtaken:
    """Prefect's API in front of which a run moves on, just before a state is written."""

    def __init__(self, gateway: PrefectGateway, client: PrefectClient, state: State[Any]) -> None:
        self.gateway = gateway
        self._client = client
        self._state: State[Any] | None = state
        self._ask = gateway._ask  # pyright: ignore[reportPrivateUsage]  # the one place where all requests pass

    async def __call__(self, method: str, path: str, *, patient: bool = False, **options: Any) -> Any:
        if path.endswith("/set_state") and self._state is not None:
            state, self._state = self._state, None
            await self._client.set_flow_run_state(UUID(path.split("/")[2]), state)
        return await self._ask(method, path, patient=patient, **options)


async def test_a_run_that_began_while_it_was_cancelled_as_pending_is_stopped_like_a_running_one(stack: Stack) -> None:
    """Prefect has no "only if it is still pending": a Cancelled over a Running one leaves its process at work."""
    async with real_world(stack.prefect_api_url) as world:
        run_id = await world.new_run()
        written = await RunTransitions(Overtaken(world.prefect, world.client, Running())).cancel(run_id, "by alice")
        assert (written.type, written.name) == ("CANCELLING", "Cancelling")
        [run] = await world.gateway.read_runs([run_id])
        assert run.state_id == written.id


async def test_a_run_that_ended_while_it_was_cancelled_as_pending_keeps_its_end(stack: Stack) -> None:
    async with real_world(stack.prefect_api_url) as world:
        run_id = await world.new_run()
        ended = Completed(message="all done")
        with pytest.raises(StateRefused):
            await RunTransitions(Overtaken(world.prefect, world.client, ended)).cancel(run_id, "by alice")
        [run] = await world.gateway.read_runs([run_id])
        assert (run.state_type, run.state_message) == ("COMPLETED", "all done")


async def test_a_run_that_ended_while_its_cancel_became_an_abort_keeps_its_end(stack: Stack) -> None:
    """Prefect takes Aborting over Stopping by force only, and force raises an ended run from the dead."""
    async with real_world(stack.prefect_api_url) as world:
        run_id = await world.new_run()
        await world.move(run_id, "RUNNING")
        await world.gateway.cancel(run_id, "by alice", cooperative=True)
        stopped = Cancelled(message="by alice, at a checkpoint")
        with pytest.raises(StateRefused):
            await RunTransitions(Overtaken(world.prefect, world.client, stopped)).abort(run_id, "by bob")
        [run] = await world.gateway.read_runs([run_id])
        assert (run.state_type, run.state_message) == ("CANCELLED", "by alice, at a checkpoint")


async def test_parameters_that_prefect_does_not_take_are_refused_with_its_reason(stack: Stack) -> None:
    async with real_world(stack.prefect_api_url) as world:
        await world.deploy()
        with pytest.raises(StartRefused, match="hydrating"):
            await world.gateway.start_run("seam", {"size": {"__prefect_kind": "json", "value": "{"}})


async def test_prefect_does_not_run_the_patterns_of_a_schema_on_its_event_loop(stack: Stack) -> None:
    """It enforces a deployment's schema with an engine that backtracks: sixty letters, and it is gone."""
    evil = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}
    async with real_world(stack.prefect_api_url) as world:
        flow_id = await world.client.create_flow_from_name("slug")
        await world.client.create_deployment(
            flow_id, "nobody", parameter_openapi_schema=evil, enforce_parameter_schema=True
        )
        run = await world.gateway.start_run("slug", {"name": "a" * 60 + "!"})
        assert run.state_type == "SCHEDULED"
        await world.delete(run.id)


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


async def test_one_connection_tells_of_the_lines_of_several_runs_and_of_no_other(world: World) -> None:
    watched = [await world.new_run() for _ in range(3)]
    other = await world.new_run()
    heard: set[str] = set()
    async with world.gateway.log_wakeups(*watched, "no-uuid") as announced, asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(announced))
        while heard != set(watched):
            for run_id in (other, *watched):
                await world.log(run_id, ["wake up"])
            await asyncio.wait([waiting], timeout=0.2)
            if waiting.done():
                heard.add(waiting.result())
                assert heard <= set(watched)
                waiting = asyncio.ensure_future(anext(announced))
        waiting.cancel()


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
