"""Contract 4: list, types, stats and one job; contract 1.2: errors."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from prefect.states import Completed, Running, Scheduled

from tests.contract.jobs import job
from tests.contract.runs import Runs
from tests.stack import eventually

JOB_FIELDS = {
    "job_id",
    "job_type",
    "status",
    "state",
    "state_name",
    "progress",
    "message",
    "created_at",
    "started_at",
    "completed_at",
    "result",
    "error",
    "version",
    "name",
    "attempt",
    "stoppable",
    "prefect_url",
}
JOB_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


def test_a_job_has_exactly_the_documented_fields_and_null_is_written(api: httpx.Client, runs: Runs) -> None:
    found = job(api, runs.new())
    assert set(found) == JOB_FIELDS
    assert found["status"] == "pending"
    for name in ("message", "started_at", "completed_at", "result", "error", "state_name"):
        assert found[name] is None
    assert JOB_TIME.fullmatch(found["created_at"])


def test_a_run_of_any_flow_is_a_job_through_its_whole_life(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.new()
    job(api, run_id, status="pending", progress=0)
    runs.move(run_id, Running())
    assert job(api, run_id, status="running")["started_at"] is not None
    runs.move(run_id, Completed())
    found = job(api, run_id, status="completed", progress=100, message="Completed successfully")
    assert JOB_TIME.fullmatch(found["completed_at"])


def test_a_final_state_that_its_author_named_is_told_and_found(api: httpx.Client, runs: Runs) -> None:
    name, message = f"Partly{uuid4().hex}", f"3 of 5 {uuid4()}"
    run_id = runs.started()
    runs.move(run_id, Completed(name=name, message=message))
    found = job(api, run_id, status="completed", state="completed")
    assert (found["state_name"], found["message"]) == (name, message)
    for words in (name, message):
        hits = api.get("/api/jobs/search", params={"q": words}).json()["data"]
        assert [hit["job_id"] for hit in hits] == [run_id]


def test_failures_of_every_kind_read_failed_with_their_reason(api: httpx.Client, runs: Runs) -> None:
    job(api, runs.failed(), status="failed", state="failed", error="ValueError: disk full")
    job(api, runs.cancelled(), status="failed", state="cancelled", error="Cancelled by user")
    job(api, runs.crashed(), status="failed", state="crashed", error="Flow run process exited with code -9")


def test_the_list_is_newest_first_in_pages_that_do_not_overlap(api: httpx.Client, runs: Runs) -> None:
    newest = [runs.new() for _ in range(5)][::-1]
    for run in newest:
        job(api, run)
    pages = [api.get("/api/jobs", params={"limit": 2, "offset": offset}).json() for offset in (0, 2)]
    assert [item["job_id"] for page in pages for item in page["items"]] == newest[:4]
    pagination = pages[0]["pagination"]
    assert pagination["total"] >= 5
    assert pagination == pagination | {"limit": 2, "offset": 0, "cursor": None, "next_cursor": None, "has_more": True}


def test_the_exact_last_page_has_no_more(api: httpx.Client, runs: Runs) -> None:
    job(api, runs.new())
    total = api.get("/api/jobs", params={"limit": 1}).json()["pagination"]["total"]
    last = api.get("/api/jobs", params={"limit": 1, "offset": total - 1}).json()
    assert (len(last["items"]), last["pagination"]["has_more"]) == (1, False)
    past = api.get("/api/jobs", params={"offset": total + 100}).json()
    assert (past["items"], past["pagination"]["has_more"]) == ([], False)


def test_cancelled_jobs_are_found_by_both_words(api: httpx.Client, runs: Runs) -> None:
    cancelled, failed = runs.cancelled(), runs.failed()
    job(api, cancelled, state="cancelled")
    job(api, failed, state="failed")

    def ids(status: str) -> set[str]:
        return {item["job_id"] for item in api.get("/api/jobs", params={"status": status}).json()["items"]}

    assert cancelled in ids("cancelled")
    assert failed not in ids("cancelled")
    assert {cancelled, failed} <= ids("failed")


def test_the_list_filters_by_type_exactly(api: httpx.Client, runs: Runs) -> None:
    job(api, runs.new())
    found = api.get("/api/jobs", params={"job_type": "contract"}).json()["items"]
    assert {item["job_type"] for item in found} == {"contract"}
    assert api.get("/api/jobs", params={"job_type": "contrac"}).json()["items"] == []


def test_the_list_sorts_and_an_unknown_sort_falls_back(api: httpx.Client, runs: Runs) -> None:
    job(api, runs.completed(), status="completed")
    up = api.get("/api/jobs", params={"sort": "progress", "order": "ASC"}).json()["items"]
    assert [item["progress"] for item in up] == sorted(item["progress"] for item in up)
    plain = api.get("/api/jobs").json()["items"]
    assert [item["job_id"] for item in api.get("/api/jobs", params={"sort": "no"}).json()["items"]] == [
        item["job_id"] for item in plain
    ]


def test_a_run_scheduled_for_later_is_no_job_until_it_is_due(api: httpx.Client, runs: Runs) -> None:
    due = datetime.now(UTC) + timedelta(seconds=4)
    run_id = runs.new(Scheduled(scheduled_time=due))  # pyright: ignore[reportArgumentType]  # Prefect's own time type
    later = job(api, runs.new(), status="pending")
    listed = {item["job_id"] for item in api.get("/api/jobs").json()["items"]}
    assert later["job_id"] in listed
    assert run_id not in listed
    eventually(
        lambda: run_id in {item["job_id"] for item in api.get("/api/jobs").json()["items"]},
        what="the scheduled run is listed",
    )
    assert datetime.now(UTC) >= due


def test_the_built_in_types_come_first_in_their_order_then_other_flows(api: httpx.Client, runs: Runs) -> None:
    runs.new()
    types = api.get("/api/jobs/types").json()["job_types"]
    assert [item["name"] for item in types[:6]] == [
        "export",
        "cleanup",
        "backup",
        "import",
        "batch_audit",
        "re_evaluation",
    ]
    assert types[0]["description"] == "Export events to CSV, JSON, or ZIP format"
    others = [item["name"] for item in types[6:]]
    assert "contract" in others
    assert others == sorted(others)


def test_statistics_count_what_the_list_shows(api: httpx.Client, runs: Runs) -> None:
    job(api, runs.completed(), status="completed")
    job(api, runs.new(), status="pending")
    stats = api.get("/api/jobs/stats").json()
    assert set(stats) == {
        "total_jobs",
        "by_status",
        "by_type",
        "average_duration_seconds",
        "oldest_pending_job_age_seconds",
    }
    order = ["pending", "running", "completed", "failed"]
    statuses = [item["status"] for item in stats["by_status"]]
    assert statuses == [status for status in order if status in statuses]
    assert sum(item["count"] for item in stats["by_type"]) == stats["total_jobs"]
    types = [item["job_type"] for item in stats["by_type"]]
    assert types == sorted(types)
    assert stats["oldest_pending_job_age_seconds"] >= 0


def test_an_unknown_job_is_a_problem_document(api: httpx.Client) -> None:
    answer = api.get("/api/jobs/job-001?x=1")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No job found with ID: job-001",
        "instance": "/api/jobs/job-001",
    }


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/nowhere", 404), ("PUT", "/api/jobs", 405)])
def test_whatever_else_is_refused_is_a_problem_document_too(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("limit=x", "query.limit"),
        ("offset=-1", "query.offset"),
        ("offset=99999999999999999999", "query.offset"),
        ("status=done", "query.status"),
    ],
)
def test_a_query_out_of_its_limits_is_a_validation_error(api: httpx.Client, query: str, field: str) -> None:
    answer = api.get(f"/api/jobs?{query}", headers={"X-Request-ID": "abc-1"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/json")
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("VALIDATION_ERROR", "Request validation failed")
    assert [item["field"] for item in error["errors"]] == [field]
    assert error["request_id"] == "abc-1"
    assert datetime.fromisoformat(error["timestamp"]).tzinfo is not None


@pytest.mark.parametrize("query", ["limit=1", "limit=1000", "offset=0", "status=cancelled", "unknown=1"])
def test_a_query_at_the_edge_of_its_limits_is_answered(api: httpx.Client, query: str) -> None:
    assert api.get(f"/api/jobs?{query}").status_code == 200


def test_a_rejected_value_is_shown_cut_at_100_characters(api: httpx.Client) -> None:
    error = api.get("/api/jobs", params={"status": "x" * 500}).json()["error"]
    assert error["errors"][0]["value"] == "x" * 100


def test_an_error_names_the_request_by_the_callers_id_or_by_one_of_ours(api: httpx.Client) -> None:
    named = api.get("/api/jobs", params={"limit": 0}, headers={"X-Request-ID": "night-shift-7"})
    assert named.json()["error"]["request_id"] == named.headers["x-request-id"] == "night-shift-7"
    unnamed = api.get("/api/jobs", params={"limit": 0})
    assert unnamed.json()["error"]["request_id"] == unnamed.headers["x-request-id"]


def test_a_trailing_slash_is_redirected(api: httpx.Client) -> None:
    answer = api.get("/api/jobs/", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/api/jobs")


def test_a_job_that_is_deleted_in_prefect_leaves_the_list(api: httpx.Client, runs: Runs) -> None:
    run_id = runs.started()
    job(api, run_id, status="running")
    runs.delete(run_id)
    eventually(lambda: api.get(f"/api/jobs/{run_id}").status_code == 404, what="the deleted job is gone")


def test_hostile_text_in_a_run_comes_back_as_it_is(api: httpx.Client, runs: Runs) -> None:
    error = "ValueError: </script><img src=x onerror=alert(1)> \u202e \N{PILE OF POO} ' OR 1=1 --"
    assert job(api, runs.failed(error), status="failed")["error"] == error


def test_the_api_describes_itself_with_examples_and_loads_nothing_from_elsewhere(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    wanted = {"/api/jobs", "/api/jobs/types", "/api/jobs/stats", "/api/jobs/{job_id}", "/api/jobs/{job_id}/logs"}
    assert wanted | {"/api/jobs/changes", "/api/events/export", "/healthz", "/readyz"} <= set(document["paths"])
    assert "examples" in document["components"]["schemas"]["JobResponse"]["properties"]["job_id"]
    assert "examples" in document["components"]["schemas"]["ExportRequest"]
    page = api.get("/docs").text
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", page) == []


def test_the_process_says_that_it_lives_and_is_ready(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    ready = api.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["ready"] is True
    assert ready.json()["prefect"] == "up"
