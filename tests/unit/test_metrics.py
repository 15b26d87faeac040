"""What Prometheus gets, with few values of each label, and how hard the adapter makes Prefect work."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from prefect_jobs.api.metrics import RATE_OVER, TYPES_SHOWN, PrefectLoad, largest
from prefect_jobs.gateway.fake import completed, pending
from tests.stack import eventually
from tests.unit.serving import KEYS, VIEWER, Client, opened_socket, served


def figures(client: Client) -> dict[tuple[str, ...], float]:
    """Every value by its name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("prefect_jobs_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_jobs_feed_requests_and_sockets_are_counted(tmp_path: Path) -> None:
    runs = [completed(flow="export"), completed(flow="cleanup"), pending(flow="export")]
    with served(tmp_path, runs) as client:
        eventually(lambda: client.get("/readyz").is_success, what="readiness")
        client.get("/api/jobs/one")
        client.get("/api/jobs/two")
        client.get("/wp-admin.php")
        client.request("BREW", "/api/jobs")
        with opened_socket(client, "/ws/jobs/x/logs") as socket:
            socket.receive_json()
            found = figures(client)

    assert found["jobs", "completed"] == 2
    assert found["jobs", "pending"] == 1
    assert found["jobs_by_type", "export"] == 2
    assert found["prefect_up",] == found["ready",] == 1
    assert found["index_behind_seconds",] == 0
    assert found["sockets_open",] == 1
    assert found["prefect_requests_total",] > 0
    assert found["request_seconds_count", "GET", "/api/jobs/{job_id}", "404"] == 2
    assert found["request_seconds_count", "GET", "other", "404"] == 1
    assert found["request_seconds_count", "other", "/api/jobs", "405"] == 1


def test_two_applications_count_for_themselves(tmp_path: Path) -> None:
    with served(tmp_path / "a") as first, served(tmp_path / "b") as second:
        first.get("/healthz")

        assert ("request_seconds_count", "GET", "/healthz", "200") in figures(first)
        assert ("request_seconds_count", "GET", "/healthz", "200") not in figures(second)


def test_with_keys_on_the_figures_are_for_who_may_read(tmp_path: Path) -> None:
    with served(tmp_path, api_keys=KEYS) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"X-API-Key": VIEWER}).status_code == 200


def test_only_the_largest_types_have_a_value_of_their_own() -> None:
    counts = {f"type {number}": number for number in range(1, TYPES_SHOWN + 4)}

    shown = largest(counts)

    assert len(shown) == TYPES_SHOWN + 1
    assert shown["other"] == 1 + 2 + 3
    assert sum(shown.values()) == sum(counts.values())
    assert largest({"other": 5, "x": 6, "y": 1}, shown=2) == {"x": 6, "other": 6}


def test_the_load_on_prefect_is_that_of_the_last_minute() -> None:
    now, asked = 0.0, 0
    load = PrefectLoad(lambda: asked, clock=lambda: now)
    for _ in range(24):
        now, asked = now + 5, asked + 10
        load.sample()
    assert load.rate() == pytest.approx(2.0)

    for _ in range(int(RATE_OVER / 5)):
        now += 5
        load.sample()
    assert load.rate() == 0
    assert load.requests == 240


def test_readiness_tells_the_load(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        eventually(lambda: client.get("/readyz").json()["prefect_requests_per_second"] > 0, what="a rate")
