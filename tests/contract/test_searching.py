"""Contract 4.4 and 16.2: search with every filter, sort and facet; the search language in `q`."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.states import Cancelled, Completed, Failed, Running, Scheduled

from tests.contract.jobs import job
from tests.contract.runs import Runs
from tests.stack import Stack, eventually


@dataclass
class Story:
    """Seven jobs of two types that only this module's searches find."""

    api: httpx.Client
    types: tuple[str, str]
    ids: dict[str, str]

    def search(self, **query: Any) -> dict[str, Any]:
        answer = self.api.get("/api/jobs/search", params={"job_type": ",".join(self.types), **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, **query: Any) -> list[str]:
        by_id = {job_id: name for name, job_id in self.ids.items()}
        return [by_id[found["job_id"]] for found in self.search(**query)["data"]]

    def of(self, name: str) -> dict[str, Any]:
        return self.api.get(f"/api/jobs/{self.ids[name]}").json()


@pytest.fixture(scope="module")
def story(stack: Stack, runs: Runs) -> Generator[Story]:
    word = uuid4().hex[:10]
    first, second = f"archive {word}", f"thumbnails-{word}"
    ids = {
        "waiting": runs.of_flow(first, camera_id="front door"),
        "working": runs.of_flow(first, camera_id="back"),
        "done": runs.of_flow(second, limit=10),
        "broken": runs.of_flow(second),
        "out of time": runs.of_flow(first),
        "cancelled": runs.of_flow(first, Scheduled()),
        "ahead": runs.of_flow(first, Scheduled(scheduled_time=datetime.now().astimezone() + timedelta(hours=1))),
    }
    for name in ("working", "done", "broken", "out of time"):
        runs.move(ids[name], Running())
    runs.move(ids["done"], Completed())
    runs.move(ids["broken"], Failed(message=f"Flow run encountered an exception: OSError: Disk full on {word}: 100%_"))
    runs.move(ids["out of time"], Failed(name="TimedOut", message="Flow run exceeded timeout of 4.0 second(s)"))
    runs.move(ids["cancelled"], Cancelled())
    with httpx.Client(base_url=stack.api_url, timeout=30) as api:
        told = Story(api, (first, second), ids)
        eventually(
            lambda: (
                told.search(facets="unfiltered")["aggregations"]["by_state"]
                == {"pending": 1, "running": 1, "completed": 1, "failed": 1, "timed_out": 1, "cancelled": 1}
            )
        )
        yield told


ENDED_LAST_FIRST = ["cancelled", "out of time", "broken", "done"]


def test_a_search_answers_data_meta_and_facets_over_all_matches(story: Story) -> None:
    found = story.search(limit=2)
    assert set(found) == {"data", "meta", "aggregations"}
    assert [item["job_id"] for item in found["data"]] == [story.ids["cancelled"], story.ids["out of time"]]
    assert found["data"][0] == story.of("cancelled")
    assert found["meta"] == {
        "total": 6,
        "limit": 2,
        "offset": 0,
        "cursor": None,
        "next_cursor": None,
        "has_more": True,
        "total_is_exact": True,
    }
    assert found["aggregations"] == {
        "by_status": {"pending": 1, "running": 1, "completed": 1, "failed": 3},
        "by_type": {story.types[0]: 4, story.types[1]: 2},
        "by_state": {"pending": 1, "running": 1, "completed": 1, "failed": 1, "timed_out": 1, "cancelled": 1},
        "exact": True,
        "unfiltered": None,
    }


def test_the_last_page_has_no_more_and_one_past_the_end_is_empty(story: Story) -> None:
    assert story.search(limit=3, offset=3)["meta"]["has_more"] is False
    beyond = story.search(limit=3, offset=6)
    assert (beyond["data"], beyond["meta"]["has_more"], beyond["meta"]["total"]) == ([], False, 6)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["cancelled", "out of time", "broken", "done", "working", "waiting"]),
        ({"status": "pending"}, ["waiting"]),
        ({"status": " running , pending "}, ["working", "waiting"]),
        ({"status": "failed"}, ["cancelled", "out of time", "broken"]),
        ({"status": "cancelled"}, ["cancelled"]),
        ({"status": "cancelled,completed"}, ["cancelled", "done"]),
        ({"status": "no-such"}, []),
        ({"status": "no-such,completed"}, ["done"]),
        ({"status": ""}, ["cancelled", "out of time", "broken", "done", "working", "waiting"]),
        ({"state": "timed_out,running"}, ["out of time", "working"]),
        ({"state": "scheduled"}, ["ahead"]),
        ({"status": "failed", "state": "failed"}, ["broken"]),
        ({"has_error": "yes"}, ["cancelled", "out of time", "broken"]),
        ({"has_error": "0"}, ["done", "working", "waiting"]),
        ({"min_duration": 0}, ["out of time", "broken", "done"]),
        ({"min_duration": 3600}, []),
        ({"max_duration": 3600}, ["out of time", "broken", "done"]),
        ({"queue": "any"}, ["cancelled", "out of time", "broken", "done", "working", "waiting"]),
        ({"q": "DISK full"}, ["broken"]),
        ({"q": "full disk"}, []),
        ({"q": "100%_"}, ["broken"]),
        ({"q": "timed out after 4"}, ["out of time"]),
        ({"q": "completed successfully"}, ["done"]),
        ({"q": "thumbnails-"}, ["broken", "done"]),
        ({"q": "type:nothing"}, []),
        ({"q": "status:failed -disk"}, ["cancelled", "out of time"]),
        ({"q": '"Disk full" has:error'}, ["broken"]),
        ({"q": "param.camera_id:front"}, ["waiting"]),
        ({"q": "param.limit:10 status:completed"}, ["done"]),
        ({"q": "duration:<10m created:<2d -status:completed"}, ["out of time", "broken"]),
        ({"q": "created:>2d"}, []),
        ({"q": "OSError: Disk"}, ["broken"]),
    ],
    ids=str,
)
def test_every_filter_selects_what_it_says(story: Story, query: dict[str, Any], expected: list[str]) -> None:
    assert story.names(**query) == expected


