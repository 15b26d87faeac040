"""The client and the command line against the live stack: what they were written for, end to end."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from prefect.states import Completed

from prefect_jobs import Client
from prefect_jobs.client import Invalid, JobChanged, JobDeleted, JobNotFound, NotReachable, Refused, WaitedTooLong
from tests.contract.runs import Runs
from tests.stack import Stack, eventually, free_port

WITHIN = 90.0


@pytest.fixture
def jobs(stack: Stack) -> Generator[Client]:
    with Client(stack.api_url) as client:
        yield client


def command(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    """Run the command line as a process of its own: exit code, output, error output."""
    environment = os.environ | {"PREFECT_JOBS_URL": stack.api_url, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "prefect_jobs.cli", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def known(jobs: Client, job_id: str, status: str) -> None:
    """Wait until the index says so: these runs were made behind its back."""

    def look() -> bool:
        try:
            return jobs.get(job_id).status == status
        except JobNotFound:
            return False

    eventually(look, what=f"{job_id} is {status}")


def test_a_job_is_started_waited_for_and_its_file_fetched(jobs: Client, tmp_path: Path) -> None:
    seen: list[int] = []

    job_id = jobs.start("export", {"format": "json"})
    job = jobs.wait(job_id, timeout=WITHIN, on_progress=lambda job: seen.append(job.progress))
    events = json.loads(jobs.download(job, tmp_path).read_text())

    assert job.succeeded
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert len(events) == job.result["event_count"] > 0


def test_the_same_idempotency_key_is_the_same_job(jobs: Client) -> None:
    first = jobs.start("export", {"format": "csv"}, idempotency_key="the client's own test")

    assert jobs.start("export", {"format": "csv"}, idempotency_key="the client's own test") == first
    jobs.wait(first, timeout=WITHIN)


def test_a_followed_log_is_the_stored_log_and_ends_with_the_job(jobs: Client) -> None:
    job_id = jobs.start_export("csv")

    followed = list(jobs.follow_logs(job_id, timeout=WITHIN))

    stored = list(jobs.logs(job_id))
    assert [line.seq for line in followed] == [line.seq for line in stored] == list(range(1, len(stored) + 1))
    assert [line.message for line in followed] == [line.message for line in stored]
    assert jobs.get(job_id).ended


def test_a_job_type_that_is_none_is_invalid(jobs: Client) -> None:
    with pytest.raises(Invalid) as caught:
        jobs.start("no such type")

    assert [field.field for field in caught.value.fields] == ["body.job_type"]


def test_every_reading_has_its_value(jobs: Client, runs: Runs) -> None:
    run_id = runs.failed("ValueError: disk full")
    known(jobs, run_id, "failed")

    detail, history = jobs.detail(run_id), jobs.history(run_id)

    assert (detail.state, detail.error) == ("failed", "ValueError: disk full")
    assert history.transitions[0].from_status is None
    assert history.transitions[-1].to_status == "failed"
    assert [attempt.status for attempt in history.attempts] == ["failed"]
    assert jobs.stats().total_jobs > 0
    assert jobs.types()[0].name == "export"
    assert jobs.types()[0].can_start
    assert jobs.list(status="failed", limit=1).pagination.total >= 1
    assert run_id in {job.job_id for job in jobs.search("disk full", status="failed", page_size=2)}


def test_what_the_server_refuses_is_refused_in_its_words(jobs: Client, runs: Runs) -> None:
    ended, begun = runs.completed(), runs.started()
    known(jobs, ended, "completed")
    known(jobs, begun, "running")

    with pytest.raises(Refused, match="it has already completed or failed"):
        jobs.cancel(ended)
    with pytest.raises(Refused, match="only failed jobs can"):
        jobs.retry(ended)
    with pytest.raises(Refused, match="stop it before deleting it"):
        jobs.delete(begun)
    with pytest.raises(JobNotFound):
        jobs.abort("job-001")
    assert [item.error for item in jobs.bulk_cancel([ended, "job-001"]).errors] == [
        "Job already completed or failed", "Job not found",
    ]  # fmt: skip


def test_a_deleted_job_is_gone_and_the_feed_tells_it(jobs: Client, runs: Runs) -> None:
    run_id = runs.completed()
    known(jobs, run_id, "completed")
    before = jobs.get(run_id).version
    assert before is not None

    assert jobs.delete(run_id).status == "deleted"

    changes = (change for change in jobs.changes(after=before - 1) if isinstance(change, JobChanged | JobDeleted))
    assert next(change for change in changes if isinstance(change, JobDeleted)).job_id == run_id
    with pytest.raises(JobNotFound):
        jobs.get(run_id)


def test_a_wait_that_takes_too_long_ends_in_time(jobs: Client, runs: Runs) -> None:
    run_id = runs.started()
    known(jobs, run_id, "running")

    with pytest.raises(WaitedTooLong):
        jobs.wait(run_id, timeout=0.2)


def test_waiting_and_following_outlive_a_killed_adapter(stack: Stack, jobs: Client, runs: Runs) -> None:
    run_id = runs.started()
    runs.log(run_id, ["before"])
    known(jobs, run_id, "running")

    begun, read = Event(), Event()

    def follow() -> Generator[str]:
        for line in jobs.follow_logs(run_id, timeout=WITHIN):
            read.set()
            yield line.message

    with ThreadPoolExecutor() as threads:
        # Only what has begun can outlive anything: a first question that nobody answers fails within seconds.
        waited = threads.submit(jobs.wait, run_id, timeout=WITHIN, on_progress=lambda _job: begun.set())
        followed = threads.submit(lambda: list(follow()))
        assert begun.wait(WITHIN)
        assert read.wait(WITHIN)
        stack.restart_adapter()
        runs.log(run_id, ["after"])
        runs.move(run_id, Completed())

        assert waited.result(WITHIN).succeeded
        assert followed.result(WITHIN) == ["before", "after"]


def test_where_nobody_listens_the_client_says_so() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as jobs, pytest.raises(NotReachable):
        jobs.stats()


def test_the_command_line_runs_a_job_and_shows_it(stack: Stack) -> None:
    code, output, error = command(stack, "run", "export", "--param", "format=csv", "--wait", "--json")

    assert (code, error) == (0, "")
    job = json.loads(output)
    assert job["status"] == "completed"
    shown = command(stack, "show", job["job_id"][:-4])
    assert shown[0] == 0, shown
    assert job["job_id"] in shown[1]
    assert "completed" in shown[1]
    assert command(stack, "list", "--type=export", "--status=completed", "-n1")[1].count("\n") == 2
    assert json.loads(command(stack, "logs", job["job_id"], "--tail=1", "--json")[1])["seq"] >= 1
    assert command(stack, "delete", job["job_id"], "--yes")[:2] == (0, f"{job['job_id']}: Job deleted\n")
    assert command(stack, "show", job["job_id"])[0] == 4


def test_a_job_that_fails_fails_the_script(stack: Stack) -> None:
    code, output, error = command(stack, "run", "export", "-p", "format=parquet", "--follow")

    assert code == 1, error
    assert "Unsupported export format: parquet" in output
    assert "failed: Failed: " in error
    job_id = error.split()[1]
    assert command(stack, "retry", job_id) == (0, f"{job_id}: Queued for attempt 2\n", "")
