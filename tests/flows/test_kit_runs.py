"""Jobs written with the kit, as the flow author writes them, on a real Prefect server."""

import os
import subprocess
import sys
from typing import Any, cast
from uuid import UUID

from prefect import State, flow, get_run_logger, task
from prefect.context import FlowRunContext
from prefect.states import Failed

from prefect_jobs import job, progress
from tests.flows.runs import Prefect
from tests.stack import eventually

ASYNC_JOB = """
import asyncio
from prefect.runtime import flow_run
from prefect_jobs import job, progress

@job("kit-async", title="Async job")
async def waiting(text: str) -> str:
    async def part() -> None:
        await asyncio.sleep(0)
        progress(percent=60, message="in a subtask")

    await asyncio.gather(part())
    print(flow_run.id)
    return text

print(asyncio.run(waiting("done")))
"""


def ended(state: State[Any]) -> UUID:
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    return run_id


def this_run() -> UUID:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return context.flow_run.id


def test_a_retried_job_reports_its_attempt(prefect: Prefect) -> None:
    attempts: list[int] = []

    @job("kit-retried", retries=1)
    def retried() -> str:
        attempts.append(1)
        progress(percent=10 * len(attempts), message=f"try {len(attempts)}")
        if len(attempts) == 1:
            raise ValueError("the first try fails")
        return "the second try works"

    run_id = ended(retried(return_state=True))
    assert prefect.label(run_id, "result") == {"attempt": 2, "result": "the second try works"}
    last = prefect.label(run_id, "progress")
    assert (last["attempt"], last["percent"], last["message"]) == (2, 20, "try 2")

    def both() -> list[tuple[int, int]] | None:
        seen = [(event["attempt"], event["percent"]) for event in prefect.progress_events(run_id)]
        return seen if len(seen) == 2 else None

    assert eventually(both, within=30) == [(1, 10), (2, 20)]


def test_tasks_report_to_their_jobs_run(prefect: Prefect) -> None:
    @task
    def part(number: int) -> None:
        progress(number, 4, f"part {number}")

    @job("kit-tasks")
    def tasks() -> None:
        cast(Any, part).submit(3).result()  # Prefect's own annotation of `submit` is incomplete

    run_id = ended(tasks(return_state=True))
    assert prefect.label(run_id, "progress")["message"] == "part 3"


def test_async_jobs_report_from_their_subtasks(prefect: Prefect) -> None:
    """In a process of its own: Prefect 3.8 leaves a socket open after an async flow, also after a plain one."""
    run = subprocess.run(
        [sys.executable, "-c", ASYNC_JOB],
        env=os.environ | {"PREFECT_API_URL": prefect.url},
        capture_output=True,
        text=True,
        check=True,
    )
    run_id, result = run.stdout.split()
    assert result == "done"
    assert prefect.label(run_id, "progress")["percent"] == 60
    assert prefect.label(run_id, "result") == {"attempt": 1, "result": "done"}
    assert prefect.run(run_id)["labels"]["prefect-jobs.title"] == "Async job"


def test_a_job_in_a_job_speaks_for_its_own_run(prefect: Prefect) -> None:
    inner_runs: list[UUID] = []

    @job("kit-inner")
    def inner() -> str:
        inner_runs.append(this_run())
        progress(percent=20, message="inner")
        return "inner"

    @job("kit-outer")
    def outer() -> str:
        progress(percent=70, message="outer")
        inner()
        return "outer"

    outer_run = ended(outer(return_state=True))
    assert prefect.label(outer_run, "progress")["message"] == "outer"
    assert prefect.label(outer_run, "result")["result"] == "outer"
    assert prefect.label(inner_runs[0], "progress")["message"] == "inner"
    assert prefect.label(inner_runs[0], "result")["result"] == "inner"


def test_a_jobs_function_called_inside_another_flow_leaves_that_flows_run_alone(prefect: Prefect) -> None:
    @job("kit-borrowed")
    def borrowed() -> str:
        progress(percent=50)
        return "borrowed"

    @flow
    def lender() -> str:
        return borrowed.fn()

    run_id = ended(lender(return_state=True))
    assert [name for name in prefect.run(run_id)["labels"] if name.startswith("prefect-jobs.")] == []


def test_a_state_that_the_author_returns_is_no_result(prefect: Prefect) -> None:
    @job("kit-state")
    def chosen() -> State[Any]:
        return Failed(message="not today")

    state: State[Any] = chosen(return_state=True)
    assert state.is_failed()
    assert prefect.label(ended(state), "result") is None
    assert prefect.label(ended(state), "kit") == 1


def test_a_million_reports_make_few_events(prefect: Prefect) -> None:
    @job("kit-fast")
    def fast() -> None:
        for done in range(1, 1_000_001):
            progress(done, 1_000_000)

    run_id = ended(fast(return_state=True))
    assert prefect.label(run_id, "progress")["percent"] == 100
    events = eventually(lambda: prefect.progress_events(run_id), within=30)
    assert len(events) < 50


def test_importing_the_kit_loads_neither_the_adapter_nor_the_page() -> None:
    code = "import sys; from prefect_jobs import job, progress; print([m for m in sys.modules if m.split('.')[0] in "
    code += "('panel', 'bokeh', 'prefect_jobs_ui') or m.startswith(('prefect_jobs.api', 'prefect_jobs.events'))])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_name_that_is_no_utf_8_costs_neither_the_error_nor_a_line_of_the_log(prefect: Prefect) -> None:
    """Such a run ended as crashed, without an error, and the whole batch of its log lines was lost."""
    name = os.fsdecode(b"caf\xe9.txt")

    @job("kit-broken-text")
    def broken_text() -> None:
        logger = get_run_logger()
        logger.info("before")
        logger.info("reading %s", name)
        logger.info("behind")
        raise ExceptionGroup(f"cannot read {name}", [ValueError(name)])

    state: State[Any] = broken_text(return_state=True)
    run = prefect.run(ended(state))
    assert run["state"]["type"] == "FAILED"
    assert "ExceptionGroup: cannot read caf\ufffd.txt (1 sub-exception)" in run["state"]["message"]

    def lines() -> list[str]:
        return [text for _, text in prefect.log_lines(run["id"])]

    eventually(lambda: [text for text in lines() if "Exception Group Traceback" in text], within=30)
    told = lines()
    assert [text for text in told if text in ("before", "reading caf\ufffd.txt", "behind")] == [
        "before", "reading caf\ufffd.txt", "behind",
    ]  # fmt: skip
    assert any("ValueError: caf\ufffd.txt" in text for text in told)