def test_bounds_in_time_are_inclusive_and_a_time_without_offset_is_utc(story: Story) -> None:
    created = story.of("broken")["created_at"]
    assert "broken" in story.names(created_after=created)
    assert "broken" in story.names(created_before=created)
    assert story.names(created_after=created, created_before=created.removesuffix("+00:00")) == ["broken"]
    assert story.names(created_after=created.replace("+00:00", "Z"), created_before=created) == ["broken"]
    ended = story.of("done")["completed_at"]
    assert story.names(completed_after=ended, completed_before=ended) == ["done"]
    assert set(story.names(completed_after=ended)) == set(ENDED_LAST_FIRST)


def test_an_exact_duration_is_within_its_own_bounds(story: Story) -> None:
    found = story.of("done")
    seconds = (
        datetime.fromisoformat(found["completed_at"]) - datetime.fromisoformat(found["started_at"])
    ).total_seconds()
    assert "done" in story.names(min_duration=seconds, max_duration=seconds)


@pytest.mark.parametrize("sort", ["created_at", "started_at", "completed_at", "progress", "job_type", "status"])
@pytest.mark.parametrize("order", ["asc", "DESC"])
def test_every_sort_keeps_ties_newest_first_and_what_is_missing_smallest(story: Story, sort: str, order: str) -> None:
    newest_first = sorted(
        (story.of(name) for name in story.ids if name != "ahead"), key=lambda found: found["created_at"], reverse=True
    )
    expected = sorted(
        newest_first,
        key=lambda found: (found[sort] is not None, found[sort] if found[sort] is not None else ""),
        reverse=order == "DESC",
    )
    found = story.search(sort=sort, order=order)["data"]
    assert [item["job_id"] for item in found] == [item["job_id"] for item in expected]


def test_an_unknown_sort_is_created_at_and_an_unknown_order_ascending(story: Story) -> None:
    assert story.names(sort="size") == story.names()
    assert story.names(order="upwards") == story.names(order="asc") == story.names()[::-1]


