"""Values that no calendar, number or file reaches are the asker's mistake (contract 17, row 14).

Ten thousand more of the kind: `tests/fuzz`.
"""

from collections.abc import Generator

import pytest

from prefect_jobs.gateway.fake import completed, running
from prefect_jobs_ui import mount_page
from tests.unit.serving import Client, served

LAST, FIRST = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[Client]:
    runs = [completed(id="one"), running(40, f"Step {'9' * 5000}/{'9' * 5000}", id="two")]
    with served(tmp_path_factory.mktemp("hostile"), runs) as opened:
        mount_page(opened.app, api_url="http://127.0.0.1:1")
        yield opened


@pytest.mark.parametrize(
    "path",
    [
        f"/api/jobs/stats/timeline?from={LAST}",
        f"/api/jobs/stats/timeline?to={FIRST}",
        "/api/jobs/stats/timeline?to=0001-01-01",
        "/api/jobs/stats/timeline?from=0001-01-01&bucket=minute",
        "/api/jobs/stats/timeline?from=0001-01-01&to=9999-12-31",
        *(f"/api/jobs/search?{name}={LAST}" for name in ("created_after", "created_before", "completed_after")),
        f"/api/jobs/search?completed_before={FIRST}",
        f"/api/jobs/search?q=created:>{LAST}",
        "/api/jobs/search?q=created:<99999999999d",
        "/api/jobs/search?min_duration=inf",
        "/api/jobs/search?max_duration=nan",
        "/api/jobs/search?min_duration=1e300",
        f"/api/jobs?offset={'9' * 30}",
        f"/api/jobs?limit={'9' * 5000}"[:1900],
        "/api/jobs?offset=-1",
        "/api/jobs?limit=1.5",
        f"/api/jobs/one/logs?after={2**63}",
        f"/api/jobs/changes?after={2**63}",
        f"/api/exports?limit={2**64}",
    ],
)
def test_a_value_out_of_range_is_422(client: Client, path: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        '{"job_type":"export","run_at":"' + LAST + '"}',
        '{"job_type":"export","run_at":1e400}',
        '{"job_type":"export","run_at":253402300800}',
    ],
)
def test_so_is_one_in_a_body(client: Client, body: str) -> None:
    assert client.post("/api/jobs", content=body, headers={"Content-Type": "application/json"}).status_code == 422


@pytest.mark.parametrize("path", ["/api/jobs/stats/timeline?bucket=day&from=9999-12-31&to=9999-12-31T23:59:59Z"])
def test_the_last_day_is_a_day(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/nothing.js",
        "/static/",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static-offline-docs/nothing",
        "/static-offline-docs/",
        "/components/prefect_jobs_ui.components/nothing/x",
        "/components/prefect_jobs_ui.components/x",
        "/components/os/path/x",
        "/jobs/assets/nothing",
        "/jobs/assets/",
    ],
)
def test_a_file_that_there_is_not_is_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_number_without_end_in_a_head_or_a_message_is_read_as_far_as_it_matters(client: Client) -> None:
    """Python reads no integer of more than 4,300 digits, and says so with an exception."""
    client.app.state.adapter.hub.close()  # the feed has no end of its own
    assert client.get("/api/jobs/changes", headers={"Last-Event-ID": "9" * 5000}).status_code == 200
    assert client.get("/api/jobs/two/detail").status_code == 200
    assert client.post("/api/events/import", content=b"", headers={b"Content-Length": b"\xb2"}).is_error


@pytest.mark.parametrize("value", ["", "=;=", 'a="', "prefect_jobs_session=", "prefect_jobs_session=%00", "\xe4=\xff"])
def test_a_cookie_of_any_kind_is_no_error(client: Client, value: str) -> None:
    assert client.get("/api/jobs", headers={b"Cookie": value.encode("latin-1")}).status_code == 200
