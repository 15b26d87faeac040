"""Why a job waits: each reason, which comes first, and who is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs.gateway import Outlook, Run
from prefect_jobs.gateway.fake import FakePrefect, a_run, completed, pending
from prefect_jobs.gateway.outlook import Places, Way
from prefect_jobs.pending_reasons import PendingReason, pending_reason
from prefect_jobs.worker_process import WorkerProcess

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
POOL, QUEUE = "jobs", "queue-1"
TWO_JOBS = WorkerProcess("w1", "host", "", 7, 1, "0.1.0", 2)


def waiting(**fields: Any) -> Run:
    return pending(pool_name=POOL, queue_id=QUEUE, deployment_id="d", created_at=NOW - timedelta(minutes=1), **fields)


def at_work(name: str, **fields: Any) -> Run:
    values: dict[str, Any] = {"pool_name": POOL, "queue_id": QUEUE, "worker": "w1", "worker_process": TWO_JOBS}
    return a_run("RUNNING", name=name, **(values | fields))


def around(run: Run | None = None, **fields: Any) -> Outlook:
    """A run for which nothing stands in the way."""
    values: dict[str, Any] = {"pool": Way(POOL), "queue": Way("default"), "workers": ("w1",)}
    return Outlook(run or waiting(), **(values | fields))


def reason(outlook: Outlook) -> PendingReason:
    found = pending_reason(outlook, now=NOW)
    assert found is not None
    return found


def test_a_job_that_nothing_holds_up_is_taken_in_a_moment() -> None:
    assert reason(around()) == PendingReason("waiting", "A worker will take it in a moment", NOW - timedelta(minutes=1))


def test_nobody_is_online() -> None:
    found = reason(around(workers=()))

    assert (found.code, found.text) == ("no_worker", "No worker is online in work pool jobs")
    assert found.since == NOW - timedelta(minutes=1)


def test_a_job_of_a_deployment_that_is_served_by_a_process_waits_for_that_process() -> None:
    run = replace(waiting(), pool_name=None)
    unserved = around(run, pool=None, queue=None, workers=(), deployment=Places("report/daily"))

    assert reason(unserved).text == "No process serves deployment report/daily"
    assert reason(replace(unserved, deployment=Places("report/daily", served=True))).code == "waiting"
    assert reason(replace(unserved, deployment=None)).code == "no_worker"


def test_a_time_that_has_not_come() -> None:
    tomorrow = NOW + timedelta(days=1)

    assert reason(around(waiting(scheduled_for=tomorrow))).text == "Scheduled for 2026-03-05 08:15:00 UTC"
    retry = replace(waiting(scheduled_for=tomorrow, run_count=1), state_name="AwaitingRetry")
    assert reason(around(retry)).code == "retry"
    assert reason(around(retry)).text == "Waits until 2026-03-05 08:15:00 UTC for attempt 2"


@pytest.mark.parametrize("fields", [{"pool": Way(POOL, paused=True)}, {"queue": Way("urgent", paused=True)}])
def test_a_pause_is_told_before_what_is_missing(fields: dict[str, Any]) -> None:
    found = reason(around(workers=(), **fields))

    assert found.code == "paused"
    assert found.text in ("Work pool jobs is paused", "Work queue urgent is paused")


def test_a_full_deployment_names_who_has_its_places() -> None:
    holder = at_work("brave-otter", deployment_id="d")
    other = at_work("calm-crow", deployment_id="other")
    full = around(deployment=Places("export/api", limit=1, taken=1), at_work=(holder, other))

    found = reason(full)

    assert found.code == "deployment_limit"
    assert found.text == "Deployment export/api runs 1 job at once, and that many are at work: export brave-otter"
    assert found.held_by == (holder.id,)


def test_a_job_that_was_put_off_for_want_of_a_place_waits_for_the_place_and_not_for_the_time() -> None:
    run = replace(waiting(scheduled_for=NOW + timedelta(seconds=5)), state_name="AwaitingConcurrencySlot")

    assert reason(around(run, deployment=Places("export/api", limit=1, taken=1))).code == "deployment_limit"


def test_a_full_queue_comes_before_a_full_pool() -> None:
    runs = (at_work("a"), at_work("b", queue_id="other"))

    assert reason(around(queue=Way("urgent", limit=1), pool=Way(POOL, limit=2), at_work=runs)).code == "queue_limit"
    found = reason(around(pool=Way(POOL, limit=2), at_work=runs))
    assert found.code == "pool_limit"
    assert found.text == "Work pool jobs runs 2 jobs at once, and that many are at work: export a, export b"


def test_a_limit_of_none_at_all_is_said() -> None:
    assert reason(around(pool=Way(POOL, limit=0))).text == "Work pool jobs runs no jobs: its limit is 0"


def test_a_full_worker_is_known_by_the_jobs_that_it_took() -> None:
    one, two = at_work("a"), at_work("b")

    assert reason(around(at_work=(one,))).code == "waiting"
    found = reason(around(at_work=(one, two)))
    assert found.code == "worker_limit"
    assert found.text == "Worker w1 runs 2 jobs at once, and that many are at work: export a, export b"
    assert found.held_by == (one.id, two.id)


def test_one_worker_with_room_is_enough() -> None:
    full = (at_work("a"), at_work("b"))

    assert reason(around(workers=("w1", "w2"), at_work=full)).code == "waiting"
    more = tuple(at_work(name, worker="w2") for name in ("c", "d"))
    found = reason(around(workers=("w1", "w2"), at_work=(*full, *more)))
    assert found.text.startswith("The 2 workers online run 4 jobs at once")
    assert found.text.endswith("export a, export b, export c and 1 more")


def test_a_late_job_with_a_worker_online_says_so() -> None:
    found = reason(around(replace(waiting(), state_name="Late")))

    assert (found.code, found.text) == (
        "late",
        "Due since 2026-03-04 08:14:00 UTC, and not taken yet although a worker is online",
    )


def test_a_job_that_was_taken_names_its_worker_and_tells_when_that_is_gone() -> None:
    taken = a_run("PENDING", worker="w1", pool_name=POOL)

    assert reason(around(taken)).text == "Worker w1 is starting it"
    assert reason(around(taken, workers=())).text == (
        "Worker w1 took it and has gone; another worker will give it back"
    )


def test_a_suspended_job_waits_for_somebody() -> None:
    assert reason(around(a_run("PAUSED", "Suspended"))).code == "suspended"


def test_a_job_that_has_begun_or_ended_waits_for_nothing() -> None:
    assert pending_reason(around(at_work("a")), now=NOW) is None
    assert pending_reason(around(completed()), now=NOW) is None


async def test_the_fake_tells_what_is_around_a_run() -> None:
    prefect = FakePrefect()
    run, other = prefect.put(waiting()), prefect.put(at_work("a"))
    prefect.put(at_work("elsewhere", pool_name="other"))
    prefect.pools[POOL], prefect.workers[POOL] = Way(POOL, limit=1), ("w1",)

    found = reason(await prefect.outlook(run.id))

    assert (found.code, found.held_by) == ("pool_limit", (other.id,))
