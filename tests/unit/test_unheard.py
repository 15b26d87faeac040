"""A running job that nothing is heard of for too long has crashed; every doubt speaks for it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed_turn import FeedStatus
from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import FakePrefect, running
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import JobIndex
from prefect_jobs.unheard import UnheardJobs

AFTER = 900.0
NOW = datetime.now(UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@dataclass
class Scene:
    prefect: FakePrefect
    index: JobIndex
    waits: StateWaits
    unheard: UnheardJobs
    up: bool = True
    monotonic: float = 0.0

    async def put(self, *beats: float, started: float = 7200.0) -> Run:
        """A running job that gave these signs of life, so many seconds ago."""
        run = self.prefect.put(running(created_at=ago(started)))
        for beat in beats:
            self.prefect.beat(run.id, ago(beat))
        await self.index.apply([run], now=NOW)
        return run

    async def after(self, seconds: float, run: Run) -> str:
        """Look now and again after so long; the run's state then."""
        await self.unheard.look()
        self.monotonic += seconds
        await self.unheard.look()
        [now] = await self.prefect.read_runs([run.id])
        return now.state_type


@pytest.fixture
async def scene(index: JobIndex) -> Scene:
    prefect, waits = FakePrefect(), StateWaits(ChangeHub(await index.version()), index)

    def status() -> FeedStatus:
        return FeedStatus("up" if made.up else "down", 0.0, ready=True, reasons=())

    unheard = UnheardJobs(
        prefect, index, waits, status, after=AFTER, clock=lambda: NOW, monotonic=lambda: made.monotonic
    )
    made = Scene(prefect, index, waits, unheard)
    return made


async def test_a_job_that_stopped_giving_signs_of_life_has_crashed(scene: Scene) -> None:
    run = await scene.put(1000.0, 1180.0)
    assert await scene.after(AFTER, run) == "CRASHED"
    message = (await scene.prefect.states(run.id))[-1].message or ""
    assert message.startswith(f"Nothing was heard of the job's process since {ago(1000.0):%Y-%m-%d %H:%M:%S} UTC")


@pytest.mark.parametrize(
    ("beats", "started"),
    [((), 7200.0), ((899.0, 1079.0), 7200.0), ((1000.0, 1300.0), 7200.0), ((1000.0,), 899.0)],
    ids=["it never gave one", "it gave one lately", "it gives one every five minutes", "its attempt began lately"],
)
async def test_a_job_is_left_alone_when(scene: Scene, beats: tuple[float, ...], started: float) -> None:
    assert await scene.after(AFTER, await scene.put(*beats, started=started)) == "RUNNING"


async def test_nobody_is_judged_until_prefect_was_there_for_as_long(scene: Scene) -> None:
    run = await scene.put(1000.0)
    assert await scene.after(AFTER - 1, run) == "RUNNING"
    scene.up = False
    assert await scene.after(10, run) == "RUNNING"
    scene.up = True
    assert await scene.after(AFTER - 1, run) == "RUNNING"
    assert await scene.after(1, run) == "CRASHED"


async def test_a_job_whose_sidecar_waits_here_lives(scene: Scene) -> None:
    """It may be stuck in C code, where nothing in its process can send a heartbeat."""
    run = await scene.put(1000.0)
    waiting = asyncio.create_task(scene.waits.until_not("running", run.id, timeout=60, alive=True))
    await asyncio.sleep(0)
    assert await scene.after(AFTER, run) == "RUNNING"
    waiting.cancel()
    await asyncio.wait([waiting])
    assert await scene.after(AFTER, run) == "RUNNING"  # it was heard a moment ago


async def test_a_client_that_waits_for_a_job_is_no_sign_of_its_life(scene: Scene) -> None:
    run = await scene.put(1000.0)
    waiting = asyncio.create_task(scene.waits.until_not("running", run.id, timeout=60))
    await asyncio.sleep(0)
    assert await scene.after(AFTER, run) == "CRASHED"
    waiting.cancel()


async def test_a_job_that_moved_on_since_it_was_read_stays_as_it_is(scene: Scene) -> None:
    run = await scene.put(1000.0)
    scene.prefect.put(replace(run, state_type="COMPLETED", state_name="Completed", state_id="later"))
    assert await scene.after(AFTER, run) == "COMPLETED"


async def test_with_zero_seconds_nobody_looks(scene: Scene) -> None:
    unheard = UnheardJobs(scene.prefect, scene.index, scene.waits, lambda: pytest.fail("it looked"), after=0)
    await unheard.run()
