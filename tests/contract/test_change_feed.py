"""Contract 16.3: every change of any job as server-sent events, resumable."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from prefect.states import Completed, Running

from tests.contract.runs import Runs
from tests.stack import Stack


class Told(NamedTuple):
    event: str
    id: str | None
    data: Any


@contextmanager
def feed(stack: Stack, **options: Any) -> Generator[Iterator[Told]]:
    with (
        httpx.Client(base_url=stack.api_url, timeout=60) as client,
        client.stream("GET", "/api/jobs/changes", **options) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Told]:
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "event" in fields:
                yield Told(fields["event"], fields.get("id"), json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def of(told: Iterator[Told], run_id: str, *, until: str) -> list[Told]:
    """What is told of one job until it has this status (or is deleted)."""
    found: list[Told] = []
    for one in told:
        if one.data.get("job_id") == run_id:
            found.append(one)
            if one.event == until or one.data.get("status") == until:
                return found
    raise AssertionError("the feed ended")


def test_the_feed_begins_with_what_it_is_worth(stack: Stack) -> None:
    with feed(stack) as told:
        first = next(told)
    assert (first.event, first.id) == ("status", None)
    assert set(first.data) == {"prefect", "behind_seconds", "complete", "version"}
    assert first.data["prefect"] == "up"
    assert first.data["version"] > 0


def test_each_change_of_a_job_is_told_with_a_growing_version(stack: Stack, runs: Runs) -> None:
    with feed(stack) as told:
        assert next(told).event == "status"
        run_id = runs.started()
        runs.move(run_id, Completed())
        found = of(told, run_id, until="completed")
    assert {one.event for one in found} == {"job"}
    ids = [int(one.id or 0) for one in found]
    assert ids == sorted(set(ids))
    assert found[-1].data["version"] == ids[-1]
    assert "result" not in found[-1].data
    assert found[-1].data["message"] == "Completed successfully"


@pytest.mark.parametrize("how", ["query", "header"])
def test_a_reader_that_was_away_gets_what_it_missed_each_job_at_least_as_its_last(
    stack: Stack, runs: Runs, how: str
) -> None:
    with feed(stack) as told:
        seen = next(told).data["version"]
    run_id, deleted = runs.started(), runs.started()
    runs.move(run_id, Completed())
    with feed(stack, params={"after": seen}) as told:
        of(told, deleted, until="running")
    runs.delete(deleted)
    options: dict[str, Any] = (
        {"params": {"after": seen}} if how == "query" else {"headers": {"Last-Event-ID": str(seen)}}
    )
    with feed(stack, **options) as told:
        assert of(told, run_id, until="completed")[-1].data["status"] == "completed"
    with feed(stack, **options) as told:
        assert of(told, deleted, until="deleted")[-1].data == {"job_id": deleted}


@pytest.mark.parametrize("after", [0, 1, 2**62])
def test_a_version_that_cannot_be_resumed_is_reset_and_the_feed_goes_on(stack: Stack, runs: Runs, after: int) -> None:
    with feed(stack, params={"after": after}) as told:
        first = next(told)
        assert (first.event, first.data) == ("reset", {})
        assert int(first.id or 0) > 0
        run_id = runs.new()
        of(told, run_id, until="pending")
        runs.move(run_id, Running())
        of(told, run_id, until="running")


@pytest.mark.parametrize("after", ["-1", "x", str(2**62 + 1)])
def test_a_version_that_is_no_version_is_a_validation_error(api: httpx.Client, after: str) -> None:
    assert api.get("/api/jobs/changes", params={"after": after}).status_code == 422
