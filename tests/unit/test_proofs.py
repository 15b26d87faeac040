"""A killed job has ended when that is proven, and not when a sidecar has only written down that it will be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from prefect_jobs.attempts import attempts_of
from prefect_jobs.changes import ChangeHub
from prefect_jobs.conditions import OneOf
from prefect_jobs.feed import Feed
from prefect_jobs.gateway import Run, RunState
from prefect_jobs.gateway.fake import FakePrefect, a_run, running
from prefect_jobs.history import Histories
from prefect_jobs.index_check import IndexCheck
from prefect_jobs.job_actions import ActionRefused, JobActions
from prefect_jobs.job_news import JobNews
from prefect_jobs.jobs import Job, job_from_run
from prefect_jobs.proofs import PATIENCE, RECEIPT_ARRIVES_WITHIN, as_proven
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.reading import JobReader
from prefect_jobs.sidecar.receipt import Receipt
from prefect_jobs.store import HistoryStore, JobIndex, LogStore, Page
from prefect_jobs.store.database import Database
from prefect_jobs.store.row_check import StoredRows
from prefect_jobs.transitions import Origin, transitions_of
from tests.unit.serving import served

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
ENDS = pytest.mark.parametrize(
    ("state", "message"),
    [(("CANCELLED", "Aborted"), "by bob"), (("FAILED", "TimedOut"), "Job timed out after 4 seconds")],
    ids=["aborted", "timed out"],
)


def receipt(asked: datetime) -> str:
    return Receipt(asked.timestamp(), asked.timestamp(), asked.timestamp() + 0.4, "killed", [(41, "sh")]).text()


def killed(state: tuple[str, str], message: str, **fields: Any) -> Run:
    """A run of the kit whose end its sidecar has written."""
    times = dict.fromkeys(("created_at", "started_at", "state_at", "ended_at"), NOW)
    values = {**times, "uses_kit": True, "state_message": message, **fields}
    return replace(a_run(*state), **values)


def words(job: Job) -> tuple[str, str, bool | None]:
    return job.status, job.state, job.stop_proven


@ENDS
def test_a_killed_job_runs_until_its_receipt_is_there(state: tuple[str, str], message: str) -> None:
    written = killed(state, message)
    job = job_from_run(written, now=NOW + PATIENCE - MOMENT)
    assert words(job) == ("running", "aborting", None)
    assert (job.completed_at, job.error, job.result) == (None, None, None)
    proven = replace(written, state_message=f"{message}. {receipt(NOW)}", state_at=NOW + timedelta(seconds=2))
    job = job_from_run(proven, now=NOW + timedelta(seconds=2))
    assert words(job) == ("failed", state[1].lower().replace("timedout", "timed_out"), True)
    assert job.completed_at == NOW + timedelta(seconds=2)


@ENDS
def test_without_a_receipt_it_ends_after_fifteen_seconds_unproven(state: tuple[str, str], message: str) -> None:
    job = job_from_run(killed(state, message), now=NOW + PATIENCE)
    assert (job.status, job.stop_proven, job.completed_at) == ("failed", False, NOW + PATIENCE)


@ENDS
def test_an_end_that_no_sidecar_watched_is_an_end_at_once(state: tuple[str, str], message: str) -> None:
    job = job_from_run(killed(state, message, uses_kit=False), now=NOW)
    assert (job.status, job.stop_proven, job.completed_at) == ("failed", None, NOW)


def test_who_ends_a_job_is_told_while_it_dies() -> None:
    messages = [
        job_from_run(killed(state, "x"), now=NOW).message
        for state in (("CANCELLED", "Aborted"), ("FAILED", "TimedOut"))
    ]
    assert messages == ["Aborting: User requested", "Aborting: Time limit exceeded"]


@pytest.mark.parametrize(
    ("run", "proven"),
    [
        (a_run("CANCELLED", uses_kit=True, state_message=f"by bob. {receipt(NOW)}"), True),
        (a_run("CANCELLED", uses_kit=True, state_message="Flow run cancellation timed out"), False),
        (a_run("CANCELLED", uses_kit=True, run_count=0), None),
        (a_run("CANCELLED"), None),
        (a_run("FAILED", uses_kit=True, state_message="ValueError: x"), None),
        (a_run("CRASHED", uses_kit=True, state_message=f"It died. {receipt(NOW)}"), None),
        (a_run("COMPLETED", uses_kit=True), None),
    ],
    ids=["cancelled", "cancelled by the server", "never began", "plain flow", "failed", "crashed", "completed"],
)
def test_only_what_was_stopped_can_be_proven_to_have_stopped(run: Run, proven: bool | None) -> None:
    assert job_from_run(run, now=NOW + timedelta(days=9999)).stop_proven is proven


class World:
    """An index of one aborted job of the kit, at a time that the test sets."""

    def __init__(self, database: Database, index: JobIndex, logs: LogStore) -> None:
        self.prefect = FakePrefect()
        self.database, self.index = database, index
        self.hub, self.past = ChangeHub(index.followed), HistoryStore(database)
        self.late = timedelta()
        self.reader = JobReader(
            self.prefect, index, logs, self.hub, past=self.past, budget=ReadBudget(1e6), clock=self.clock
        )
        self.histories = Histories(self.prefect, self.past, clock=self.clock)
        feed = Feed(self.prefect, index, logs, self.hub, past=self.past, clock=self.clock)
        self.actions = JobActions(self.prefect, index, feed, self.hub, self.histories)
        self.run = self.prefect.put(running(40, "half", deployment_id="d"))

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.late

    async def moves(self, state: tuple[str, str], message: str | None = None) -> Job:
        """The run gets into a state, and the index hears of it."""
        moved = {"state_type": state[0], "state_name": state[1], "state_message": message, "state_id": None}
        ended = {"ended_at": datetime.now(UTC)} if state[0] in ("CANCELLED", "FAILED") else {}
        self.run = self.prefect.put(replace(self.run, **{**moved, "state_id": str(uuid4())}, **ended))
        await self.reader.check([self.run.id])
        return await self.job()

    async def is_aborted(self) -> Job:
        await self.moves(("CANCELLING", "Aborting"), "by bob")
        return await self.moves(("CANCELLED", "Aborted"), "by bob")

    async def is_proven(self) -> Job:
        return await self.moves(("CANCELLED", "Aborted"), f"by bob. {receipt(datetime.now(UTC))}")

    async def job(self) -> Job:
        job = await self.index.get(self.run.id)
        assert job is not None
        return job

    async def count(self, *states: str) -> int:
        found = await self.index.find([OneOf("state", frozenset(states))], Page(limit=9, exact=True))
        return found.counts.total

    async def differences(self) -> list[Any]:
        check = IndexCheck(self.prefect, StoredRows(self.database), self.histories, pauses=(0.0,), clock=self.clock)
        return [found async for found in check.differences()]


@pytest.fixture
async def world(database: Database, index: JobIndex, logs: LogStore) -> World:
    return World(database, index, logs)


async def test_the_receipt_is_a_change_with_a_version_and_the_end_is_told_once(world: World) -> None:
    """For up to two seconds the page said Aborted of a process that lived, and never showed the receipt."""
    aborted = await world.is_aborted()
    assert words(aborted) == ("running", "aborting", None)
    assert (await world.count("aborting"), await world.count("aborted")) == (1, 0)
    proven = await world.is_proven()
    assert words(proven) == ("failed", "aborted", True)
    assert proven.version > aborted.version
    assert (await world.count("aborting"), await world.count("aborted")) == (0, 1)
    news, now = JobNews(), datetime.now(UTC)
    changes = [change.job for change in world.hub.after(world.hub.oldest_resumable) or [] if change.job]
    frames = [frame["type"] for job in changes for frame in news.changed(job, now=now)]
    assert frames.count("job_failed") == frames.count("job.cancelled") == 1
    assert await world.differences() == []


async def test_a_receipt_that_comes_late_is_a_change_too_and_no_second_end(world: World) -> None:
    await world.is_aborted()
    news, now = JobNews(), datetime.now(UTC)
    world.late = PATIENCE
    await world.reader.end_unproven()
    ended = await world.job()
    assert words(ended) == ("failed", "aborted", False)
    assert len(news.changed(ended, now=now)) > 0
    proven = await world.is_proven()
    assert words(proven) == ("failed", "aborted", True)
    assert proven.version > ended.version
    assert news.changed(proven, now=now) == []


async def test_the_receipt_of_a_crash_that_a_worker_told_is_a_change_too(world: World) -> None:
    """It is a label of the run, of which no event tells; the page never showed it without a reload."""
    await world.reader.check([world.run.id])
    world.run = world.prefect.put(
        replace(world.run, state_type="CRASHED", state_name="Crashed", state_id="c", ended_at=datetime.now(UTC))
    )
    await world.reader.check([world.run.id])
    crashed = await world.job()
    world.prefect.put_silently(replace(world.run, receipts=(("c", receipt(datetime.now(UTC))),)))
    world.late = RECEIPT_ARRIVES_WITHIN
    await world.reader.end_unproven()
    told = await world.job()
    assert (words(told), told.version > crashed.version) == (("failed", "crashed", None), True)
    assert told.receipt is not None
    await world.reader.end_unproven()
    assert (await world.job()).version == told.version
    assert await world.differences() == []


async def test_the_feed_reads_it_again_until_it_has_ended_here(world: World) -> None:
    """Prefect calls it ended, so no reading of active runs holds it; its last event may be lost."""
    await world.is_aborted()
    world.prefect.loses_events = True
    world.prefect.put(replace(world.run, state_message=f"by bob. {receipt(NOW)}"))
    await world.reader.read_active()
    assert words(await world.job()) == ("failed", "aborted", True)


async def test_while_prefect_is_away_nobody_claims_that_no_receipt_came(world: World) -> None:
    await world.is_aborted()
    world.late = PATIENCE
    assert [ids async for ids in world.index.unproven(now=world.clock())] == [[world.run.id]]
    assert words(await world.job()) == ("running", "aborting", None)
    await world.reader.end_unproven()
    assert [ids async for ids in world.index.unproven(now=world.clock())] == []
    assert await world.differences() == []


async def test_an_index_that_is_opened_again_still_waits_for_the_proof(world: World) -> None:
    await world.is_aborted()
    opened = await JobIndex.open(world.database)
    later = datetime.now(UTC) + PATIENCE
    assert [ids async for ids in opened.unproven(now=later)] == [[world.run.id]]


async def test_what_may_be_done_to_it_follows_what_it_says(world: World) -> None:
    """It runs: a stop is on its way, and it can be neither removed nor queued again."""
    await world.is_aborted()
    for act in (world.actions.cancel, world.actions.abort):
        assert words(await act(world.run.id, by="eve")) == ("running", "aborting", None)
    for act, reason in ((world.actions.purge, "running"), (world.actions.retry, "not_failed")):
        with pytest.raises(ActionRefused) as refused:
            await act(world.run.id, by="eve")
        assert refused.value.reason == reason


async def test_the_past_tells_the_end_when_it_is_proven_and_not_before(world: World) -> None:
    told = (await world.histories.of(await world.is_aborted())).transitions
    assert [transition.to for transition in told][-1] == "running"
    proven = await world.is_proven()
    past = await world.histories.of(proven)
    end = past.transitions[-1]
    assert (end.to, end.state, end.at) == ("failed", "aborted", proven.completed_at)
    assert end.receipt is not None
    assert past.attempts[-1].ended_at == proven.completed_at


async def test_the_past_of_an_unproven_end_agrees_with_the_job(world: World) -> None:
    await world.is_aborted()
    world.late = PATIENCE
    await world.reader.end_unproven()
    job = await world.job()
    end = (await world.histories.of(job)).transitions[-1]
    assert (end.to, end.at, end.receipt) == ("failed", job.completed_at, None)


def test_a_killed_attempt_that_somebody_queued_again_ended_before_the_next_began() -> None:
    def state(number: int, type: str, name: str = "") -> RunState:
        return RunState(f"s{number}", type, name or type.title(), NOW + timedelta(seconds=number))

    past = [state(0, "RUNNING"), state(1, "FAILED", "TimedOut"), state(3, "SCHEDULED", "AwaitingRetry")]
    seen = as_proven(past, uses_kit=True, ended=False)
    began, queued = past[0].timestamp, past[2].timestamp
    assert [told.at for told in transitions_of(seen, [], Origin())] == [began, queued, queued]
    assert [attempt.ended_at for attempt in attempts_of(seen, {})] == [queued]


def test_the_detail_says_whether_a_stop_is_proven(tmp_path: Path) -> None:
    runs = [
        a_run("CANCELLED", "Aborted", uses_kit=True, state_message=f"by bob. {receipt(NOW)}"),
        a_run("CANCELLED", "Aborted", uses_kit=True, created_at=NOW),
        a_run("CANCELLED", "Aborted"),
    ]
    with served(tmp_path, runs) as client:
        details = [client.get(f"/api/jobs/{run.id}/detail").json() for run in runs]
    assert [detail["stop_proven"] for detail in details] == [True, False, None]
