"""Statistics over time are what a plain loop over the jobs counts."""

from datetime import UTC, datetime, timedelta

from prefect_jobs.gateway.fake import a_run, completed, failed, pending
from prefect_jobs.store import JobIndex
from prefect_jobs.store.statistics import Bucket, Quantiles
from prefect_jobs.store.tables import to_microseconds

EIGHT = datetime(2026, 3, 4, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = 60_000_000


def at(minutes: float) -> datetime:
    return EIGHT + timedelta(minutes=minutes)


async def test_a_timeline_counts_by_bucket_and_type_where_each_thing_happened(index: JobIndex) -> None:
    runs = [
        completed(created_at=at(0), started_at=at(1), ended_at=at(3)),
        completed(created_at=at(10), started_at=at(13), ended_at=at(61)),
        failed("x", created_at=at(70), started_at=at(70), ended_at=at(71)),
        a_run("CANCELLED", created_at=at(30), started_at=None, ended_at=at(90), flow="backup"),
        a_run("CANCELLED", "Aborted", created_at=at(30), started_at=at(31), ended_at=at(119), flow="backup"),
        pending(created_at=at(59)),
        pending(created_at=at(5), scheduled_for=at(10_000)),
        completed(created_at=at(-1), started_at=at(-1), ended_at=at(-0.5)),
        completed(created_at=at(120), started_at=at(120), ended_at=at(121)),
    ]
    await index.apply(runs, now=at(200))
    eight, nine = to_microseconds(EIGHT), to_microseconds(EIGHT + HOUR)
    assert index.timeline(start=EIGHT, width=HOUR, count=2, job_type=None) == [
        Bucket(eight, "backup", 2, 0, 0, 0, Quantiles(MINUTE, MINUTE), None),
        Bucket(eight, "export", 3, 1, 0, 0, Quantiles(MINUTE, 3 * MINUTE), Quantiles(2 * MINUTE, 2 * MINUTE)),
        Bucket(nine, "backup", 0, 0, 0, 2, None, None),
        Bucket(nine, "export", 1, 1, 1, 0, Quantiles(0, 0), Quantiles(48 * MINUTE, 48 * MINUTE)),
    ]
    backups = index.timeline(start=EIGHT, width=HOUR, count=2, job_type="backup")
    assert [bucket.job_type for bucket in backups] == ["backup", "backup"]
    assert index.timeline(start=EIGHT, width=HOUR, count=2, job_type="nothing") == []


async def test_an_empty_index_has_an_empty_timeline(index: JobIndex) -> None:
    assert index.timeline(start=EIGHT, width=HOUR, count=2, job_type=None) == []


async def test_durations_are_those_of_the_latest_completed_jobs_of_a_type(index: JobIndex) -> None:
    lengths = [5, 1, 9, 3]
    await index.apply(
        [
            *(
                completed(created_at=at(day), started_at=at(day), ended_at=at(day) + timedelta(seconds=length))
                for day, length in enumerate(lengths)
            ),
            failed("x", created_at=at(9), started_at=at(9), ended_at=at(99)),
            completed(flow="backup", created_at=at(9), started_at=at(9), ended_at=at(99)),
        ],
        now=at(0),
    )
    assert index.durations("export") == [1, 3, 5, 9]
    assert index.durations("export", limit=2) == [3, 9]
    assert index.durations("nothing") == []