def test_unfiltered_facets_offer_the_other_choices(story: Story) -> None:
    found = story.search(status="completed", facets="unfiltered")["aggregations"]
    assert found["by_status"] == {"completed": 1}
    assert found["unfiltered"]["by_type"][story.types[0]] == 4
    assert found["unfiltered"]["by_state"]["timed_out"] >= 1


def test_a_pasted_job_id_or_its_beginning_finds_its_job(story: Story) -> None:
    job_id = story.ids["working"]
    assert story.names(q=job_id) == story.names(q=job_id.upper()) == story.names(q=f" {job_id} ") == ["working"]
    assert "working" in story.names(q=job_id[:8])
    assert story.names(q=f"id:{job_id[:13]}") == ["working"]


def test_the_text_of_a_result_is_found_and_its_keys_are_not(api: httpx.Client) -> None:
    started = api.post("/api/events/export", json={"format": "json"}).json()["job_id"]
    file_path = job(api, started, status="completed")["result"]["file_path"]
    found = api.get("/api/jobs/search", params={"q": file_path.rpartition("/")[2]}).json()
    assert [item["job_id"] for item in found["data"]] == [started]
    keys = api.get("/api/jobs/search", params={"q": f"file_size id:{started}"}).json()
    assert keys["data"] == []


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ({"q": 'log:"disk'}, "query.q", "This quotation mark is never closed (at position 5)"),
        ({"q": "status:faild"}, "query.q", "There is no status 'faild'"),
        ({"q": "x" * 1001}, "query.q", ""),
        ({"created_after": "soon"}, "query.created_after", "ISO 8601"),
        ({"completed_before": "1"}, "query.completed_before", "ISO 8601"),
        ({"has_error": "perhaps"}, "query.has_error", ""),
        ({"min_duration": -1}, "query.min_duration", ""),
        ({"max_duration": "long"}, "query.max_duration", ""),
        ({"min_duration": "nan"}, "query.min_duration", ""),
        ({"limit": 0}, "query.limit", ""),
        ({"limit": 1001}, "query.limit", ""),
        ({"offset": -1}, "query.offset", ""),
        ({"facets": "all"}, "query.facets", ""),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_with_its_field(
    story: Story, query: dict[str, Any], field: str, says: str
) -> None:
    answer = story.api.get("/api/jobs/search", params=query)
    assert answer.status_code == 422
    [error] = answer.json()["error"]["errors"]
    assert error["field"] == field
    assert says in error["message"]


def test_the_list_filters_by_state_too(story: Story) -> None:
    found = story.api.get("/api/jobs", params={"job_type": story.types[0], "state": "scheduled,timed_out"}).json()
    assert [item["job_id"] for item in found["items"]] == [story.ids["ahead"], story.ids["out of time"]]
    assert found["pagination"]["total_is_exact"] is True


def test_a_timeline_counts_what_happened(story: Story) -> None:
    answer = story.api.get("/api/jobs/stats/timeline", params={"bucket": "day", "job_type": story.types[1]})
    assert answer.status_code == 200
    buckets = answer.json()["buckets"]
    assert sum(bucket["created"] for bucket in buckets) == 2
    assert sum(bucket["completed"] for bucket in buckets) == 1
    assert sum(bucket["failed"] for bucket in buckets) == 1
    [completed] = [bucket for bucket in buckets if bucket["completed"]]
    assert completed["run_seconds"]["p50"] >= 0
    assert completed["start"].endswith("T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"bucket": "minute", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T09:20:00Z"}, 200),
        ({"bucket": "minute", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T09:20:01Z"}, 422),
        ({"from": "2026-03-02T00:00:00", "to": "2026-03-01T00:00:00"}, 422),
        ({"bucket": "year"}, 422),
        ({"from": "0001-01-01T00:00:00Z", "bucket": "day"}, 422),
        ({"to": "9999-12-31T23:59:59Z", "bucket": "minute"}, 200),
    ],
    ids=str,
)
def test_a_timeline_has_at_most_2000_buckets(story: Story, query: dict[str, Any], status: int) -> None:
    assert story.api.get("/api/jobs/stats/timeline", params=query).status_code == status
