"""Fixtures of every tier. The unit tier asks for none of them, and starts nothing."""

import os
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from tests.stack import OURS, Stack, running_stack

pytest_plugins = ["tests.databases"]

LOG_TAIL = 20_000  # characters of the processes' output that a failure shows
SEEDED_EVENTS = 300


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, on_postgres: bool, request: pytest.FixtureRequest
) -> Generator[Stack]:
    """Prefect, worker, adapter and page, with 300 sample events; one for the whole run.

    With `--database=postgres` the job index and the event store are there, in one database.
    """
    databases: dict[str, str] = {}
    if on_postgres:
        url = request.getfixturevalue("postgres").new_database()
        databases = {"index_url": url, "events_url": url}
    with running_stack(tmp_path_factory.mktemp("stack"), events=SEEDED_EVENTS, settings={}, **databases) as running:
        yield running


@pytest.fixture
def api(stack: Stack) -> Generator[httpx.Client]:
    """A client of the jobs API: `api.get("/api/jobs")`."""
    with httpx.Client(base_url=stack.api_url, timeout=30) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the processes wrote."""
    report = yield
    stack: Any = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("prefect-jobs up", stack.log[-LOG_TAIL:]))
    return report
