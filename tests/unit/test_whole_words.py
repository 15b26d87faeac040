"""A filter means the words that it says: a type's name may hold commas and blanks, and be given by another name.

A flow named `Extract, transform, load` could not be filtered, and `type=`, which the original client sends, filtered
nothing: in a bulk request it selected every job.
"""

import asyncio
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from prefect_jobs.api.search import words
from prefect_jobs.client.connection import query
from prefect_jobs.conditions import OneOf
from prefect_jobs.gateway.fake import completed, failed, running
from prefect_jobs.search_language import parse_search
from tests.unit.serving import Client, served

ETL = "Extract, transform, load"
TYPES = [ETL, "Extract", "load", " outer ", "export", 'say "a, b"']
NOW = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("", None),
        (" , ,", None),
        ("a, b ,c", {"a", "b", "c"}),
        (["a,b"], {"a", "b"}),
        (["a,b", "c"], {"a,b", "c"}),
        (["a,b", "a,b"], {"a,b"}),
        ([" a ", "b"], {" a ", "b"}),
        (ETL, {ETL}),
        ([ETL], {ETL}),
        (f"{ETL},export", {"Extract", "transform", "load", "export"}),
        (" outer ", {" outer "}),
        (" export ", {"export"}),
    ],
    ids=str,
)
def test_words_are_read_as_they_were_meant(given: str | list[str] | None, meant: set[str] | None) -> None:
    assert words(given, known=TYPES) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f'type:"{ETL}"', {ETL}),
        ("type:a,b", {"a", "b"}),
        ("type:x,y", {"x,y"}),
        ('type:"x,z"', {"x,z"}),
    ],
)
def test_a_search_takes_a_name_with_commas(text: str, meant: set[str]) -> None:
    assert parse_search(text, now=NOW, types=["x,y"]) == [OneOf("job_type", frozenset(meant))]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[Client]:
    runs = [completed(flow=name) for name in TYPES] + [failed("x", flow="export"), running(flow="export")]
    with served(tmp_path_factory.mktemp("whole"), runs) as opened:
        for run in runs:
            opened.app.state.fake.put(run)

        async def all_there() -> None:
            while opened.app.state.adapter.index.everything().total < len(runs):
                await asyncio.sleep(0.01)

        asyncio.run(all_there())
        yield opened


Found = Callable[[Client, list[tuple[str, str]]], list[str]]


def listed(client: Client, params: list[tuple[str, str]]) -> list[str]:
    answer = client.get(f"/api/jobs?{urlencode(params)}")
    return sorted(job["job_type"] for job in answer.raise_for_status().json()["items"])


def searched(client: Client, params: list[tuple[str, str]]) -> list[str]:
    answer = client.get(f"/api/jobs/search?{urlencode(params)}")
    return sorted(job["job_type"] for job in answer.raise_for_status().json()["data"])


both_routes = pytest.mark.parametrize("found", [listed, searched])


@both_routes
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("parameter", ["job_type", "type"])
def test_each_type_is_found_by_its_name(client: Client, found: Found, parameter: str, name: str) -> None:
    assert set(found(client, [(parameter, name)])) == {name}
    assert set(found(client, [(parameter, name), (parameter, name)])) == {name}
    assert set(found(client, [(parameter, name), (parameter, "Extract")])) == {name, "Extract"}


@both_routes
def test_both_names_of_the_parameter_count(client: Client, found: Found) -> None:
    assert found(client, [("job_type", ETL), ("type", "load")]) == [ETL, "load"]


@both_routes
def test_a_repeated_status_or_state_is_one_of_them(client: Client, found: Found) -> None:
    assert found(client, [("type", "export"), ("status", "failed"), ("status", "running")]) == ["export"] * 2
    assert found(client, [("type", "export"), ("state", "failed"), ("state", "completed")]) == ["export"] * 2
    assert found(client, [("state", "failed,running"), ("state", "x")]) == []


def test_commas_separate_as_before(client: Client) -> None:
    assert searched(client, [("job_type", "Extract, load")]) == ["Extract", "load"]
    assert searched(client, [("status", "failed,running")]) == ["export", "export"]
    assert len(listed(client, [("state", "failed,running")])) == 2


def test_an_unknown_status_of_the_list_is_refused_wherever_it_stands(client: Client) -> None:
    for status in (["bogus"], ["failed", "bogus"], ["failed,running"]):
        answer = client.get("/api/jobs", params={"status": status})
        assert answer.status_code == 422
        [error] = answer.json()["error"]["errors"]
        assert error["field"] == "query.status"
        assert error["value"] == (status[0] if len(status) == 1 else str(status))
        assert "'pending', 'running', 'completed', 'failed' or 'cancelled'" in error["message"]


def test_a_filter_that_is_no_words_is_refused_once(client: Client) -> None:
    for wrong in (5, [5], ["x" * 2_001], ["x"] * 101):
        body = {"action": "cancel", "dry_run": True, "filter": {"type": wrong}}
        [error] = client.post("/api/jobs/bulk", json=body).json()["error"]["errors"]
        assert error["field"] == "body.filter.type"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"type": ETL}, 1),
        ({"job_type": ETL}, 1),
        ({"job_type": [ETL, "load"]}, 2),
        ({"type": ["export"], "status": ["failed", "running"]}, 2),
        ({"job_type": "Extract,load"}, 2),
        ({"q": f'type:"{ETL}"'}, 1),
        ({"type": "nobody"}, 0),
    ],
    ids=str,
)
def test_a_bulk_filter_means_the_same(client: Client, wanted: dict[str, Any], count: int) -> None:
    body = {"action": "cancel", "dry_run": True, "filter": wanted}
    assert client.post("/api/jobs/bulk", json=body).json()["count"] == count


def test_the_client_sends_words_with_commas_whole(client: Client) -> None:
    assert query({"job_type": ["a", "b"], "status": "failed", "state": None}) == {"job_type": "a,b", "status": "failed"}
    assert query({"job_type": [ETL]}) == {"job_type": [ETL, ETL]}
    assert query({"job_type": [" outer ", "b"]}) == {"job_type": [" outer ", "b"]}
    for names in ([ETL], [ETL, "load"], [" outer ", "export"]):
        asked = [(name, value) for name, value in httpx.QueryParams(query({"job_type": names})).multi_items()]
        assert set(searched(client, asked)) == set(names)
