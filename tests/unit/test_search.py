"""Searching in memory finds what a plain loop over all jobs finds, counts it, and stays right while jobs change."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from prefect_jobs.conditions import (
    Between,
    Condition,
    Contains,
    HasError,
    HasParameter,
    IdStarts,
    Logged,
    Not,
    OneOf,
)
from prefect_jobs.gateway import LogLine, Run
from prefect_jobs.gateway.fake import a_run
from prefect_jobs.job_states import STATES_BY_STATUS, TABLE
from prefect_jobs.job_text import parameter_text, search_text
from prefect_jobs.jobs import Job
from prefect_jobs.store import JobIndex, LogStore, Page, log_search, orders, search, texts
from prefect_jobs.store.database import Database
from prefect_jobs.store.orders import SORTS
from prefect_jobs.store.tables import to_microseconds

NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)
WORDS = ["disk full", "Camera Front", "timeout", "Übergröße", "50% off", "x"]
STATES = [(kind, name or kind.title()) for kind, names in TABLE.items() for name in names]


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """So small that a few hundred jobs take every path that a million take."""
    monkeypatch.setattr(texts, "PENDING_LIMIT", 16)
    monkeypatch.setattr(texts, "SEGMENT_LIMIT", 64)
    monkeypatch.setattr(search, "FEW", 20)
    monkeypatch.setattr(orders, "_FIRST_CHUNK", 8)


def random_run(pick: random.Random, number: int) -> Run:
    kind, name = pick.choice(STATES)
    created = NOW - timedelta(seconds=pick.randrange(50))
    started = created + timedelta(seconds=pick.randrange(10))
    return a_run(
        kind,
        name,
        id=f"{pick.getrandbits(32):08x}-{number}",
        flow=pick.choice(["export", "backup", "Clean Up"]),
        created_at=created,
        started_at=started if kind not in ("SCHEDULED", "PENDING") else None,
        ended_at=started + timedelta(seconds=pick.randrange(5)) if kind in ("COMPLETED", "FAILED", "CRASHED") else None,
        scheduled_for=NOW + timedelta(hours=1) if pick.random() < 0.2 else created,
        state_message=pick.choice([None, f"Error: {pick.choice(WORDS)} {number}"]),
        result=pick.choice([None, "a text", {"path": pick.choice(WORDS), "count": 3, "deep": {"no": "hidden"}}]),
        parameters=pick.choice([{}, {"camera_id": "front-door", "limit": 10}, {"camera_id": None, "all": True}]),
    )


CONDITIONS: list[list[Condition]] = [
    [],
    [OneOf("job_type", frozenset({"export"}))],
    [OneOf("job_type", frozenset({"export", "nothing"})), OneOf("state", STATES_BY_STATUS["failed"])],
    [OneOf("state", frozenset({"scheduled"}))],
    [Not(OneOf("job_type", frozenset({"export"}))), OneOf("state", frozenset({"running", "late"}))],
    [HasError()],
    [Not(HasError())],
    [Between("created_at", to_microseconds(NOW - timedelta(seconds=20)), None)],
    [Between("completed_at", None, to_microseconds(NOW))],
    [Between("duration", 2_000_000, 3_000_000)],
    [Not(Between("duration", 0, None))],
    [Between("progress", 1, 100)],
    [Contains("disk")],
    [Contains("DISK FULL"), HasError()],
    [Contains("übergröße")],
    [Contains("completed successfully")],
    [Contains("hidden")],
    [Contains("%")],
    [Not(Contains("disk")), OneOf("job_type", frozenset({"backup"}))],
    [HasParameter("camera_id", "FRONT")],
    [HasParameter("all", "true"), Not(HasParameter("camera_id", "front"))],
    [HasParameter("limit", "10"), Contains("x")],
    [IdStarts("a")],
    [Not(IdStarts("a")), Contains("a text")],
]


def holds(condition: Condition, job: Job) -> bool:
    match condition:
        case Not(inner):
            return not holds(inner, job)
        case OneOf(column, words):
            return getattr(job, column) in words
        case HasError():
            return job.error is not None
        case Contains(text):
            return text.lower() in search_text(job)
        case HasParameter(name, value):
            return f"\n{name}={value}".lower() in parameter_text(job)
        case IdStarts(prefix):
            return job.job_id.startswith(prefix)
        case Between("duration", least, most):
            if job.started_at is None or job.completed_at is None:
                return False
            value = (job.completed_at - job.started_at) // timedelta(microseconds=1)
        case Between("progress", least, most):
            value = job.progress
        case Between(column, least, most):
            if (moment := getattr(job, column)) is None:
                return False
            value = to_microseconds(moment)
        case _:
            raise AssertionError(condition)
    return (least is None or value >= least) and (most is None or value <= most)


def expected(jobs: list[Job], conditions: list[Condition], page: Page) -> list[Job]:
    asked = any(isinstance(c, OneOf) and "scheduled" in c.words for c in conditions)
    found = [job for job in jobs if (asked or job.state != "scheduled") and all(holds(c, job) for c in conditions)]
    found.sort(key=lambda job: (job.created_at, job.slot), reverse=page.descending or page.sort != "created_at")
    if page.sort == "created_at":
        return found

    def key(job: Job) -> tuple[bool, Any]:
        value = getattr(job, page.sort)
        return value is not None, 0 if value is None else value

    return sorted(found, key=key, reverse=page.descending)


async def everything(index: JobIndex) -> list[Job]:
    jobs: list[Job] = []
    async for ids in index.ids(active_only=False):
        jobs += [job for job_id in ids if (job := await index.get(job_id))]
    return jobs


async def check_everything(index: JobIndex, pick: random.Random) -> None:
    jobs = await everything(index)
    for conditions in CONDITIONS:
        for sort in pick.sample(list(SORTS.values()), 2):
            page = Page(pick.choice([1, 7, 1000]), pick.choice([0, 0, 5, 60]), sort, pick.random() < 0.5, exact=True)
            found = await index.find(conditions, page)
            wanted = expected(jobs, conditions, page)
            names = [job.job_id for job in found.jobs]
            assert names == [job.job_id for job in wanted[page.offset : page.offset + page.limit]], (conditions, page)
            assert found.exact
            counts = found.counts
            assert counts.total == len(wanted), conditions
            assert counts.by_state == Counter(job.state for job in wanted)
            assert counts.by_status == Counter(job.status for job in wanted)
            assert counts.by_type == Counter(job.job_type for job in wanted)
    visible = [job for job in jobs if job.state != "scheduled"]
    assert index.everything().by_type == Counter(job.job_type for job in visible)
    lasted = [
        (job.completed_at - job.started_at).total_seconds()
        for job in visible
        if job.status == "completed" and job.completed_at and job.started_at
    ]
    mean = index.stats().average_duration_seconds
    assert mean == pytest.approx(sum(lasted) / len(lasted) if lasted else None)


@pytest.mark.parametrize("seed", range(3))
async def test_a_search_finds_what_a_plain_loop_finds_while_jobs_come_change_and_go(
    index: JobIndex, database: Database, seed: int
) -> None:
    pick = random.Random(seed)
    runs = {run.id: run for run in (random_run(pick, number) for number in range(200))}
    await index.apply(list(runs.values()), now=NOW)
    await check_everything(index, pick)
    for number, run_id in enumerate(pick.sample(sorted(runs), 120)):
        runs[run_id] = replace(random_run(pick, number), id=run_id, read_order=1)
        await index.apply([runs[run_id]], now=NOW)
    await index.remove(pick.sample(sorted(runs), 40), now=NOW)
    await index.apply([random_run(pick, number) for number in range(1000, 1040)], now=NOW)
    await check_everything(index, pick)
    await check_everything(await JobIndex.open(database), pick)


async def test_of_a_common_word_the_newest_page_is_exact_and_the_counts_a_lower_bound(
    index: JobIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXACT_UP_TO", 100)
    runs = [
        a_run("COMPLETED", created_at=NOW + timedelta(seconds=second), ended_at=NOW + timedelta(days=1))
        for second in range(1000)
    ]
    await index.apply(runs, now=NOW)
    for offset in (0, 90, 300):
        found = await index.find([Contains("successfully")], Page(50, offset))
        newest_first = [run.id for run in reversed(runs)]
        assert [job.job_id for job in found.jobs] == newest_first[offset : offset + 50]
        assert not found.exact
        assert 100 <= found.counts.total < 1000
    exact = await index.find([Contains("successfully")], Page(50, exact=True))
    assert (exact.counts.total, exact.exact) == (1000, True)
    by_progress = await index.find([Contains("successfully")], Page(50, sort="progress"))
    assert (by_progress.counts.total, by_progress.exact) == (1000, True)


async def test_a_pasted_id_or_its_beginning_finds_its_job_and_whoever_speaks_of_it(index: JobIndex) -> None:
    child = a_run("FAILED", state_message="lost the parent 5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10")
    parent = a_run("COMPLETED", id="5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10", created_at=NOW)
    await index.apply([child, parent, a_run("COMPLETED")], now=NOW)
    for text in (parent.id, parent.id.upper(), "5d1c0f4e"):
        found = await index.find([Contains(text, or_id=True)], Page(50))
        assert {job.job_id for job in found.jobs} == {child.id, parent.id}, text


async def test_what_a_card_shows_of_an_id_finds_the_job(index: JobIndex, database: Database) -> None:
    """A card shows the last six characters of an id, and whoever typed what he read found nothing."""
    wanted = a_run("COMPLETED", id="5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10")
    gone = a_run("COMPLETED", id="00000000-7a52-4d0a-9a3e-3f6b8a2c9e10")
    await index.apply([wanted, gone, a_run("COMPLETED", id="2c9e1000-7a52-4d0a-9a3e-3f6b8a000000")], now=NOW)
    await index.remove([gone.id], now=NOW)
    for opened in (index, await JobIndex.open(database)):
        for text in ("2c9e10", "#2c9e10", "2C9E10"):
            found = await opened.find([Contains(text, or_id=True)], Page(50))
            assert wanted.id in {job.job_id for job in found.jobs}, text
            assert gone.id not in {job.job_id for job in found.jobs}
            named = await opened.find([IdStarts(text)], Page(50))
            assert wanted.id in {job.job_id for job in named.jobs}, text
        for text in ("c9e10", "##2c9e10", "nobody"):
            assert not (await opened.find([Contains(text, or_id=True)], Page(50))).jobs, text


async def test_hostile_text_is_found_and_harms_nobody(index: JobIndex) -> None:
    run = a_run("FAILED", state_message="a\x00b \ud800 %_' OR 1=1 --", parameters={"\ud800": "\x00"})
    await index.apply([run], now=NOW)
    for text in ("%_'", "' OR 1=1", "b \ufffd"):
        assert (await index.find([Contains(text)], Page(50))).counts.total == 1, text
    for text in (".*", "\x00", "\ud800", "a.b"):
        assert (await index.find([Contains(text, or_id=True), Not(IdStarts(text))], Page(50))).counts.total == 0, text


async def test_jobs_are_found_by_what_they_logged(
    index: JobIndex, logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote, silent, other = (a_run("COMPLETED", created_at=NOW - timedelta(minutes=age)) for age in (1, 2, 3))
    await index.apply([wrote, silent, other], now=NOW)
    lines = [(wrote, "Disk FULL: 100%_ of ÜBUNG"), (silent, "all is well"), (other, "disk fuller")]
    for run, message in lines:
        await logs.add(run.id, [LogLine(str(uuid4()), run.id, NOW, 20, message)])

    async def found(*conditions: Condition) -> tuple[list[str], int, bool]:
        answer = await index.find(conditions, Page(50))
        return [job.job_id for job in answer.jobs], answer.counts.total, answer.exact

    assert await found(Logged("disk full")) == ([wrote.id, other.id], 2, True)
    assert await found(Logged("100%_")) == ([wrote.id], 1, True)
    assert await found(Logged("übung")) == ([wrote.id], 1, True)
    assert await found(Not(Logged("disk full"))) == ([silent.id], 1, True)
    assert await found(Logged("disk"), IdStarts(other.id)) == ([other.id], 1, True)
    monkeypatch.setattr(log_search, "SECONDS", -1)
    assert await found(Logged("disk full")) == ([], 0, False)
