"""One action on many jobs: what is previewed is what is done, once, whatever happens in between."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prefect_jobs.api.bulk import IDS_LIMIT
from prefect_jobs.bulk import is_done
from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import a_run, completed, failed, pending, running
from prefect_jobs.jobs import job_from_run
from prefect_jobs.store import BulkStore, bulk
from prefect_jobs.store.bulk import Operation
from prefect_jobs.store.database import Database
from tests.stack import eventually
from tests.unit.serving import ADMIN, KEYS, OPERATOR, Client, served

RUNS = [
    pending(name="waits"),
    running(10, name="works"),
    completed(name="done"),
    failed("disk full", name="broken", deployment_id="d"),
    failed("disk full", name="loose"),
    a_run("CANCELLED", name="cancelled"),
]
NOW = datetime(2026, 3, 4, 8, 15, tzinfo=UTC)


def id_of(name: str) -> str:
    return next(run.id for run in RUNS if run.name == name)


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    with served(tmp_path, RUNS) as opened:
        everything_is_read(opened)
        yield opened


def everything_is_read(client: Client, count: int = len(RUNS)) -> None:
    eventually(lambda: client.get("/api/jobs").json()["pagination"]["total"] == count)


def preview(client: Client, **wanted: Any) -> dict[str, Any]:
    answer = client.post("/api/jobs/bulk?dry_run=true", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def execute(client: Client, action: str, token: str) -> str:
    answer = client.post("/api/jobs/bulk", json={"action": action, "token": token})
    assert answer.status_code == 202, answer.text
    return answer.json()["operation_id"]


def finished(client: Client, operation_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = client.get(f"/api/jobs/bulk/{operation_id}").json()
        return found if found["state"] != "running" else None

    return eventually(look)


@pytest.mark.parametrize(
    ("action", "eligible", "reasons"),
    [
        ("cancel", 2, {"Job already completed or failed": 4}),
        ("abort", 1, {"Cannot abort queued job - use cancel instead": 1, "Job already completed or failed": 4}),
        (
            "retry",
            1,
            {
                "Job cannot be retried - only failed jobs can": 4,
                "Job cannot be retried - its run has no deployment to run it again": 1,
            },
        ),
        ("purge", 5, {"Job is running - stop it before deleting it": 1}),
    ],
)
def test_a_preview_says_how_many_allow_the_action_and_why_the_others_do_not(
    client: Client, action: str, eligible: int, reasons: dict[str, int]
) -> None:
    found = preview(client, action=action, filter={})
    assert (found["count"], found["eligible"], found["reasons"]) == (6, eligible, reasons)
    assert found["by_state"] == {"failed": 2, "pending": 1, "running": 1, "completed": 1, "cancelled": 1}
    assert client.get(f"/api/jobs/{id_of('waits')}").json()["status"] == "pending"


def test_executing_does_what_was_previewed_and_says_what_became_of_each_job(client: Client) -> None:
    token = preview(client, action="cancel", filter={"status": "pending,running,failed"})["token"]
    late = client.app.state.fake.put(pending())
    eventually(lambda: client.get(f"/api/jobs/{late.id}").is_success)
    operation = finished(client, execute(client, "cancel", token))
    assert (operation["state"], operation["total"], operation["progress"]) == ("finished", 5, 100)
    assert (operation["done"], operation["refused"], operation["failed"], operation["waiting"]) == (2, 3, 0, 0)
    outcomes = {item["job_id"]: (item["outcome"], item["error"]) for item in operation["items"]}
    assert outcomes[id_of("waits")] == ("done", None)
    assert outcomes[id_of("loose")] == ("refused", "Job already completed or failed")
    assert client.get(f"/api/jobs/{id_of('waits')}").json()["state"] == "cancelled"
    assert client.get(f"/api/jobs/{id_of('works')}").json()["state"] == "stopping"
    assert client.get(f"/api/jobs/{late.id}").json()["status"] == "pending"


def test_items_can_be_paged_and_chosen_by_their_outcome(client: Client) -> None:
    token = preview(client, action="cancel", filter={})["token"]
    operation_id = execute(client, "cancel", token)
    everything = finished(client, operation_id)["items"]
    pages = [
        client.get(f"/api/jobs/bulk/{operation_id}?limit=4&offset={offset}").json()["items"] for offset in (0, 4, 8)
    ]
    assert [len(page) for page in pages] == [4, 2, 0]
    assert pages[0] + pages[1] == everything
    done = client.get(f"/api/jobs/bulk/{operation_id}?outcome=done").json()["items"]
    assert {item["job_id"] for item in done} == {id_of("waits"), id_of("works")}


def test_jobs_can_be_named_each_counts_once_and_unknown_ones_are_told(client: Client) -> None:
    named = [id_of("broken"), id_of("broken"), "job-001"]
    found = preview(client, action="retry", job_ids=named)
    assert (found["count"], found["eligible"], found["reasons"]) == (2, 1, {"Job not found": 1})
    operation = finished(client, execute(client, "retry", found["token"]))
    assert [(item["outcome"], item["error"]) for item in operation["items"]] == [
        ("done", None),
        ("refused", "Job not found"),
    ]


def test_executing_a_token_twice_starts_one_operation(client: Client) -> None:
    token = preview(client, action="purge", job_ids=[id_of("done")])["token"]
    assert execute(client, "purge", token) == execute(client, "purge", token)
    assert client.get(f"/api/jobs/{id_of('done')}").status_code in (200, 404)
    finished(client, token)
    assert client.get(f"/api/jobs/{id_of('done')}").status_code == 404


def test_a_token_is_good_for_its_own_action_only(client: Client) -> None:
    token = preview(client, action="cancel", filter={})["token"]
    refused = client.post("/api/jobs/bulk", json={"action": "purge", "token": token})
    assert refused.status_code == 409
    assert refused.json()["detail"] == "There is no preview of such a purge, or it is older than ten minutes"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "explode", "dry_run": True, "filter": {}}, "body.action"),
        ({"action": "cancel"}, "body.token"),
        ({"action": "cancel", "dry_run": True}, "body.job_ids"),
        ({"action": "cancel", "dry_run": True, "filter": {}, "job_ids": ["a"]}, "body.job_ids"),
        ({"action": "cancel", "dry_run": True, "job_ids": []}, "body.job_ids"),
        ({"action": "cancel", "dry_run": True, "job_ids": ["a"] * (IDS_LIMIT + 1)}, "body.job_ids"),
        ({"action": "cancel", "dry_run": True, "filter": {"created_after": "soon"}}, "body.filter.created_after"),
        ({"action": "cancel", "dry_run": True, "filter": {"q": 'type:"'}}, "body.filter.q"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_the_contracts_shape(
    client: Client, body: dict[str, Any], field: str
) -> None:
    refused = client.post("/api/jobs/bulk", json=body)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["error"]["errors"]] == [field]


def test_as_many_jobs_as_the_limit_can_be_named(client: Client) -> None:
    assert preview(client, action="cancel", job_ids=[f"job-{number}" for number in range(IDS_LIMIT)])["count"] == 10_000


def test_an_operation_survives_a_restart_of_the_adapter_and_an_absence_of_prefect(tmp_path: Path) -> None:
    with served(tmp_path, RUNS) as client:
        everything_is_read(client)
        token = preview(client, action="cancel", filter={})["token"]
        client.app.state.fake.go_down()
        execute(client, "cancel", token)
        eventually(lambda: client.get(f"/api/jobs/bulk/{token}").json()["state"] == "running")
    with served(tmp_path, RUNS) as client:
        operation = finished(client, token)
    assert (operation["state"], operation["done"], operation["refused"]) == ("finished", 2, 4)


def test_an_operation_can_be_stopped_midway_and_not_once_it_is_over(client: Client) -> None:
    token = preview(client, action="cancel", filter={})["token"]
    client.app.state.fake.go_down()
    operation_id = execute(client, "cancel", token)
    stopped = client.delete(f"/api/jobs/bulk/{operation_id}")
    assert (stopped.status_code, stopped.json()["state"], stopped.json()["waiting"]) == (200, "stopped", 6)
    client.app.state.fake.come_back()
    again = client.delete(f"/api/jobs/bulk/{operation_id}")
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "Bulk operation cannot be stopped - it is already over",
    )
    assert client.get(f"/api/jobs/{id_of('waits')}").json()["status"] == "pending"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_operation_nobody_started_is_not_found(client: Client, method: str) -> None:
    token = preview(client, action="cancel", filter={})["token"]
    for operation_id in ("no-such-thing", token):
        answer = client.request(method, f"/api/jobs/bulk/{operation_id}")
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            f"No bulk operation found with ID: {operation_id}",
        )


def test_bulk_takes_an_admin_and_the_operation_keeps_who_it_was(tmp_path: Path) -> None:
    with served(tmp_path, RUNS, api_keys=KEYS) as client:
        body: dict[str, Any] = {"action": "cancel", "filter": {}, "dry_run": True}
        assert client.post("/api/jobs/bulk", json=body, headers={"X-API-Key": OPERATOR}).status_code == 403
        client.headers["X-API-Key"] = ADMIN
        everything_is_read(client)
        token = preview(client, action="cancel", filter={})["token"]
        assert finished(client, execute(client, "cancel", token))["by"] == "ada"


async def test_a_preview_is_valid_for_ten_minutes_to_the_microsecond(database: Database) -> None:
    store = BulkStore(database)
    for token in ("in time", "too late"):
        await store.preview(Operation(token, "cancel", "previewed", None, 1, NOW, None, None), ["a"])
    edge = NOW + bulk.PREVIEW_VALID
    assert await store.start("in time", action="cancel", by=None, now=edge)
    assert await store.start("too late", action="cancel", by=None, now=edge + timedelta(microseconds=1)) is None


async def test_old_operations_and_forgotten_previews_are_dropped_with_their_items(database: Database) -> None:
    store = BulkStore(database)

    async def a_preview(token: str, at: datetime) -> None:
        await store.preview(Operation(token, "cancel", "previewed", None, 1, at, None, None), ["a"])

    await a_preview("forgotten", NOW)
    await a_preview("over", NOW)
    await store.start("over", action="cancel", by=None, now=NOW)
    await store.end("over", "finished", now=NOW)
    await a_preview("later", NOW + bulk.OPERATIONS_KEPT)
    assert await store.get("over")
    assert await store.items("forgotten", outcome=None, offset=0, limit=9) == []
    await a_preview("last", NOW + bulk.OPERATIONS_KEPT + timedelta(microseconds=1))
    assert await store.get("over") is None
    assert await store.items("over", outcome=None, offset=0, limit=9) == []


BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("action", "run", "done"),
    [
        ("cancel", a_run("CANCELLED", created_at=BEFORE, ended_at=AFTER), True),
        ("cancel", a_run("CANCELLED", created_at=BEFORE, ended_at=BEFORE), False),
        ("cancel", completed(created_at=BEFORE, ended_at=AFTER), False),
        ("abort", a_run("CANCELLED", "Aborted", created_at=BEFORE, ended_at=AFTER), True),
        ("retry", a_run("SCHEDULED", "AwaitingRetry", created_at=BEFORE), True),
        ("retry", running(created_at=BEFORE, started_at=AFTER), True),
        ("retry", running(created_at=BEFORE, started_at=BEFORE), False),
        ("retry", completed(created_at=BEFORE), False),
        ("purge", running(created_at=BEFORE), False),
    ],
)
def test_after_a_crash_a_job_that_got_where_the_action_leads_counts_as_done(action: str, run: Run, done: bool) -> None:
    """The adapter died between the action and the note of its outcome; tried again, the action is refused."""
    assert is_done(action, job_from_run(run, now=NOW), NOW) is done
