"""Stops that meet something: the end of the job, the beginning of it, another attempt, a server that froze or died."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed_turn import FeedStatus
from prefect_jobs.gateway.prefect import PrefectGateway
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import JobIndex, open_database
from prefect_jobs.unheard import UnheardJobs
from tests.lifecycle.jobs import SLOW_IMPORT, How, Jobs, Subject, frozen
from tests.stack import eventually, processes_of


@pytest.fixture(autouse=True)
def _nothing_left_at_work(jobs: Jobs) -> Generator[None]:
    yield
    jobs.end_all()


def assert_over(subject: Subject, state: str, *, how: str | None = None, run_count: int = 1) -> None:
    """It ended as this, once, with one receipt if it was stopped, and nothing of it is left."""
    job = subject.wait_end(60.0)
    subject.wait_gone()
    assert (job["state"], subject.run_count) == (state, run_count), [s["name"] for s in subject.states]
    assert [receipt["how"] for receipt in subject.receipts] == ([] if how is None else [how])


def start_all(jobs: Jobs, *names: str) -> list[Subject]:
    """Jobs at work, started side by side."""
    with ThreadPoolExecutor(len(names)) as pool:
        started = list(pool.map(jobs.start, names))
        return list(pool.map(Subject.wait_ready, started))


@pytest.mark.timeout(240)
def test_a_cancel_that_races_the_last_line_of_the_body_ends_one_way_or_the_other(jobs: Jobs) -> None:
    """A run that completes while it is being cancelled is refused by Prefect, and would say Stopping for ever."""

    def race(offset: float) -> str:
        subject = jobs.start("heedless", "script", seconds=1.0).wait_ready()
        last_line = (subject.folder / "seen").stat().st_mtime + 1.0
        time.sleep(max(0.0, last_line + offset - time.time()))
        answer = subject.act("cancel").status_code
        job = subject.wait_end()
        subject.wait_gone()
        assert answer in (200, 409)
        assert len(subject.receipts) == (answer == 200)
        assert job["state"] in (("completed",) if answer == 409 else ("completed", "cancelled"))
        assert job["result"] == ("all done" if job["state"] == "completed" else None)
        assert subject.run_count == 1
        return job["state"]

    offsets = [-0.3, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.4]
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(race, offsets))) == len(offsets)


def test_a_job_that_is_cancelled_while_it_imports_never_begins(jobs: Jobs) -> None:
    """Prefect lets a process that is on its way begin after an end. So no end is written before the process is gone."""
    subject = jobs.start("slow_import", file=SLOW_IMPORT)

    def on_its_way() -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for process in processes_of(jobs.stack.data_dir):
            with suppress(psutil.Error):
                if process.environ().get("PREFECT__FLOW_RUN_ID") == subject.id:
                    found.append(process)
        return found

    eventually(on_its_way, within=60, what="a process, which imports for six seconds")
    assert subject.act("cancel").status_code == 200
    assert subject.wait_end()["state"] == "cancelled"

    eventually(lambda: not on_its_way(), what="no process")
    assert (subject.wait_end()["state"], subject.run_count, subject.receipts) == ("cancelled", 0, [])
    assert [transition["to"] for transition in subject.history["transitions"]] == ["pending", "failed"]
    assert not (subject.folder / "began").exists()


@pytest.mark.parametrize("killed", [False, True])
def test_an_old_attempt_never_touches_a_new_one(jobs: Jobs, killed: bool) -> None:
    """A job is thought dead and queued again, and its old process comes back, or its death is seen late."""
    subject = jobs.start_unattended("stepping")
    old, old_sidecar = subject.process, subject.sidecars[-1]
    with frozen(old.pid), frozen(old_sidecar.pid):
        jobs.prefect.post(f"/flow_runs/{subject.id}/set_state", {"state": {"type": "CRASHED"}, "force": True})
        eventually(lambda: subject.act("retry").status_code == 200)
        new = jobs.execute(subject, "stepping")
        assert new.process.pid != old.pid
        if killed:
            old.kill()
    # The old one comes to life, sees that the run is not its own any more, and leaves it alone.
    subject.wait_gone(30.0)
    assert new.job["state"] == "running"
    assert subject.states[-1]["type"] == "RUNNING"
    assert new.act("cancel").status_code == 200
    assert_over(new, "cancelled", how="stopped", run_count=2)
    assert [attempt["status"] for attempt in new.history["attempts"]] == ["failed", "cancelled"]


def test_a_failed_job_that_is_queued_again_is_watched_again(jobs: Jobs) -> None:
    subject = jobs.start("heedless", seconds=0.1, error="disk full").wait_ready()
    assert subject.wait_end(60.0)["error"] == "ValueError: disk full"
    assert subject.act("retry").status_code == 200
    eventually(lambda: subject.run_count == 2 and subject.job["status"] == "failed", within=60)
    assert [attempt["status"] for attempt in subject.history["attempts"]] == ["failed", "failed"]
    assert subject.receipts == []


def test_a_job_that_is_killed_while_it_waits_for_its_next_attempt_is_seen_to_be_dead(jobs: Jobs) -> None:
    """Only the process that is gone would have begun the attempt. Without a worker nobody else reports its death."""
    subject = jobs.start_unattended("patient")
    eventually(lambda: subject.job["state"] == "awaiting_retry", within=20)
    time.sleep(1.0)  # its sidecar looks 0.05 seconds after the body's end
    subject.process.kill()
    assert_over(subject, "crashed", how="ended")
    assert subject.act("retry").status_code == 200


@pytest.mark.parametrize("by", ["worker", "script"])
def test_a_job_that_is_cancelled_while_it_waits_for_its_next_attempt_never_begins_it(jobs: Jobs, by: How) -> None:
    """It waits in its own process, which nobody can wake: a worker ends it, a script sees it when it wakes up."""
    subject = jobs.start("hopeful", by).wait_ready()
    eventually(lambda: subject.job["state"] == "awaiting_retry", within=20)
    assert subject.act("cancel").status_code == 200
    assert subject.wait_end()["state"] == "cancelled"
    eventually(lambda: not subject.process.is_running() or subject.process.status() == "zombie", within=40)
    assert subject.wait_end()["state"] == "cancelled"
    assert not (subject.folder / "began-again").exists()


async def test_a_job_that_died_with_its_sidecar_is_ended_when_nothing_is_heard_of_it(
    jobs: Jobs, tmp_path: Path
) -> None:
    """As on a machine that dies whole. Prefect's own heartbeat, which every flow sends, stands still."""
    subject = jobs.start("sleeping", "script").wait_ready()
    with frozen(subject.sidecars[-1].pid):
        subject.process.kill()
        subject.sidecars[-1].kill()
    subject.wait_gone()
    async with (
        PrefectGateway.connect(jobs.stack.prefect_api_url) as gateway,
        open_database(f"sqlite:///{tmp_path / 'index.db'}") as database,
    ):
        index = await JobIndex.open(database)
        await index.apply(await gateway.read_runs([subject.id]), now=datetime.now(UTC))
        waits = StateWaits(ChangeHub(await index.version()), index)
        up = FeedStatus("up", 0.0, ready=True, reasons=())
        unheard = UnheardJobs(gateway, index, waits, lambda: up, after=2.0)
        await unheard.look()
        assert subject.job["state"] == "running"
        async with asyncio.timeout(30):
            while subject.job["state"] == "running":
                await asyncio.sleep(0.5)
                await unheard.look()
    assert subject.wait_end()["error"].startswith("Nothing was heard of the job's process since ")


