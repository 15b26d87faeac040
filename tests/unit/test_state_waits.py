"""Waiting for a job's state: everybody it concerns is woken, nobody else, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from prefect_jobs.changes import ChangeHub
from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import running
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import JobIndex


@dataclass
class Stage:
    index: JobIndex
    hub: ChangeHub
    waits: StateWaits

    async def know(self, run: Run) -> Run:
        self.hub.publish(await self.index.apply([run], now=datetime.now(UTC)))
        return run

    def wait(self, run: Run, state: str, timeout: float = 10.0) -> "asyncio.Task[str | None]":
        async def waited() -> str | None:
            job = await self.waits.until_not(state, run.id, timeout=timeout)
            return job.state if job else None

        return asyncio.create_task(waited())


@pytest.fixture
async def stage(index: JobIndex) -> AsyncGenerator[Stage]:
    hub = ChangeHub(await index.version())
    waits = StateWaits(hub, index)
    following = asyncio.create_task(waits.run())
    yield Stage(index, hub, waits)
    hub.close()
    await following


def stopping(run: Run) -> Run:
    return replace(run, state_type="CANCELLING", state_name="Stopping", state_id="stopping", read_order=2)


async def test_who_waits_for_a_job_is_woken_by_its_next_state_and_by_no_other_job(stage: Stage) -> None:
    one, other = await stage.know(running()), await stage.know(running())
    waiting, elsewhere = stage.wait(one, "running"), stage.wait(other, "running")
    await asyncio.sleep(0)
    await stage.know(stopping(one))
    assert await waiting == "stopping"
    assert not elsewhere.done()
    elsewhere.cancel()


async def test_a_job_that_is_in_another_state_already_is_not_waited_for(stage: Stage) -> None:
    run = await stage.know(stopping(running()))
    assert await stage.wait(run, "running") == "stopping"


async def test_a_wait_ends_with_its_time_and_tells_how_it_is_then(stage: Stage) -> None:
    run = await stage.know(running())
    assert await stage.wait(run, "running", timeout=0.01) == "running"


async def test_progress_wakes_nobody_for_good(stage: Stage) -> None:
    run = await stage.know(running())
    waiting = stage.wait(run, "running")
    await stage.know(replace(running(progress=40, id=run.id), state_id=run.state_id, read_order=2))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()


async def test_a_server_that_stops_lets_everybody_go(stage: Stage) -> None:
    run = await stage.know(running())
    waiting = stage.wait(run, "running")
    await asyncio.sleep(0.01)
    stage.hub.close()
    assert await waiting == "running"


async def test_a_job_that_is_gone_is_none(stage: Stage) -> None:
    assert await stage.wait(running(), "running") is None
