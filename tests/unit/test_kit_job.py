"""What `@job` makes of a function, without a server."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.utilities.hashing import file_hash

from prefect_jobs import job


def count(folder: str, at: datetime | None = None, *, size: int = 256) -> dict[str, Any]:
    """Count the pictures of a folder.

    Args:
        folder: Where the pictures are.
    """
    return {"folder": folder, "at": at, "size": size}


counted = job("count", title="Count", timeout=600, retries=2, log_prints=True)(count)


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="prefect_jobs")


def test_a_job_is_a_flow_whose_name_is_the_job_type() -> None:
    assert isinstance(counted, Flow)
    assert (counted.name, counted.retries, counted.log_prints) == ("count", 2, True)


def test_prefect_sees_the_authors_own_function() -> None:
    plain = flow(name="count")(count)
    assert counted.parameters == plain.parameters
    assert counted.description == plain.description == inspect.getdoc(count)
    assert counted.version == plain.version == file_hash(__file__)
    assert counted._entrypoint == plain._entrypoint  # pyright: ignore[reportPrivateUsage]  # what deployments load
    assert inspect.signature(counted.fn) == inspect.signature(count)


def test_a_description_may_be_given() -> None:
    assert job("count", description="Counts.")(count).description == "Counts."


def test_annotations_written_as_text_are_understood(tmp_path: Path) -> None:
    """Prefect resolves them in the globals of the function it calls: with the kit's, every such job failed."""
    source = "from __future__ import annotations\nfrom datetime import datetime\ndef late(at: datetime): return at\n"
    names: dict[str, Any] = {"__name__": "late"}
    exec(compile(source, tmp_path / "late.py", "exec"), names)
    made = job("late")(names["late"])
    assert made.validate_parameters({"at": "2026-03-04T08:15:00"}) == {"at": datetime.fromisoformat("2026-03-04T08:15")}


def test_called_as_a_plain_function_a_job_returns_its_result_and_logs_its_life(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert counted.fn("a", size=1) == {"folder": "a", "at": None, "size": 1}
    assert [record.message for record in caplog.records] == ["Job started: count", "Job completed successfully in 0.0s"]


def test_a_job_may_be_async(caplog: pytest.LogCaptureFixture) -> None:
    @job("later")
    async def later(value: int) -> int:
        await asyncio.sleep(0)
        return value

    assert later.isasync
    assert asyncio.run(later.fn(4)) == 4
    assert [record.message for record in caplog.records] == ["Job started: later", "Job completed successfully in 0.0s"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("disk full"), "Job failed: disk full"),
        (ValueError(), "Job failed: ValueError"),
        (KeyError("x"), "Job failed: 'x'"),
        (ValueError("100 %s of \x00"), "Job failed: 100 %s of \ufffd"),
    ],
)
def test_an_error_is_logged_and_raised_unchanged(caplog: pytest.LogCaptureFixture, error: Exception, line: str) -> None:
    @job("broken")
    def broken() -> None:
        raise error

    @job("broken-later")
    async def broken_later() -> None:
        raise error

    runs: list[Callable[[], Any]] = [broken.fn, lambda: asyncio.run(broken_later.fn())]
    for run in runs:
        with pytest.raises(type(error)) as raised:
            run()
        assert raised.value is error
        assert (caplog.records[-1].levelname, caplog.records[-1].message) == ("ERROR", line)


def test_a_stopped_job_did_not_fail(caplog: pytest.LogCaptureFixture) -> None:
    @job("stopped")
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.fn()
    assert [record.message for record in caplog.records] == ["Job started: stopped"]


def test_a_generator_function_is_no_job() -> None:
    def pieces() -> Generator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator function"):
        job("pieces")(pieces)