def test_a_stopping_job_is_neither_purged_nor_retried(jobs: Jobs) -> None:
    subject = jobs.start("heedless", "script", seconds=6.0).wait_ready()
    assert subject.act("cancel").status_code == 200
    assert subject.act("retry").status_code == 409
    assert jobs.api.delete(f"/api/jobs/{subject.id}", params={"purge": "true"}).status_code == 409
    assert_over(subject, "completed", how="finished")
    assert jobs.api.delete(f"/api/jobs/{subject.id}", params={"purge": "true"}).status_code == 200
    assert jobs.prefect.http.get(f"/flow_runs/{subject.id}").status_code == 404


def test_the_jobs_of_a_killed_worker_die_with_it_and_are_crashed(jobs: Jobs, tmp_path: Path) -> None:
    """Nobody is left who would report them, but their sidecars."""
    environment = {**jobs.stack.environment, "PREFECT_JOBS_WORK_POOL": "short-lived"}
    log = tmp_path / "work.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "prefect_jobs.cli", "work"]
        worker = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        eventually(lambda: b"started!" in log.read_bytes(), within=60)
        subject = jobs.start("family", pool="short-lived").wait_ready()
        time.sleep(1.5)  # its sidecar looks every second who belongs to it
    finally:
        worker.kill()
        worker.wait()
    assert_over(subject, "crashed", how="ended")


Fault = Callable[[Jobs], None]


def freeze_server(jobs: Jobs) -> None:
    with frozen(jobs.stack.pid_of("prefect")):
        time.sleep(8.0)


def restart_server(jobs: Jobs) -> None:
    jobs.stack.kill("prefect")
    eventually(lambda: jobs.prefect.http.get("/health").is_success, within=120)
    jobs.stack.wait_ready(90.0)


def restart_adapter(jobs: Jobs) -> None:
    jobs.stack.restart_adapter()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", [freeze_server, restart_server, restart_adapter])
def test_every_stop_survives_a_server_that_goes_at_any_stage(jobs: Jobs, fault: Fault) -> None:
    """While the server is away nothing is killed on a guess, and afterwards every job has its right end."""
    names = ("stepping", "sleeping", "heedless", "family", "holding_the_lock", "stepping")
    cancelled, aborted, finishing, killed, waiting, later = start_all(jobs, *names)
    assert cancelled.act("cancel").status_code == 200
    assert aborted.act("abort").status_code == 200
    time.sleep(1.5)  # a sidecar looks every second who belongs to its job
    os.kill(killed.process.pid, signal.SIGKILL)
    fault(jobs)
    assert_over(cancelled, "cancelled", how="stopped")
    assert_over(aborted, "aborted", how="killed")
    assert_over(killed, "crashed", how="ended")
    assert_over(finishing, "completed")
    assert waiting.job["state"] == "running"
    eventually(lambda: waiting.act("abort").status_code == 200, within=20)
    eventually(lambda: later.act("cancel").status_code == 200, within=20)
    assert_over(waiting, "aborted", how="killed")
    assert_over(later, "cancelled", how="stopped")
