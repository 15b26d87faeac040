"""The client of the jobs API: what it makes of each answer, what it tries again, and what it keeps to itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import prefect_jobs
from prefect_jobs.client import (
    Client,
    Forbidden,
    Invalid,
    JobNotFound,
    NotReachable,
    Refused,
    ServerBusy,
    ServerFailed,
    Unauthorized,
)
from prefect_jobs.client.errors import InvalidField
from prefect_jobs.client.jobs_client import file_name
from tests.unit.jobs_server import START, JobsServer, problem

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def server() -> JobsServer:
    return JobsServer()


def test_the_client_is_offered_by_the_package_itself() -> None:
    assert prefect_jobs.Client is Client


@pytest.mark.parametrize("written", ["2026-03-04T08:15:00.120345Z", "2026-03-04T08:15:00.120345+00:00"])
def test_times_are_aware_however_they_are_written(server: JobsServer, written: str) -> None:
    server.put("a", created_at=written)

    assert server.client().get("a").created_at == datetime(2026, 3, 4, 8, 15, 0, 120345, tzinfo=UTC)


def test_a_time_without_an_offset_is_utc(server: JobsServer) -> None:
    server.put("a", created_at="2026-03-04T08:15:00")

    assert server.client().get("a").created_at == START


def test_unknown_fields_are_ignored_and_kept_aside(server: JobsServer) -> None:
    server.put("a", weight=7)

    job = server.client().get("a")

    assert job.body["weight"] == 7
    assert not hasattr(job, "weight")


def test_a_job_of_the_bare_contract_has_its_status_as_state_and_no_version() -> None:
    server = JobsServer(additive=False)
    server.put("a", "running")

    job = server.client().get("a")

    assert (job.state, job.version, job.attempt) == ("running", None, None)


def test_an_answer_that_misses_what_the_contract_promises_is_the_servers_failure(server: JobsServer) -> None:
    del server.put("a")["created_at"]

    with pytest.raises(ServerFailed, match="not the contract's: created_at: Field required"):
        server.client().get("a")


def test_an_answer_that_is_no_json_is_no_jobs_api(server: JobsServer) -> None:
    server.planned.append(httpx.Response(200, text="<html>welcome</html>"))

    with pytest.raises(ServerFailed, match="is no jobs API"):
        server.client().stats()


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (httpx.Response(401, json={"detail": "Invalid API key"}), Unauthorized, "Invalid API key"),
        (problem(403, "This takes the role admin"), Forbidden, "This takes the role admin"),
        (problem(404, "No job found with ID: a"), JobNotFound, "No job found with ID: a"),
        (problem(400, "Cannot abort queued job"), Refused, "Cannot abort queued job"),
        (problem(409, "It has ended"), Refused, "It has ended"),
        (problem(413, "Body too large"), Refused, "Body too large"),
        (problem(404, "Not Found"), Refused, "does not know GET /api/jobs/a"),
        (httpx.Response(404, text="nothing here"), Refused, "it is no jobs API, or an older one"),
        (httpx.Response(307, headers={"location": "https://elsewhere.test"}), Refused, "sends elsewhere"),
        (httpx.Response(429, json={}), ServerBusy, "The server answered 429 Too Many Requests"),
        (httpx.Response(500, json={"error": {"message": "Boom"}}), ServerFailed, "Boom"),
        (httpx.Response(502, text="bad gateway"), ServerFailed, "The server answered 502 Bad Gateway"),
    ],
    ids=lambda value: str(getattr(value, "status_code", "")),
)
def test_every_refusal_has_its_own_error_and_a_sentence(
    server: JobsServer, answer: httpx.Response, kind: type[Exception], sentence: str
) -> None:
    client = server.client()
    server.planned.extend([answer] * 4)

    with pytest.raises(kind, match=sentence):
        client.get("a")


def test_a_rejected_field_is_named_with_its_reason(server: JobsServer) -> None:
    errors = [{"field": "body.parameters.format", "message": "is not one of csv, json", "value": "excel"}]
    server.planned.append(
        httpx.Response(422, json={"error": {"message": "Request validation failed", "errors": errors}})
    )

    with pytest.raises(Invalid, match=r"body\.parameters\.format: is not one of csv, json") as caught:
        server.client().start("export", {"format": "excel"})

    assert caught.value.fields == (InvalidField("body.parameters.format", "is not one of csv, json", "excel"),)


def test_reading_is_tried_again_when_nobody_answers(server: JobsServer) -> None:
    server.put("a")
    server.planned.extend([httpx.ConnectError("refused"), httpx.ReadError("reset")])

    assert server.client().get("a").job_id == "a"
    assert server.clock.slept == [0.2, 0.4]


def test_reading_gives_up_after_four_tries(server: JobsServer) -> None:
    server.planned.extend([httpx.ConnectError("refused")] * 4)

    with pytest.raises(NotReachable, match=r"The jobs API at http://jobs\.test cannot be reached: refused"):
        server.client().get("a")

    assert len(server.asked) == 4


def test_a_busy_server_is_asked_again_when_it_said(server: JobsServer) -> None:
    server.put("a")
    server.planned.append(httpx.Response(503, json={"error": {"message": "later"}}, headers={"Retry-After": "5"}))

    assert server.client().get("a").job_id == "a"
    assert server.clock.slept == [5.0]


def test_a_server_that_wants_a_long_pause_is_reported_at_once(server: JobsServer) -> None:
    server.planned.append(httpx.Response(503, json={"error": {"message": "later"}}, headers={"Retry-After": "11"}))

    with pytest.raises(ServerBusy, match="later") as caught:
        server.client().get("a")

    assert (caught.value.retry_after, server.clock.slept) == (11.0, [])


@pytest.mark.parametrize("action", ["cancel", "abort", "retry", "start", "start_export", "delete"])
def test_what_changes_something_is_never_sent_twice(server: JobsServer, action: str) -> None:
    """Nobody knows whether the lost request was carried out: a second one might start a second job."""
    server.put("export")

    def lose(request: httpx.Request) -> None:
        if request.method != "GET":
            raise httpx.ReadError("reset", request=request)

    server.before = lose
    client = server.client()

    with pytest.raises(NotReachable):
        getattr(client, action)("export")

    assert sum(request.method != "GET" for request in server.asked) == 1


def test_a_start_under_an_idempotency_key_is_sent_again(server: JobsServer) -> None:
    server.planned.extend([httpx.ConnectError("refused"), httpx.Response(202, json={"job_id": "a"})])

    assert server.client().start("export", idempotency_key="today") == "a"
    assert [request.headers["idempotency-key"] for request in server.asked] == ["today", "today"]


def test_a_start_says_all_it_was_told(server: JobsServer) -> None:
    server.planned.append(httpx.Response(202, json={"job_id": "a"}))

    server.client().start("export", {"format": "zip"}, deployment="api", run_at=START)

    assert server.asked[0].read() == (
        b'{"job_type":"export","parameters":{"format":"zip"},"deployment":"api","run_at":"2026-03-04T08:15:00+00:00"}'
    )


def test_a_time_without_a_zone_is_not_sent(server: JobsServer) -> None:
    with pytest.raises(ValueError, match="run_at has no time zone"):
        server.client().start("export", run_at=START.replace(tzinfo=None))

    assert server.asked == []


def test_the_key_travels_in_a_header_and_in_no_address(server: JobsServer) -> None:
    server.put("a")
    client = server.client(api_key=KEY)
    client.get("a")
    list(client.search())
    client.delete("a")

    assert all(request.headers["x-api-key"] == KEY and KEY not in str(request.url) for request in server.asked)


def test_the_key_and_the_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []
    monkeypatch.setenv("PREFECT_JOBS_URL", "http://ops.test/prefix/")
    monkeypatch.setenv("PREFECT_JOBS_API_KEY", KEY)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"job_types": []})

    Client(transport=httpx.MockTransport(answer)).types()

    assert (str(seen[0].url), seen[0].headers["x-api-key"]) == ("http://ops.test/prefix/api/jobs/types", KEY)


@pytest.mark.parametrize("address", ["", "jobs.test:8000", "ftp://jobs.test", "http://"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(ValueError, match="begins with http"):
        Client(address or "//")


def test_a_key_that_no_header_can_hold_is_told_without_showing_it() -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        Client("http://jobs.test", "my secret\nkey")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("job_id", ["job-001", "a/b", "ü?x=1", "a b"])
def test_an_id_may_look_like_anything(server: JobsServer, job_id: str) -> None:
    server.put(job_id)

    assert server.client().get(job_id).job_id == job_id


def test_a_search_reads_its_pages_when_they_are_asked_for(server: JobsServer) -> None:
    for number in range(5):
        server.put(f"job-{number}", created_at=(START + timedelta(seconds=number)).isoformat())

    found = server.client().search("x", status=["failed", "running"], has_error=True, page_size=2)
    first = [next(found).job_id, next(found).job_id]
    asked_so_far = len(server.asked)

    assert (first, asked_so_far) == (["job-4", "job-3"], 1)
    assert [job.job_id for job in found] == ["job-2", "job-1", "job-0"]
    assert server.asked[0].url.params["status"] == "failed,running"
    assert server.asked[0].url.params["has_error"] == "true"


def test_jobs_created_during_a_search_neither_repeat_nor_hide_others(server: JobsServer) -> None:
    """New jobs come in front: without a fixed end the second page would begin with jobs of the first."""
    for number in range(4):
        server.put(f"job-{number}", created_at=(START + timedelta(seconds=number)).isoformat())
    found = server.client().search(page_size=2)
    next(found)

    for number in range(10, 13):
        server.put(f"job-{number}", created_at=(START + timedelta(seconds=number)).isoformat())

    assert [job.job_id for job in found] == ["job-2", "job-1", "job-0"]


def test_a_found_job_keeps_its_wire_form(server: JobsServer) -> None:
    body = server.put("a")

    assert next(server.client().search()).body == body


def test_many_cancellations_go_in_hundreds_and_are_added_up(server: JobsServer) -> None:
    refused = [{"job_id": "x", "error": "Job not found"}]
    server.planned.append(httpx.Response(200, json={"cancelled": 99, "failed": 1, "errors": refused}))
    server.planned.append(httpx.Response(200, json={"cancelled": 1, "failed": 0, "errors": []}))

    answer = server.client().bulk_cancel(f"job-{number}" for number in range(101))

    assert (answer.cancelled, answer.failed, [error.job_id for error in answer.errors]) == (100, 1, ["x"])
    assert [len(json.loads(request.read())["job_ids"]) for request in server.asked] == [100, 1]


def test_no_cancellations_ask_nothing(server: JobsServer) -> None:
    assert server.client().bulk_cancel([]).cancelled == 0
    assert server.asked == []


def test_deleting_says_that_it_means_the_record(server: JobsServer) -> None:
    server.put("a", "completed")

    assert server.client().delete("a").message == "Job deleted"
    assert server.asked[-1].url.params["purge"] == "true"


def test_nothing_is_deleted_where_deleting_would_stop_a_job() -> None:
    """The bare contract's DELETE aborts a running job, and knows no `purge`."""
    server = JobsServer(additive=False)
    server.put("a", "running")

    with pytest.raises(Refused, match="This server cannot delete jobs"):
        server.client().delete("a")

    assert "a" in server.jobs


