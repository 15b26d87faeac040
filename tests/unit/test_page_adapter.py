"""The page's side of the wire: lists, jobs, the feed, and every way to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from prefect_jobs_ui.adapter import Adapter, AdapterUnavailable, FeedEvent, JobMissing, SearchRefused
from prefect_jobs_ui.event_stream import ServerSentEvent, read_events
from prefect_jobs_ui.list_filter import Counts, ListFilter


def adapter(answer: Callable[[httpx.Request], httpx.Response]) -> Adapter:
    return Adapter(httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://api"))


async def _chunks(text: str, size: int) -> AsyncIterator[bytes]:
    data = text.encode()
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_a_search_says_what_is_shown_and_learns_how_much_there_is() -> None:
    asked: list[dict[str, str]] = []
    facets = {
        "by_status": {"failed": 7, "running": 1},
        "by_state": {"failed": 4, "aborted": 3},
        "by_type": {"export": 8},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        body = {"data": [{"job_id": "one"}], "meta": {"total": 7, "total_is_exact": False}}
        return httpx.Response(200, json={**body, "aggregations": {"by_status": {}, "unfiltered": facets}})

    page = await adapter(answer).search(
        ListFilter("disk", "failed", "export"), limit=50, offset=100, created_before="2026-03-04", counts=True
    )

    assert asked == [
        {
            "q": "disk", "status": "failed", "state": "failed,crashed,timed_out", "job_type": "export", "limit": "50",
            "offset": "100", "created_before": "2026-03-04", "facets": "unfiltered",
        }
    ]  # fmt: skip
    assert (page.jobs, page.total, page.exact) == (({"job_id": "one"},), 7, False)
    assert page.counts == Counts({"failed": 4, "running": 1, "cancelled": 3}, {"export": 8})


async def test_a_search_that_cannot_be_read_is_refused_with_the_apis_words() -> None:
    body = {"error": {"errors": [{"field": "query.q", "message": "This quotation mark is never closed"}]}}

    with pytest.raises(SearchRefused, match="never closed"):
        await adapter(_answers(status=422, json=body)).search(ListFilter('"'), limit=1)


async def test_an_id_is_one_segment_of_the_path_whatever_it_holds() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={})

    await adapter(answer).job("../stats?x#y")

    assert asked == [b"/api/jobs/..%2Fstats%3Fx%23y"]


async def test_a_job_that_is_not_there_is_missing_and_not_an_outage() -> None:
    with pytest.raises(JobMissing):
        await adapter(lambda _request: httpx.Response(404, json={"detail": "No job"})).job("one")


def _answers(**answer: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(answer.pop("status", 200), request=request, **answer)


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def _wait(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow", request=request)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_answers(status=500), "answered 500"),
        (_answers(text="<html>"), "unreadable"),
        (_answers(json={"data": []}), "unreadable"),
        (_refuse, "cannot be reached"),
        (_wait, "in time"),
    ],
)
async def test_every_failure_is_an_outage_with_a_sentence(
    answer: Callable[[httpx.Request], httpx.Response], said: str
) -> None:
    with pytest.raises(AdapterUnavailable, match=said):
        await adapter(answer).search(ListFilter(), limit=1)


async def test_the_feed_gives_known_events_with_the_version_to_resume_at() -> None:
    stream = (
        ': comment\n\nevent: status\ndata: {"prefect":"up","version":4}\n\nevent: job\nid: 5\ndata: {"job_id":"a"}\n\n'
        'event: novelty\ndata: {}\n\nevent: deleted\nid: 6\ndata: {"job_id":"a"}\n\nevent: job\nid: 7\ndata: {"cut'
    )
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, text=stream)

    events = [event async for event in adapter(answer).changes(3)]

    assert asked == ["http://api/api/jobs/changes?after=3"]
    assert events == [
        FeedEvent("status", {"prefect": "up", "version": 4}, 4),
        FeedEvent("job", {"job_id": "a"}, 5),
        FeedEvent("deleted", {"job_id": "a"}, 6),
    ]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_lines_join_into_events_as_the_standard_says(size: int) -> None:
    text = "data: two\ndata: lines\n\n:keep\n\nid:9\nevent:x\ndata:tight\n\ndata: cut off"

    assert [event async for event in read_events(_chunks(text, size))] == [
        ServerSentEvent("message", "two\nlines"),
        ServerSentEvent("x", "tight", "9"),
    ]


async def test_a_message_with_a_line_separator_within_stays_one_event() -> None:
    """httpx's own lines end at U+2028: the page took half of such a message for broken JSON."""
    text = 'event: job\ndata: {"message":"one\u2028two\u0085ü"}\n\n'
    events = [event async for event in read_events(_chunks(text, 5))]
    assert [event.data for event in events] == ['{"message":"one\u2028two\u0085ü"}']
