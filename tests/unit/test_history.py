"""The past of a job is asked of Prefect when the job has moved on, and of nobody else but the adapter otherwise."""

import asyncio
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prefect_jobs.gateway import PrefectUnavailable, Run
from prefect_jobs.gateway.fake import FakePrefect, a_run, failed, pending, running
from prefect_jobs.history import LOGS_ARRIVE_WITHIN, TRACEBACK_LIMIT, Histories, traceback_in
from prefect_jobs.jobs import Job, job_from_run
from prefect_jobs.proofs import RECEIPT_ARRIVES_WITHIN
from prefect_jobs.sidecar.receipt import Receipt
from prefect_jobs.store import HistoryStore
from prefect_jobs.store.database import Database
from prefect_jobs.store.history import MESSAGE_LIMIT
from prefect_jobs.worker_process import WorkerProcess

TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: disk full'


def as_job(run: Run) -> Job:
    return job_from_run(run, now=datetime.now(UTC))


def begun(run: Run) -> Run:
    now = datetime.now(UTC)
    return replace(run, state_type="RUNNING", state_name="Running", state_id=f"{run.id}-r", run_count=1, started_at=now)


@pytest.fixture
def store(database: Database) -> HistoryStore:
    return HistoryStore(database)


async def test_prefect_is_asked_once_while_the_job_stays_where_it_is(store: HistoryStore) -> None:
    prefect = FakePrefect()
    job = as_job(prefect.put(pending()))
    histories = Histories(prefect, store)
    first = await histories.of(job)
    asked = prefect.requests
    assert await histories.of(job) == first
    assert prefect.requests == asked