def made(server: JobsServer, link: object) -> Client:
    server.put("a", "completed", result={"file_path": link})
    return server.client()


def test_a_download_goes_into_a_folder_under_its_own_name(server: JobsServer, tmp_path: Path) -> None:
    client = made(server, "/api/exports/events.csv")
    job = client.get("a")
    server.planned.append(httpx.Response(200, content=b"a,b\r\n"))

    path = client.download(job, tmp_path)

    assert (path, path.read_bytes()) == (tmp_path / "events.csv", b"a,b\r\n")
    assert server.paths()[-1] == "GET /api/exports/events.csv"


def test_a_download_that_breaks_leaves_the_file_that_was_there(server: JobsServer, tmp_path: Path) -> None:
    target = tmp_path / "events.csv"
    target.write_text("old")
    client = made(server, "/api/exports/events.csv")
    job = client.get("a")

    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b"half"
            raise httpx.ReadError("reset")

    server.planned.append(httpx.Response(200, stream=Broken()))

    with pytest.raises(NotReachable):
        client.download(job, target)

    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("events.csv", "old")]


@pytest.mark.parametrize("link", [None, 7, "https://evil.test/x", "//evil.test/x", "events.csv"])
def test_a_link_that_leads_elsewhere_is_not_followed_with_the_key(
    server: JobsServer, tmp_path: Path, link: object
) -> None:
    with pytest.raises(Refused, match="has no file to download"):
        made(server, link).download("a", tmp_path)


@pytest.mark.parametrize("link", ["/api/exports/..", "/api/exports/", "/api/%2E%2E", "/api/a%0Ab"])
def test_a_file_name_never_leads_out_of_its_folder(link: str) -> None:
    with pytest.raises(Refused, match="names no file"):
        file_name(link)


def test_a_slash_hidden_in_a_file_name_is_none() -> None:
    assert file_name("/api/exports/..%2F..%2Fetc%2Fpasswd") == "passwd"


def test_durations_count_until_now_while_a_job_runs(server: JobsServer) -> None:
    server.put("a", "running", started_at=START.isoformat())
    job = server.client().get("a")
    now = START + timedelta(seconds=9)

    assert job.duration(now=now) == timedelta(seconds=9)
    assert replace(job, completed_at=START + timedelta(seconds=3)).duration(now=now) == timedelta(seconds=3)
    assert replace(job, started_at=None).duration(now=now) is None
