"""From the request to the running flow: how long an empty job takes, phase by phase, and where the time goes.

The job is a real export that matches no event. Beside it, in the same run and on the same server, runs what a user
would pick instead: the same flow through Prefect's own client, on a work pool served by Prefect's own process worker
with its default settings.

    python -m benchmarks.job_start --api-url http://127.0.0.1:8000 --prefect-api-url http://127.0.0.1:4200/api
"""

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.states import Scheduled

NOTHING = {"camera_id": "no such camera"}
PLAIN_POOL = "benchmark-plain"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from the request to each moment of one job's life; ``answered`` is when the caller had its job id."""

    answered: float
    picked_up: float
    running: float
    completed: float


async def _until_completed(client: PrefectClient, run_id: UUID) -> dict[StateType, datetime]:
    async with asyncio.timeout(120):
        while True:
            states = await client.read_flow_run_states(run_id)
            moments = {state.type: datetime.fromisoformat(str(state.timestamp)) for state in reversed(states)}
            if any(state.is_final() for state in states):
                if StateType.COMPLETED not in moments:
                    raise SystemExit(f"run {run_id} ended as {states[-1].name}: {states[-1].message}")
                return moments
            await asyncio.sleep(0.1)


def _timing(began: datetime, answered: float, moments: dict[StateType, datetime]) -> Timing:
    def since(kind: StateType) -> float:
        return (moments[kind] - began).total_seconds()

    return Timing(answered, since(StateType.PENDING), since(StateType.RUNNING), since(StateType.COMPLETED))


async def _by_the_api(api: httpx.AsyncClient, client: PrefectClient) -> Timing:
    began, clock = datetime.now(UTC), time.perf_counter()
    job = (await api.post("/api/events/export", json=NOTHING)).raise_for_status().json()
    answered = time.perf_counter() - clock
    return _timing(began, answered, await _until_completed(client, UUID(job["job_id"])))


async def _by_prefect(deployment: UUID, client: PrefectClient) -> Timing:
    began, clock = datetime.now(UTC), time.perf_counter()
    run = await client.create_flow_run_from_deployment(deployment, parameters=NOTHING, state=Scheduled())
    answered = time.perf_counter() - clock
    return _timing(began, answered, await _until_completed(client, run.id))


@asynccontextmanager
async def _plain_prefect(client: PrefectClient, api_url: str) -> AsyncGenerator[UUID]:
    """The export deployed to a pool of its own, served by Prefect's own worker as it comes."""
    with contextlib.suppress(Exception):
        await client.create_work_pool(WorkPoolCreate(name=PLAIN_POOL, type="process"))
    known = await client.read_deployment_by_name("export/api")
    checkout = Path(__file__).parent.parent
    deployment = await client.create_deployment(
        known.flow_id,
        "plain-prefect",
        work_pool_name=PLAIN_POOL,
        entrypoint="flows/export.py:export",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(checkout)}}],
        enforce_parameter_schema=False,
    )
    environment = {**os.environ, "PREFECT_API_URL": api_url}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", PLAIN_POOL]
    worker = subprocess.Popen(  # noqa: ASYNC220  started once, before anything is measured
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        async with asyncio.timeout(60):
            while not await client.read_workers_for_work_pool(PLAIN_POOL):
                await asyncio.sleep(0.2)
        yield deployment
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # it has no jobs left, and does not always heed a gentler word
        worker.wait(30)
        await client.delete_deployment(deployment)
        await client.delete_work_pool(PLAIN_POOL)


def _row(name: str, timings: Sequence[Timing]) -> str:
    def median(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.2f}"

    return " | ".join(
        [
            f"| {name}",
            median([one.answered for one in timings]),
            median([one.picked_up for one in timings]),
            median([one.running - one.picked_up for one in timings]),
            median([one.completed - one.running for one in timings]),
            median([one.running for one in timings]),
            f"**{median([one.completed for one in timings])}** |",
        ]
    )


async def measure(api_url: str, prefect_api_url: str, count: int) -> str:
    """The table, as Markdown."""
    async with (
        httpx.AsyncClient(base_url=api_url, timeout=60) as api,
        PrefectClient(prefect_api_url) as client,
    ):
        ours = [await _by_the_api(api, client) for _ in range(count)]
        async with _plain_prefect(client, prefect_api_url) as deployment:
            await _by_prefect(deployment, client)  # the first one pays for caches that ours had from its start
            plain = [await _by_prefect(deployment, client) for _ in range(count)]
    ratio = statistics.median(one.completed for one in plain) / statistics.median(one.completed for one in ours)
    rows: list[Any] = [
        f"Medians of {count} empty jobs one after another, in seconds.",
        "",
        "| | answered | picked up | process and imports | Running to Completed | to running | to completed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        _row("`POST /api/events/export`, `prefect-jobs work`", ours),
        _row("Prefect's client and process worker, default settings", plain),
        "",
        f"Ratio to completed: {ratio:.1f} times faster than plain Prefect.",
    ]
    return "\n".join(rows)


def main() -> None:
    """Measure on a running stack and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api-url", default="http://127.0.0.1:8000")
    parser.add_argument("--prefect-api-url", default="http://127.0.0.1:4200/api")
    parser.add_argument("--count", type=int, default=10)
    wanted = parser.parse_args()
    print(asyncio.run(measure(wanted.api_url, wanted.prefect_api_url, wanted.count)))


if __name__ == "__main__":
    main()