async def test_all_who_ask_at_the_same_moment_cost_prefect_one_reading(store: HistoryStore) -> None:
    prefect = FakePrefect()
    job = as_job(prefect.put(pending()))
    histories = Histories(prefect, store)
    answers = await asyncio.gather(*(histories.of(job) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert prefect.requests == 2  # its states, and the run


async def test_a_job_that_moved_on_is_read_again_and_each_state_is_kept_once(store: HistoryStore) -> None:
    prefect = FakePrefect()
    run = prefect.put(pending())
    histories = Histories(prefect, store)
    await histories.of(as_job(run))
    past = await histories.of(as_job(prefect.put(begun(run))))
    assert [transition.to for transition in past.transitions] == ["pending", "running"]
    assert await histories.compare(as_job(begun(run))) is None


async def test_a_past_once_read_is_told_while_prefect_is_away(store: HistoryStore) -> None:
    prefect = FakePrefect()
    run = prefect.put(pending())
    histories = Histories(prefect, store)
    await histories.of(as_job(run))
    prefect.go_down()
    assert (await histories.of(as_job(run))).complete
    moved_on = await histories.of(as_job(begun(run)))
    assert (len(moved_on.transitions), moved_on.complete) == (1, False)
    with pytest.raises(PrefectUnavailable):
        await histories.of(as_job(pending()))


async def test_the_receipt_of_a_crash_that_a_worker_told_arrives_a_moment_later(store: HistoryStore) -> None:
    """The worker says Crashed; what was killed, the job's sidecar knows, and writes it beside the state."""
    prefect = FakePrefect()
    now = datetime.now(UTC)
    run = replace(begun(prefect.put(pending())), uses_kit=True)
    crashed = prefect.put(
        replace(run, state_type="CRASHED", state_name="Crashed", state_id=f"{run.id}-c", state_message="Exit -9")
    )
    crashed = replace(crashed, ended_at=now)
    clock = [now + timedelta(seconds=0.1)]
    histories = Histories(prefect, store, clock=lambda: clock[0])
    assert (await histories.of(as_job(crashed))).transitions[-1].receipt is None
    receipt = Receipt(now.timestamp(), now.timestamp(), now.timestamp() + 0.5, "ended", [(41, "sh")], cause="died")
    crashed = prefect.put(replace(crashed, receipts=((str(crashed.state_id), receipt.text()),)))
    told = (await histories.of(as_job(crashed))).transitions[-1]
    assert told.message == f"Exit -9. {receipt.text()}"
    assert told.receipt is not None
    clock[0] += RECEIPT_ARRIVES_WITHIN
    await histories.of(as_job(crashed))
    asked = prefect.requests
    await histories.of(as_job(crashed))
    assert prefect.requests == asked


async def test_an_attempt_keeps_its_worker_when_another_takes_the_next(store: HistoryStore) -> None:
    """Prefect's run names the worker that took it last, also while it waits for its next one."""
    prefect = FakePrefect()
    histories = Histories(prefect, store)
    run = prefect.put(begun(pending(worker="worker-1", deployment_id="d")))
    await histories.of(as_job(run))
    run = prefect.put(replace(run, state_type="FAILED", state_id="f"))
    run = prefect.put(replace(run, state_type="SCHEDULED", state_name="AwaitingRetry", state_id="w"))
    await histories.of(as_job(run))
    run = prefect.put(replace(run, state_type="RUNNING", state_id="r2", run_count=2, worker="worker-2"))
    past = await histories.of(as_job(run))
    assert [attempt.worker for attempt in past.attempts] == ["worker-1", "worker-2"]


async def test_what_prefect_holds_beside_the_states_is_kept(store: HistoryStore) -> None:
    prefect = FakePrefect()
    prefect.queues["q"] = 3
    worker = WorkerProcess("w", "host", "", 7, 1, "0.1.0", 2)
    run = prefect.put(
        pending(
            worker="w",
            worker_process=worker,
            queue_name="urgent",
            queue_id="q",
            retries=2,
            created_through_api=True,
            created_by="eve",
        )
    )
    past = await Histories(prefect, store).of(as_job(run))
    assert past.circumstances.worker_process == worker
    about = past.circumstances
    assert (about.queue_name, about.queue_priority, about.retries) == ("urgent", 3, 2)
    assert (past.transitions[0].trigger, past.transitions[0].by) == ("api", "eve")


async def test_a_difference_from_prefects_own_history_is_found(store: HistoryStore) -> None:
    prefect = FakePrefect()
    run = prefect.put(pending())
    histories = Histories(prefect, store)
    await histories.of(as_job(run))
    prefect.put_silently(begun(run))
    found = await histories.compare(as_job(run))
    assert found is not None
    assert (found.missing, found.surplus, found.twice) == ((f"{run.id}-r",), (), ())


async def test_the_past_of_a_removed_job_goes_with_it(store: HistoryStore) -> None:
    prefect = FakePrefect()
    job = as_job(prefect.put(pending()))
    await Histories(prefect, store).of(job)
    await store.forget([job.job_id])
    assert await store.read(job.job_id) is None
    assert await store.actions(job.job_id) == []


async def test_a_message_is_cut_where_the_limit_says(store: HistoryStore) -> None:
    prefect = FakePrefect()
    run = prefect.put(a_run("COMPLETED", state_message="x" * (MESSAGE_LIMIT + 1)))
    past = await Histories(prefect, store).of(as_job(run))
    assert past.transitions[0].message == "x" * MESSAGE_LIMIT


async def test_the_newest_traceback_of_the_attempt_is_the_one_told(store: HistoryStore) -> None:
    prefect = FakePrefect()
    run = prefect.put(failed("ValueError: disk full"))
    before, after = run.created_at - timedelta(seconds=1), run.created_at + timedelta(seconds=1)
    prefect.log(run.id, TRACE.replace("disk full", "an attempt before"), level=40, timestamp=before)
    prefect.log(run.id, f"Encountered exception\n{TRACE}", level=40, timestamp=after)
    prefect.log(run.id, "Finished in state Failed", level=40, timestamp=after + timedelta(seconds=1))
    assert await Histories(prefect, store).traceback(as_job(run)) == TRACE


async def test_a_log_without_a_traceback_is_searched_again_only_while_lines_may_arrive(store: HistoryStore) -> None:
    prefect = FakePrefect()
    run = prefect.put(failed("ValueError: disk full"))
    job = as_job(run)
    assert job.completed_at is not None
    for waited, is_asked in (
        (LOGS_ARRIVE_WITHIN, True),
        (LOGS_ARRIVE_WITHIN * 2, True),
        (LOGS_ARRIVE_WITHIN * 3, False),
    ):
        now = job.completed_at + waited
        asked = prefect.requests
        assert await Histories(prefect, store, clock=lambda now=now: now).traceback(job) is None
        assert (prefect.requests > asked) is is_asked


async def test_a_job_that_did_not_fail_has_no_traceback(store: HistoryStore) -> None:
    prefect = FakePrefect()
    assert await Histories(prefect, store).traceback(as_job(prefect.put(running()))) is None


def test_a_traceback_begins_with_its_heading() -> None:
    assert traceback_in("all is well") is None
    assert traceback_in("he wrote Traceback (most recent call last): once") is None
    chained = f"{TRACE}\n\nDuring handling of the above exception, another exception occurred:\n\n{TRACE}X"
    assert traceback_in(chained) == f"{TRACE}X"


def test_a_group_of_exceptions_has_its_traceback_with_all_that_it_is_made_of() -> None:
    """Python draws a group into a frame, and its heading is another one: such a job had no traceback at all."""
    try:
        try:
            raise KeyError("the first cause")
        except KeyError as cause:
            inner = ExceptionGroup("inner", [OSError("no space"), ValueError("no number")])
            group = ExceptionGroup("copying", [TypeError("no type"), inner])
            group.add_note("while the folder was copied")
            raise group from cause
    except ExceptionGroup:
        message = f"Encountered exception during execution\n{traceback.format_exc()}"
    told = traceback_in(message)
    assert told is not None
    assert told.startswith("Traceback (most recent call last):")
    for part in (
        "the first cause",
        "direct cause",
        "ExceptionGroup: copying (2 sub-exceptions)",
        "TypeError: no type",
        "while the folder was copied",
        "ExceptionGroup: inner",
        "OSError: no space",
        "ValueError: no number",
    ):
        assert part in told  # fmt: skip
    alone = traceback_in(message[message.index("  + Exception Group") :])
    assert alone is not None
    assert alone.startswith("  + Exception Group Traceback (most recent call last):")
    assert alone in told


def test_a_group_that_is_too_long_keeps_its_top_which_names_it() -> None:
    heading = "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: copying\n"
    told = traceback_in(heading + "  | " * TRACEBACK_LIMIT)
    assert told is not None
    assert (told.startswith(heading), len(told), "[cut" in told) == (True, TRACEBACK_LIMIT, True)


async def test_hostile_text_in_a_past_is_kept_and_told(store: HistoryStore) -> None:
    hostile, cleaned = "NUL \x00, half of a pair \ud83d", "NUL \ufffd, half of a pair \ufffd"
    prefect = FakePrefect()
    run = prefect.put(failed(hostile))
    histories = Histories(prefect, store)
    assert (await histories.of(as_job(run))).transitions[-1].error == cleaned
    assert (await Histories(prefect, store).of(as_job(run))).transitions[-1].error == cleaned
