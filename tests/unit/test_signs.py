"""When a job last gave a sign of life, whether it stands still, and one estimate of what is left."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefect_jobs.changes import ChangeHub
from prefect_jobs.estimates import Estimate, with_own_progress
from prefect_jobs.feed_turn import FeedStatus
from prefect_jobs.gaps import longest_gap
from prefect_jobs.gateway import LogLine, Progress, Run
from prefect_jobs.gateway.fake import FakePrefect, completed, pending, running
from prefect_jobs.signs import BEAT_FOR, USUAL_FOR, Signs, SignsOfLife
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import JobIndex, LogStore
from tests.stack import eventually
from tests.unit.serving import served

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def lines(run: Run, *seconds_ago: float) -> list[LogLine]:
    return [LogLine(f"{run.id[:24]}-{number}", run.id, ago(s), 20, "x") for number, s in enumerate(seconds_ago)]


@dataclass
class Scene:
    prefect: FakePrefect
    index: JobIndex
    logs: LogStore
    signs: SignsOfLife
    up: bool = True
    monotonic: float = 0.0

    async def put(self, run: Run, *, reports: tuple[float, ...] = (), logged: tuple[float, ...] = ()) -> Run:
        """A run that reported progress and logged so many seconds ago, and is as it is given now."""
        at_work = replace(run, state_type="RUNNING", state_name="Running", ended_at=None)
        for number, seconds in enumerate(reports):
            progress = Progress(number, None, run.run_count, ago(seconds))
            await self.index.apply([replace(at_work, progress=progress)], now=NOW)
            run = replace(run, progress=progress)
        await self.index.apply([self.prefect.put(run)], now=NOW)
        await self.logs.add(run.id, lines(run, *logged))
        return run

    async def of(self, run: Run) -> Signs:
        job = await self.index.get(run.id)
        assert job is not None
        return await self.signs.of(job)


@pytest.fixture
async def scene(index: JobIndex, logs: LogStore) -> Scene:
    prefect, waits = FakePrefect(), StateWaits(ChangeHub(await index.version()), index)

    def status() -> FeedStatus:
        return FeedStatus("up" if made.up else "down", 0.0, ready=True, reasons=())

    signs = SignsOfLife(prefect, index, logs, waits, status, clock=lambda: NOW, monotonic=lambda: made.monotonic)
    made = Scene(prefect, index, logs, signs)
    return made


def begun(seconds: float, **fields: object) -> Run:
    return replace(running(), created_at=ago(seconds), started_at=ago(seconds), **fields)


def ran(start: float, end: float) -> Run:
    return replace(completed(), created_at=ago(start), started_at=ago(start), ended_at=ago(end))


async def test_the_last_sign_is_the_latest_of_progress_log_line_and_heartbeat(scene: Scene) -> None:
    run = await scene.put(begun(600), reports=(500, 30), logged=(550, 20))
    assert (await scene.of(run)).last_at == ago(20)
    scene.prefect.beat(run.id, ago(3))
    assert (await scene.of(run)).last_at == ago(20)  # it was asked for a moment ago
    scene.monotonic += BEAT_FOR
    assert (await scene.of(run)).last_at == ago(3)


async def test_while_prefect_is_away_nobody_waits_for_a_heartbeat(scene: Scene) -> None:
    run = await scene.put(begun(30), reports=(20, 10))
    scene.up = False
    asked = scene.prefect.requests
    assert (await scene.of(run)).last_at == ago(10)
    assert scene.prefect.requests == asked


async def test_a_job_that_has_not_begun_has_given_no_sign(scene: Scene) -> None:
    run = await scene.put(pending(created_at=ago(999)))
    assert await scene.of(run) == Signs()


async def test_a_job_that_ended_keeps_its_last_sign_and_does_not_stand_still(scene: Scene) -> None:
    run = await scene.put(ran(900, 300), logged=(400,))
    signs = await scene.of(run)
    assert (signs.last_at, signs.stalled) == (ago(400), False)


@pytest.mark.parametrize(("silent", "stalled"), [(59, False), (60, True)])
async def test_at_least_a_minute_of_silence_is_no_standstill(scene: Scene, silent: int, stalled: bool) -> None:
    run = await scene.put(begun(300), reports=(299, silent))
    # Gaps of its own count: this one was silent for four minutes before.
    assert (await scene.of(run)).stalled is False
    steady = await scene.put(begun(80), reports=tuple(range(79, silent - 1, -1)))
    assert (await scene.of(steady)).stalled is stalled


@pytest.mark.parametrize(("silent", "stalled"), [(299, False), (300, True)])
async def test_a_job_stands_still_after_three_times_the_longest_usual_gap_of_its_type(
    scene: Scene, silent: int, stalled: bool
) -> None:
    """The type tells of its progress every 100 s: that is no standstill, three times as long is one."""
    for number in range(5):
        shift = 10_000 * (number + 1)
        await scene.put(ran(shift + 250, shift), reports=tuple(shift + s for s in (200, 100, 50)))
    run = await scene.put(begun(silent + 1), reports=(silent,))
    signs = await scene.of(run)
    assert (signs.stalled, signs.usual) == (stalled, timedelta(seconds=100))


async def test_log_lines_are_signs_where_a_type_reports_nothing(scene: Scene) -> None:
    for number in range(5):
        shift = 10_000 * (number + 1)
        await scene.put(ran(shift + 900, shift), logged=tuple(shift + s for s in range(870, 0, -30)))
    run = await scene.put(begun(300), logged=(290, 89))
    signs = await scene.of(run)
    assert (signs.usual, signs.stalled) == (timedelta(seconds=30), False)
    other = await scene.put(begun(300), logged=(290, 90))
    assert (await scene.of(other)).stalled is True


async def test_a_type_that_never_tells_anything_is_measured_by_how_long_it_takes(scene: Scene) -> None:
    for number in range(5):
        await scene.put(ran(10_000 * number + 1200, 10_000 * number + 200))
    assert (await scene.of(await scene.put(begun(2900)))).stalled is False
    assert (await scene.of(await scene.put(begun(3000)))).stalled is True


async def test_what_is_usual_is_learnt_once_a_minute(scene: Scene) -> None:
    run = await scene.put(begun(300), logged=(299,))
    assert (await scene.of(run)).stalled is True
    await scene.put(ran(2000, 1000))
    assert (await scene.of(run)).stalled is True
    scene.monotonic += USUAL_FOR
    assert (await scene.of(run)).stalled is False


async def test_a_paused_job_waits_and_while_prefect_is_away_nobody_can_say(scene: Scene) -> None:
    paused = await scene.put(begun(900, state_type="PAUSED", state_name="Paused"))
    assert (await scene.of(paused)).stalled is False
    run = await scene.put(begun(900))
    scene.up = False
    assert (await scene.of(run)).stalled is None


async def test_a_gap_once_seen_outlives_another_reading_and_a_new_attempt_starts_over(scene: Scene) -> None:
    run = await scene.put(begun(900), reports=(800, 10))
    job = await scene.index.get(run.id)
    assert job is not None
    assert job.longest_gap == 790_000_000
    await scene.index.apply([replace(run, name="renamed")], now=NOW, redraw=True)
    assert [job.longest_gap for job in [await scene.index.get(run.id)] if job] == [790_000_000]
    again = replace(run, run_count=2, started_at=ago(5), progress=Progress(1, None, 2, ago(3)), state_id="again")
    await scene.index.apply([again], now=NOW)
    assert [job.longest_gap for job in [await scene.index.get(run.id)] if job] == [2_000_000]


async def test_an_index_of_an_earlier_release_is_not_written_anew_for_gaps_that_nobody_saw(scene: Scene) -> None:
    """Of a million ended jobs each would be a change that every reader hears of."""
    run = await scene.put(ran(900, 300))
    job = await scene.index.get(run.id)
    assert job is not None
    assert longest_gap(replace(job, longest_gap=None), job) is None
    assert longest_gap(None, job) == 600_000_000


@pytest.mark.parametrize(("percent", "p50", "p90"), [(0, 100.0, 200.0), (50, 75.0, 125.0), (100, 50.0, 50.0)])
def test_the_further_a_job_is_the_more_its_own_pace_counts(percent: int, p50: float, p90: float) -> None:
    blended = with_own_progress(Estimate(100.0, 200.0, 7), 50.0, percent)
    assert (blended.p50, blended.p90, blended.sample) == (p50, p90, 7)


def test_the_details_tell_one_estimate_and_none_of_a_job_that_stands_still(tmp_path: Path) -> None:
    """160 s were left by the job's own progress beside 103 s by its type's; and a job that stood still had both."""
    now = datetime.now(UTC)

    def before(seconds: float) -> datetime:
        return now - timedelta(seconds=seconds)

    history = [
        replace(completed(), created_at=before(t + 9000), started_at=before(t + 9000), ended_at=before(9000))
        for t in (100, 150, 200, 250, 300)
    ]
    moves, still = (replace(running(), created_at=before(90), started_at=before(90)) for _ in range(2))
    moves = replace(moves, progress=Progress(36, "400/1000", 1, before(1)))
    still = replace(still, flow_name="other", progress=Progress(36, "400/1000", 1, before(80)))
    steady = replace(completed(), flow_name="other", created_at=before(9200), started_at=before(9200))
    steady = replace(steady, ended_at=before(9000), progress=Progress(90, None, 1, before(9010)))
    stopping = replace(moves, id=pending().id, state_type="CANCELLING", state_name="Stopping", state_id="s")
    with served(tmp_path, [*history, moves, still, steady, stopping]) as client:
        eventually(lambda: client.get("/readyz").is_success, within=30)
        timing = client.get(f"/api/jobs/{moves.id}/detail").json()["timing"]
        assert timing["stalled"] is False
        assert timing["eta"]["p50"] == timing["estimated_remaining_seconds"]
        assert timing["eta"]["p50"] <= timing["eta"]["p90"]
        assert datetime.fromisoformat(timing["last_sign_at"]) == before(1)
        halted = client.get(f"/api/jobs/{stopping.id}/detail").json()["timing"]
        assert (halted["estimated_remaining_seconds"], halted["eta"]) == (None, None)
        silent = client.get(f"/api/jobs/{still.id}/detail").json()
    # It told one thing after 10 s, and its kind was silent for 190 s once: not yet.
    assert silent["timing"]["stalled"] is False
    assert silent["silence"] is None


def test_a_job_that_stands_still_says_so_and_no_time_is_left(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    began = now - timedelta(seconds=700)
    run = replace(running(), created_at=began, started_at=began)
    run = replace(run, progress=Progress(36, "400/1000", 1, now - timedelta(seconds=650)))
    kin = replace(completed(), created_at=began, started_at=began)
    quick = [replace(kin, id=pending().id, ended_at=began + timedelta(seconds=5 + s)) for s in range(6)]
    with served(tmp_path, [run, *quick]) as client:
        eventually(lambda: client.get("/readyz").is_success, within=30)
        detail = client.get(f"/api/jobs/{run.id}/detail").json()
    assert detail["timing"]["stalled"] is True
    assert (detail["timing"]["estimated_remaining_seconds"], detail["timing"]["eta"]) == (None, None)
    assert 649 < detail["silence"]["seconds"] < 1200
    assert detail["silence"]["usual_seconds"] <= 10
