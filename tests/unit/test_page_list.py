"""What the list shows, and how a change reaches it: the filter, the window of loaded rows, what is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

import prefect_jobs_ui.list_view
from prefect_jobs_ui.adapter import Adapter, AdapterUnavailable, JobsPage, SearchRefused
from prefect_jobs_ui.cards import JobCard, card_of
from prefect_jobs_ui.hub import Hub
from prefect_jobs_ui.list_filter import Counts, ListFilter
from prefect_jobs_ui.list_view import ListView
from prefect_jobs_ui.list_window import LONGEST, Edit, ListWindow
from prefect_jobs_ui.wire import JobResponse


def wire(number: int, *, status: str = "running", state: str = "", version: int = 1, **fields: Any) -> JobResponse:
    stamp = f"2026-03-04T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
    job: JobResponse = {
        "job_id": f"job-{number}", "job_type": "export", "status": status, "state": state or status,
        "created_at": stamp, "version": version, "progress": 0, "message": None,
    }  # fmt: skip
    job.update(fields)  # pyright: ignore[reportCallIssue, reportArgumentType]  # a test names real fields
    return job


def card(number: int, **fields: Any) -> JobCard:
    return card_of(wire(number, **fields))


def newest_first(*numbers: int, **fields: Any) -> list[JobCard]:
    return [card(number, **fields) for number in sorted(numbers, reverse=True)]


def ids(window: ListWindow) -> list[str]:
    return [card.job_id for card in window.cards]


# -- the filter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ListFilter()),
        ("q=+disk+&status=failed&type=export&job=x", ListFilter("disk", "failed", "export")),
        ("status=exploded&q=%00", ListFilter("\0")),
        ("q=first&q=second", ListFilter("first")),
    ],
)
def test_the_address_says_what_is_shown_and_what_is_no_filter_is_left_out(query: str, shown: ListFilter) -> None:
    assert ListFilter.of_query(query) == shown


def test_a_filter_of_something_else_than_text_shows_everything() -> None:
    assert ListFilter.of_words(7, ["failed"], None) == ListFilter()


@pytest.mark.parametrize(
    ("shown", "job", "matches"),
    [
        (ListFilter(), card(1), True),
        (ListFilter(status="running"), card(1), True),
        (ListFilter(status="pending"), card(1), False),
        (ListFilter(status="failed"), card(1, status="failed", state="aborted"), False),
        (ListFilter(status="cancelled"), card(1, status="failed", state="aborted"), True),
        (ListFilter(job_type="backup"), card(1), False),
        (ListFilter("disk"), card(1), None),
        (ListFilter("disk", status="pending"), card(1), False),
    ],
)
def test_everything_but_the_text_is_decided_without_asking(
    shown: ListFilter, job: JobCard, matches: bool | None
) -> None:
    assert shown.matches(job) is matches


def test_failed_is_asked_without_the_cancelled_so_that_the_counts_add_up() -> None:
    assert ListFilter(status="failed").params == {"status": "failed", "state": "failed,crashed,timed_out"}
    assert ListFilter(status="cancelled").params == {"status": "cancelled"}


# -- the window -----------------------------------------------------------------------------------------------------


def test_a_new_job_enters_on_top_and_is_counted() -> None:
    window = ListWindow(ListFilter(), newest_first(1, 2), total=2)

    assert window.take(card(3)) == [Edit("insert", 0, card(3))]
    assert (ids(window), window.total) == (["job-3", "job-2", "job-1"], 3)


def test_while_somebody_reads_new_jobs_are_kept_back_and_counted() -> None:
    window = ListWindow(ListFilter(), newest_first(1, 2), total=2)
    window.hold()

    assert window.take(card(3)) == []
    assert window.take(card(3, progress=5, version=2)) == []
    assert window.take(card(4)) == []
    assert window.kept_back == {"job-3", "job-4"}
    window.drop("job-4")
    assert window.kept_back == {"job-3"}
    assert ids(window) == ["job-2", "job-1"]


def test_a_job_that_matches_no_more_leaves_the_list_and_one_that_matches_again_comes_back() -> None:
    window = ListWindow(ListFilter(status="running"), newest_first(1, 2, 3), total=3)

    assert window.take(card(2, status="completed", version=2)) == [Edit("remove", 1)]
    assert window.take(card(2, status="running", version=3)) == [Edit("insert", 1, card(2, version=3))]
    assert window.total == 3


def test_only_news_is_put() -> None:
    window = ListWindow(ListFilter(), newest_first(1, 2, version=5), total=2)

    assert window.take(card(1, version=4, progress=9)) == []
    assert window.take(card(1, version=5)) == []
    assert window.take(card(1, version=6, progress=9)) == [Edit("put", 1, card(1, version=6, progress=9))]


def test_what_lies_outside_the_loaded_rows_changes_nothing() -> None:
    window = ListWindow(ListFilter(), newest_first(50, 51, 52), start=100, total=1000)

    assert window.take(card(90)) == []
    assert window.take(card(10)) == []
    assert window.total == 1000


def test_edits_count_from_the_lists_first_row() -> None:
    window = ListWindow(ListFilter(), newest_first(50, 52), start=100, total=1000)

    assert window.take(card(51)) == [Edit("insert", 101, card(51))]
    assert window.drop("job-50") == [Edit("remove", 102)]


def test_a_text_makes_the_window_unsure_and_still_shows_the_change_of_a_row() -> None:
    window = ListWindow(ListFilter("disk"), newest_first(1), total=1)

    assert window.take(card(2)) == []
    assert window.unsure
    window.unsure = False
    assert window.take(card(1, version=2, progress=3)) == [Edit("put", 0, card(1, version=2, progress=3))]
    assert window.unsure


def test_an_answer_that_is_older_than_a_change_does_not_undo_it() -> None:
    window = ListWindow(ListFilter(), newest_first(1, version=1), total=1)
    window.take(card(1, version=9, progress=90))

    window.replace(newest_first(1, 2, version=3), start=0, total=2)

    assert [card.progress for card in window.cards] == [0, 90]


def test_a_window_that_grows_at_its_top_is_cut_at_its_end() -> None:
    window = ListWindow(ListFilter(), newest_first(*range(LONGEST)), total=LONGEST)

    edits = window.take(card(LONGEST + 1))

    assert [edit.kind for edit in edits] == ["insert", "trim"]
    assert len(window.cards) == edits[1].at == LONGEST // 2
    assert window.total == LONGEST + 1


# -- the view -------------------------------------------------------------------------------------------------------


class Jobs(Adapter):
    """An adapter of these jobs; a test may hold its answers back or let it fail."""

    def __init__(self, count: int) -> None:
        super().__init__(httpx.AsyncClient())
        self.jobs = {number: wire(number) for number in range(count)}
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.asked: list[tuple[str, int]] = []

    async def search(
        self, shown: ListFilter, *, limit: int, offset: int = 0, created_before: str | None = None, counts: bool = False
    ) -> JobsPage:
        self.asked.append((shown.q, offset))
        found = [
            job
            for _, job in sorted(self.jobs.items(), reverse=True)
            if shown.matches(card_of(job)) is not False
            and shown.q in (job.get("message") or "")
            and (created_before is None or str(job.get("created_at")) <= created_before)
        ]
        await self.open.wait()
        if self.failure:
            raise self.failure
        return JobsPage(tuple(found[offset : offset + limit]), len(found), counts=Counts({}, {}))


class Drawing:
    """The browser's side: what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.signed_out = False

    def say(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        self.news.set()

    async def hears(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while not (found := [message for message in self.told if message["kind"] == kind]):
                self.news.clear()
                await self.news.wait()
        self.told.clear()
        return found[-1]


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(500)


@pytest.fixture
def drawing() -> Drawing:
    return Drawing()


@pytest.fixture
async def view(jobs: Jobs, drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[ListView]:
    for name in ("ASK_AGAIN_SECONDS", "AFTER_FAILURE_SECONDS"):
        monkeypatch.setattr(prefect_jobs_ui.list_view, name, 0.001)
    hub = Hub(jobs)
    await hub.reload()

    def sign_out() -> None:
        drawing.signed_out = True

    shown = ListView(hub, say=drawing.say, on_signed_out=sign_out)
    yield shown
    shown.close()


async def test_everything_is_shown_from_what_the_hub_knows_without_asking(
    view: ListView, jobs: Jobs, drawing: Drawing
) -> None:
    jobs.asked.clear()
    view.show(ListFilter())

    rows = await drawing.hears("rows")

    assert (rows["start"], len(rows["cards"]), rows["total"]) == (0, 50, 500)
    assert jobs.asked == []


async def test_who_scrolls_gets_the_rows_he_came_to_and_not_those_he_passed(
    view: ListView, jobs: Jobs, drawing: Drawing
) -> None:
    view.show(ListFilter())
    await drawing.hears("rows")
    jobs.asked.clear()
    jobs.open.clear()

    for first in range(50, 350, 50):
        view.want(first, first + 60)
        await asyncio.sleep(0)
    jobs.open.set()
    await view.settled()

    assert [offset for _, offset in jobs.asked] == [50, 300]
    assert (await drawing.hears("rows"))["start"] == 300


async def test_an_answer_for_a_filter_that_was_left_is_not_shown(view: ListView, jobs: Jobs, drawing: Drawing) -> None:
    jobs.jobs[7]["message"] = "disk"
    jobs.open.clear()
    view.show(ListFilter("nobody says this"))
    await asyncio.sleep(0)
    view.show(ListFilter("disk"))
    jobs.open.set()
    await view.settled()

    assert [message["total"] for message in drawing.told] == [1]


async def test_a_job_that_comes_to_match_a_text_is_found_though_only_the_api_can_tell(
    view: ListView, jobs: Jobs, drawing: Drawing
) -> None:
    view.show(ListFilter("disk"))
    assert (await drawing.hears("rows"))["total"] == 0
    jobs.jobs[7] = wire(7, message="disk full", version=2)

    view.take(card_of(jobs.jobs[7]))

    assert (await drawing.hears("rows"))["total"] == 1


async def test_a_change_while_an_answer_is_on_its_way_is_not_lost(view: ListView, jobs: Jobs, drawing: Drawing) -> None:
    view.show(ListFilter(status="running"))
    await drawing.hears("rows")
    jobs.open.clear()
    view.want(100, 160)
    while not jobs.asked[-1][1]:
        await asyncio.sleep(0)
    view.take(card(380, version=2, progress=77))  # row 119
    jobs.open.set()

    rows = await drawing.hears("rows")

    assert rows["cards"][19]["progress"] == 77


async def test_what_was_kept_back_comes_when_the_reader_lets_it(view: ListView, jobs: Jobs, drawing: Drawing) -> None:
    view.show(ListFilter(status="running"))
    await drawing.hears("rows")
    view.hold(True)
    jobs.jobs[600] = wire(600)
    view.take(card(600))
    assert (await drawing.hears("edits"))["newer"] == 1
    view.want(40, 120)
    assert (await drawing.hears("rows"))["cards"][0]["job_id"] == "job-459"  # the rows below have not moved

    view.want(0, 60)
    await view.settled()
    drawing.told.clear()
    view.hold(False)

    rows = await drawing.hears("rows")
    assert (rows["cards"][0]["job_id"], rows["newer"], rows["total"]) == ("job-600", 0, 501)


async def test_a_list_that_could_not_be_read_is_asked_again(view: ListView, jobs: Jobs, drawing: Drawing) -> None:
    jobs.failure = AdapterUnavailable("The jobs API cannot be reached.")
    view.show(ListFilter("disk"))
    assert (await drawing.hears("phase"))["failure"] == "The jobs API cannot be reached."

    jobs.failure = None

    assert (await drawing.hears("rows"))["total"] == 0


async def test_a_search_that_cannot_be_read_says_why_and_is_not_asked_again(
    view: ListView, jobs: Jobs, drawing: Drawing
) -> None:
    jobs.failure = SearchRefused("This quotation mark is never closed")
    view.show(ListFilter('"'))

    said = await drawing.hears("phase")
    await view.settled()

    assert (said["phase"], said["failure"]) == ("refused", "This quotation mark is never closed")
    assert [q for q, _ in jobs.asked].count('"') == 1
