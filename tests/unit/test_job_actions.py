"""Actions on jobs against the shipped fake: what each allows, who did it, and a process that was on its way."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from prefect_jobs.api.search import in_states
from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed
from prefect_jobs.gateway import PrefectUnavailable, Run, RunState
from prefect_jobs.gateway.fake import FakePrefect, a_run, completed, failed, pending, running
from prefect_jobs.gateway.outlook import Outlook
from prefect_jobs.history import Histories
from prefect_jobs.job_actions import ActionRefused, JobActions, JobUnknown, Verb, refusal
from prefect_jobs.jobs import Job
from prefect_jobs.stop_promises import GIVEN_UP_AFTER, GONE_AFTER, SERVED_AFTER, patience
from prefect_jobs.store import HistoryStore, JobIndex, LogStore
from prefect_jobs.store.database import Database
from prefect_jobs.store.search import Page
from prefect_jobs.worker_process import WorkerProcess


@dataclass
class Stage:
    """A fake Prefect and everything that acts on it."""

    prefect: FakePrefect
    index: JobIndex
    feed: Feed
    hub: ChangeHub
    histories: Histories
    actions: JobActions

    async def job(self, run: Run) -> Job:
        await self.feed.took([run])
        job = await self.index.get(run.id)
        assert job is not None
        return job

    async def until_state(self, run_id: str, state_type: str) -> None:
        async with asyncio.timeout(10):
            while (await self.prefect.states(run_id))[-1].type != state_type:
                await asyncio.sleep(0.001)


@pytest.fixture
async def stage(database: Database, index: JobIndex, logs: LogStore) -> AsyncGenerator[Stage]:
    prefect, hub, past = FakePrefect(), ChangeHub(await index.version()), HistoryStore(database)
    feed = Feed(prefect, index, logs, hub, past=past)
    histories = Histories(prefect, past)
    actions = JobActions(prefect, index, feed, hub, histories)
    keeping = asyncio.create_task(actions.keep_promises())
    yield Stage(prefect, index, feed, hub, histories, actions)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


REFUSED: list[tuple[Verb, Run, str | None]] = [
    ("cancel", pending(), None),
    ("cancel", running(), None),
    ("cancel", completed(), "ended"),
    ("abort", pending(), "queued"),
    ("abort", running(), None),
    ("abort", failed("x"), "ended"),
    ("retry", running(), "not_failed"),
    ("retry", failed("x"), "no_deployment"),
    ("retry", failed("x", deployment_id="d"), None),
    ("retry", replace(failed("x", deployment_id="d"), state_type="CANCELLED", state_name="Cancelled"), "not_failed"),
    ("retry", replace(failed("x", deployment_id="d"), state_name="TimedOut"), None),
    ("purge", pending(), None),
    ("purge", running(), "running"),
    ("purge", completed(), None),
]


@pytest.mark.parametrize(("verb", "run", "reason"), REFUSED)
async def test_a_job_allows_what_the_table_says(stage: Stage, verb: Verb, run: Run, reason: str | None) -> None:
    job = await stage.job(stage.prefect.put(run))
    assert refusal(verb, job) == reason
    act = getattr(stage.actions, verb)
    if reason is None:
        await act(run.id, by=None)
    else:
        with pytest.raises(ActionRefused) as refused:
            await act(run.id, by=None)
        assert refused.value.reason == reason
    stage.prefect.delete(run.id) if verb != "purge" or reason else None


async def test_an_unknown_job_and_one_that_vanished_are_unknown(stage: Stage) -> None:
    run = stage.prefect.put(running())
    await stage.job(run)
    stage.prefect.delete(run.id)
    for job_id in (run.id, "job-001"):
        with pytest.raises(JobUnknown, match=f"No job found with ID: {job_id}"):
            await stage.actions.cancel(job_id, by=None)
    assert await stage.index.get(run.id) is None


async def test_the_index_is_right_when_the_action_is_answered(stage: Stage) -> None:
    waiting, working = stage.prefect.put(pending()), stage.prefect.put(running())
    assert (await stage.actions.cancel(waiting.id, by=None)).state == "cancelled"
    assert (await stage.actions.cancel(working.id, by=None)).state == "cancelling"
    for run, state in ((waiting, "cancelled"), (working, "cancelling")):
        assert [job.state for job in [await stage.index.get(run.id)] if job] == [state]


async def test_a_running_job_of_the_kit_is_asked_to_stop_and_any_other_gets_prefects_cancel(stage: Stage) -> None:
    for action, of_the_kit, state in (
        ("cancel", True, "stopping"),
        ("abort", True, "aborting"),
        ("cancel", False, "cancelling"),
        ("abort", False, "cancelling"),
    ):
        run = stage.prefect.put(running(uses_kit=of_the_kit))
        job = await getattr(stage.actions, action)(run.id, by="alice")
        assert (job.state, job.stoppable) == (state, "cooperative" if of_the_kit else "prefect")


async def test_a_cancel_becomes_an_abort_and_never_the_other_way_round(stage: Stage) -> None:
    run = stage.prefect.put(running(uses_kit=True))
    await stage.actions.cancel(run.id, by="alice")
    assert (await stage.actions.abort(run.id, by="bob")).state == "aborting"
    assert (await stage.actions.cancel(run.id, by="carol")).state == "aborting"


async def test_an_action_is_judged_by_prefect_and_not_by_an_index_that_lags(stage: Stage) -> None:
    run = stage.prefect.put(running())
    await stage.job(run)
    stage.prefect.put(replace(run, state_type="COMPLETED", state_name="Completed", ended_at=run.created_at))
    with pytest.raises(ActionRefused) as refused:
        await stage.actions.cancel(run.id, by=None)
    assert (refused.value.reason, refused.value.job.status) == ("ended", "completed")


class EndsMeanwhile(FakePrefect):
    """A run ends between the look at it and the write."""

    async def cancel(self, run_id: str, message: str, *, cooperative: bool = False) -> RunState:
        [run] = await self.read_runs([run_id])
        self.put(replace(run, state_type="COMPLETED", state_name="Completed", ended_at=run.created_at))
        return await super().cancel(run_id, message, cooperative=cooperative)


async def test_a_job_that_ends_while_it_is_cancelled_stays_completed(
    database: Database, index: JobIndex, logs: LogStore
) -> None:
    prefect, hub = EndsMeanwhile(), ChangeHub(await index.version())
    feed = Feed(prefect, index, logs, hub)
    actions = JobActions(prefect, index, feed, hub, Histories(prefect, HistoryStore(database)))
    run = prefect.put(running())
    with pytest.raises(ActionRefused) as refused:
        await actions.cancel(run.id, by=None)
    assert refused.value.reason == "ended"
    assert [job.status for job in [await index.get(run.id)] if job] == ["completed"]


async def test_who_did_it_is_in_the_history(stage: Stage) -> None:
    run = stage.prefect.put(failed("ValueError: x", deployment_id="d"))
    queued = await stage.actions.retry(run.id, by="alice")
    assert queued.message == "Queued for attempt 2"
    stopped = await stage.actions.cancel(run.id, by="bob")
    past = await stage.histories.of(stopped)
    assert [(entry.trigger, entry.by) for entry in past.transitions[1:]] == [("retry", "alice"), ("user", "bob")]
    assert past.transitions[-1].message == "Cancelled through the jobs API by bob"


async def test_asking_twice_is_kept_as_one_action(stage: Stage) -> None:
    run = stage.prefect.put(running())
    await stage.actions.cancel(run.id, by="alice")
    job = await stage.actions.cancel(run.id, by="bob")
    assert [(entry.kind, entry.by) for entry in (await stage.histories.of(job)).events] == [("stop_asked", "alice")]


async def test_a_purged_job_leaves_nothing(stage: Stage) -> None:
    run = stage.prefect.put(pending())
    await stage.actions.purge(run.id, by=None)
    assert await stage.index.get(run.id) is None
    assert await stage.prefect.read_runs([run.id]) == []


async def test_an_action_while_prefect_is_away_changes_nothing(stage: Stage) -> None:
    run = stage.prefect.put(running())
    await stage.job(run)
    stage.prefect.go_down()
    with pytest.raises(PrefectUnavailable):
        await stage.actions.cancel(run.id, by=None)
    assert [job.state for job in [await stage.index.get(run.id)] if job] == ["running"]


def began(run: Run) -> Run:
    fields = {"state_type": "RUNNING", "state_name": "Running", "state_id": "began", "run_count": 1, "ended_at": None}
    return replace(run, **fields)  # pyright: ignore[reportArgumentType]  # known fields


async def test_a_job_whose_process_was_on_its_way_is_cancelled_once_more(stage: Stage) -> None:
    """Prefect accepts Running after Cancelled: seen on 3.8.8 with any run cancelled while its process imports."""
    run = stage.prefect.put(pending())
    await stage.actions.cancel(run.id, by=None)
    await stage.feed.took([replace(stage.prefect.put(began(run)), read_order=2**62)])
    await stage.until_state(run.id, "CANCELLING")


async def test_a_promise_outlives_an_outage(stage: Stage) -> None:
    run = stage.prefect.put(pending())
    await stage.actions.cancel(run.id, by=None)
    late = stage.prefect.put(began(run))
    stage.prefect.go_down()
    await stage.feed.took([replace(late, read_order=2**62)])
    stage.prefect.come_back()
    await stage.until_state(run.id, "CANCELLING")


async def test_a_job_that_somebody_queued_again_is_left_to_run(stage: Stage) -> None:
    run = stage.prefect.put(pending())
    await stage.actions.cancel(run.id, by=None)
    stage.prefect.put(replace(run, state_id="again"))
    late = stage.prefect.put(began(run))
    other = stage.prefect.put(pending())
    await stage.actions.cancel(other.id, by=None)
    await stage.feed.took([replace(late, read_order=2**62)])
    await stage.feed.took([replace(stage.prefect.put(replace(began(other), state_id="o")), read_order=2**62)])
    await stage.until_state(other.id, "CANCELLING")  # the one after it in the line was looked at
    assert (await stage.prefect.states(run.id))[-1].type == "RUNNING"


async def test_a_job_cancelled_before_it_began_is_stopping_and_ends_once(stage: Stage) -> None:
    """Told `failed`, the job of a worker that had taken it was `running` ten seconds later."""
    run = stage.prefect.put(a_run("PENDING", worker="w", pool_name="jobs"))
    stage.prefect.workers = {"jobs": ("w",)}
    job = await stage.actions.cancel(run.id, by="bob")
    assert (job.status, job.state, job.completed_at, job.error) == ("pending", "stopping", None, None)
    assert (await stage.actions.cancel(run.id, by="eve")).state == "stopping"
    for verb in ("abort", "retry"):
        with pytest.raises(ActionRefused):
            await getattr(stage.actions, verb)(run.id, by=None)
    await stage.prefect.end_withdrawn(run.id)  # as its worker does
    job = await stage.actions.current(run.id)
    assert (job.status, job.state, job.error) == ("failed", "cancelled", "Cancelled by user")
    past = await stage.histories.of(job)
    told = [(entry.to, entry.state, entry.by) for entry in past.transitions]
    assert told == [("pending", "pending", None), ("failed", "cancelled", "bob")]
    assert [(event.kind, event.by) for event in past.events] == [("stop_asked", "bob")]


async def test_a_retry_cancelled_before_it_began_is_stopping_too(stage: Stage) -> None:
    run = stage.prefect.put(a_run("PENDING", deployment_id="d", run_count=1))
    job = await stage.actions.cancel(run.id, by=None)
    assert (job.status, job.state, job.message) == ("pending", "stopping", None)


async def test_a_job_is_found_by_both_its_words_while_it_is_stopping_and_has_not_begun(stage: Stage) -> None:
    waiting, working = stage.prefect.put(a_run("PENDING", deployment_id="d")), stage.prefect.put(running(1))
    for run in (waiting, working):
        await stage.actions.cancel(run.id, by=None)

    async def found(statuses: frozenset[str] | None, states: frozenset[str] | None) -> set[str]:
        return {job.job_id for job in (await stage.index.find(in_states(statuses, states), Page(10))).jobs}

    assert await found(None, frozenset({"stopping"})) == {waiting.id, working.id}
    assert await found(frozenset({"pending"}), None) == {waiting.id}
    assert await found(frozenset({"running"}), None) == {working.id}
    counts = stage.index.stats().counts
    assert (counts.by_status, counts.by_state) == ({"pending": 1, "running": 1}, {"stopping": 2})


async def test_a_promise_outlives_the_adapter(database: Database, index: JobIndex, logs: LogStore) -> None:
    """It lived in memory only: with `serve` killed right after its answer the job ran to its end, completed."""
    prefect, hub, past = FakePrefect(), ChangeHub(await index.version()), HistoryStore(database)
    feed = Feed(prefect, index, logs, hub, past=past)
    run = prefect.put(pending())
    await JobActions(prefect, index, feed, hub, Histories(prefect, past)).cancel(run.id, by=None)
    await feed.took([replace(prefect.put(began(run)), read_order=2**62)])
    keeping = asyncio.create_task(JobActions(prefect, index, feed, hub, Histories(prefect, past)).keep_promises())
    async with asyncio.timeout(10):
        while (await prefect.states(run.id))[-1].type != "CANCELLING":
            await asyncio.sleep(0.001)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_job_whose_dead_worker_cannot_give_it_up_is_ended(stage: Stage) -> None:
    dead = replace(WorkerProcess.this("w", 1), pid=2**22 + 1, started=1)
    run = stage.prefect.put(a_run("PENDING", worker="w", worker_process=dead, pool_name="jobs"))
    await stage.actions.cancel(run.id, by=None)
    await stage.until_state(run.id, "CANCELLED")
    assert [state.type for state in await stage.prefect.states(run.id)] == ["PENDING", "CANCELLING", "CANCELLED"]


async def test_a_job_that_another_kind_of_worker_gave_up_is_ended(stage: Stage) -> None:
    """Its process is refused by Prefect and ends; that worker writes nothing, and says that the process is gone."""
    run = stage.prefect.put(a_run("PENDING", worker="w", pool_name="jobs"))
    stage.prefect.workers = {"jobs": ("w",)}
    stage.prefect.done_with.add(run.id)
    await stage.actions.cancel(run.id, by=None)
    await stage.until_state(run.id, "CANCELLED")


async def test_a_pending_job_that_was_taken_is_removed_all_the_same(stage: Stage) -> None:
    run = stage.prefect.put(a_run("PENDING", deployment_id="d"))
    await stage.actions.purge(run.id, by=None)
    assert await stage.prefect.read_runs([run.id]) == []


@pytest.mark.parametrize(
    ("fields", "online", "patient_for"),
    [
        ({"worker": "w", "pool_name": "jobs"}, ("w",), GIVEN_UP_AFTER),
        ({"worker": "w", "pool_name": "jobs"}, ("other",), GONE_AFTER),
        ({"pool_name": "jobs"}, (), GONE_AFTER),
        ({}, (), SERVED_AFTER),
        ({"worker": "w", "worker_process": WorkerProcess.this("w", 1), "pool_name": "jobs"}, (), GIVEN_UP_AFTER),
    ],
    ids=["its worker lives", "its worker is gone", "nobody", "served", "its worker is this process"],
)
def test_who_took_a_job_is_given_the_time_that_it_needs(
    fields: dict[str, Any], online: tuple[str, ...], patient_for: timedelta
) -> None:
    run = a_run("CANCELLING", "Withdrawn", **fields)
    outlook = Outlook(run=run, pool=None, queue=None, workers=online, deployment=None, at_work=())
    assert patience(outlook) == patient_for


def inside(parent: Run | None, **fields: Any) -> Run:
    return running(inside_of=parent.id if parent else "", **fields)


async def test_what_runs_inside_another_job_is_stopped_with_the_one_around_it_that_can_be(stage: Stage) -> None:
    """Such a flow was told `cancelling`, did all its work, and was `Cancelled by user` 300 s later."""
    outer = stage.prefect.put(running(deployment_id="d"))
    between = stage.prefect.put(inside(outer))
    inner = stage.prefect.put(inside(between))
    for run in (between, inner):
        job = await stage.job(run)
        assert job.stoppable == "with_parent"
        for verb in ("cancel", "abort"):
            with pytest.raises(ActionRefused, match=f"^Job runs inside job {outer.id} - stop that one$") as refused:
                await getattr(stage.actions, verb)(run.id, by=None)
            assert refused.value.reason == "with_parent"
        assert (await stage.prefect.states(run.id))[-1].type == "RUNNING"


async def test_what_runs_inside_another_job_and_uses_the_kit_stops_by_itself(stage: Stage) -> None:
    outer = stage.prefect.put(running())
    inner = stage.prefect.put(inside(outer, uses_kit=True))
    assert (await stage.actions.cancel(inner.id, by=None)).state == "stopping"


async def test_a_job_whose_parent_is_not_known_names_none_and_one_that_lost_it_can_be_ended(stage: Stage) -> None:
    lost, gone, unknown = inside(completed()), inside(running()), inside(None)
    over = stage.prefect.put(completed())
    for run in (lost := replace(lost, inside_of=over.id), gone, unknown):
        stage.prefect.put(run)
    for run in (lost, gone):
        assert (await stage.actions.cancel(run.id, by=None)).state == "cancelling"
    with pytest.raises(ActionRefused, match="Job runs inside another job - stop that one"):
        await stage.actions.cancel(unknown.id, by=None)


async def test_a_job_inside_another_is_removed_when_it_has_ended_and_not_before(stage: Stage) -> None:
    outer = stage.prefect.put(running())
    waiting, over = stage.prefect.put(pending(inside_of=outer.id)), stage.prefect.put(completed(inside_of=""))
    with pytest.raises(ActionRefused, match="stop that one"):
        await stage.actions.purge(waiting.id, by=None)
    await stage.actions.purge(over.id, by=None)
