"""Which frames of both families a change of a job is worth on `/ws/system` (contract section 10)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_jobs.gateway.fake import a_run, completed, failed, pending, running
from prefect_jobs.job_news import Frame, JobNews
from prefect_jobs.jobs import Job, job_from_run

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
RUN = pending(created_at=NOW, deployment_id="deployment")


def job(run: Any, progress: int = 0) -> Job:
    run = replace(run, id=RUN.id, created_at=NOW, deployment_id="deployment")
    return replace(job_from_run(run, now=NOW), **({"progress": progress} if progress else {}))


def at_work(progress: int = 0) -> Job:
    return job(running(created_at=NOW), progress)


def kinds(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames]


def told(news: JobNews, *jobs: Job, every: float = 10.0) -> list[str]:
    """The kinds of frames of these changes, so many seconds apart."""
    return [
        kind
        for number, one in enumerate(jobs)
        for kind in kinds(news.changed(one, now=NOW + timedelta(seconds=every * number)))
    ]


def test_a_job_is_told_to_have_started_once_per_attempt() -> None:
    news = JobNews()
    assert told(news, job(RUN), at_work(), at_work()) == ["job.started"]
    assert told(news, job(RUN), replace(at_work(), attempt=2)) == ["job.started"]


@pytest.mark.parametrize(
    ("steps", "crossed"), [((9,), 0), ((9, 10), 1), ((10, 19), 1), ((5, 25), 1), ((30, 20, 30), 1), ((10, 20, 30), 3)]
)
def test_the_older_family_tells_progress_that_crosses_a_multiple_of_ten_upwards(
    steps: tuple[int, ...], crossed: int
) -> None:
    news = JobNews()
    assert told(news, *(at_work(step) for step in steps)).count("job_progress") == crossed


def test_the_dotted_family_tells_progress_once_a_second_and_a_jump_of_ten_at_once() -> None:
    news = JobNews()
    steps = [at_work(step) for step in (1, 2, 3, 13)]
    assert told(news, *steps, every=0.1).count("job.progress") == 2


def test_progress_that_had_to_wait_is_told_when_its_second_is_over() -> None:
    news = JobNews()
    told(news, at_work(1), at_work(2), every=0.1)
    assert news.due(now=NOW + timedelta(seconds=0.5)) == []
    [frame] = news.due(now=NOW + timedelta(seconds=1))
    assert (frame["type"], frame["payload"]["progress"]) == ("job.progress", 2)
    assert news.due(now=NOW + timedelta(seconds=9)) == []


def test_a_completed_job_is_told_in_both_families() -> None:
    news = JobNews([at_work()])
    old, new = news.changed(job(completed({"n": 1}, created_at=NOW, ended_at=NOW + timedelta(seconds=5))), now=NOW)
    assert old == {"type": "job_completed", "data": {"job_id": RUN.id, "job_type": "export", "result": {"n": 1}}}
    assert set(new) == {"type", "payload", "timestamp", "correlation_id", "channel"}
    assert new["payload"]["duration_seconds"] == 5.0


def test_a_failed_job_says_whether_it_can_be_retried() -> None:
    old, new = JobNews([at_work()]).changed(job(failed("ValueError: disk full")), now=NOW)
    assert old["data"]["error"] == "ValueError: disk full"
    assert new["type"] == "job.failed"
    assert (new["payload"]["error_code"], new["payload"]["retryable"]) == (None, True)


def test_a_cancelled_job_is_failed_in_the_older_family_and_cancelled_in_the_dotted_one() -> None:
    frames = JobNews([at_work()]).changed(job(a_run("CANCELLED")), now=NOW)
    assert kinds(frames) == ["job_failed", "job.cancelled"]
    assert frames[0]["data"]["error"] == "Cancelled by user"


def test_a_job_whose_start_nobody_saw_is_told_to_have_started_before_it_ended() -> None:
    assert told(JobNews([job(RUN)]), job(completed())) == ["job.started", "job_completed", "job.completed"]


def test_what_ended_long_ago_is_no_news_when_it_is_read_for_the_first_time() -> None:
    assert JobNews().changed(job(completed(created_at=NOW)), now=NOW + timedelta(hours=1)) == []


def test_a_job_that_was_at_work_before_is_not_told_to_have_started() -> None:
    assert told(JobNews([at_work(45)]), at_work(46)) == ["job.progress"]
