"""What decides whether a waiting run is taken: its pool and queue, who serves them, its deployment's limit, and what is
at work already."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from prefect_jobs.gateway.asking import PAGE, Ask
from prefect_jobs.gateway.runs import Run

AT_WORK = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")
"""State types of a run that somebody has taken and that has not ended."""
COUNTED = ("PENDING", "RUNNING")
"""Those that count against the limit of a pool or queue."""


@dataclass(frozen=True, slots=True)
class Way:
    """A work pool or one of its queues, by which runs reach workers."""

    name: str
    paused: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """A deployment, and how many of its runs may be at work at once."""

    name: str
    limit: int | None = None
    taken: int = 0
    served: bool = False
    """Whether somebody asked for its runs lately."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Everything around one run, at one moment. What does not exist, or is not known, is None or empty."""

    run: Run
    pool: Way | None = None
    queue: Way | None = None
    workers: tuple[str, ...] = ()
    """The workers of the pool that are online."""
    deployment: Places | None = None
    at_work: tuple[Run, ...] = ()
    """The runs of the pool that are at work."""


async def read_outlook(ask: Ask, run: Run, read_runs: Callable[[Mapping[str, Any]], Awaitable[list[Run]]]) -> Outlook:
    """Ask for everything around a run at once."""
    of_pool = f"/work_pools/{quote(run.pool_name or '', safe='')}"
    pool, queue, workers, deployment, at_work = await asyncio.gather(
        _found(ask, "GET", of_pool, run.pool_name),
        _found(ask, "GET", f"/work_queues/{run.queue_id}", run.queue_id),
        _found(ask, "POST", f"{of_pool}/workers/filter", run.pool_name, json={"limit": PAGE}),
        _found(ask, "GET", f"/deployments/{run.deployment_id}", run.deployment_id),
        _at_work(run, read_runs),
    )
    return Outlook(
        run=run,
        pool=_way(pool) if pool else None,
        queue=_way(queue) if queue else None,
        workers=tuple(sorted(str(worker["name"]) for worker in workers or () if worker.get("status") == "ONLINE")),
        deployment=_places(run, deployment) if deployment else None,
        at_work=tuple(at_work),
    )


async def _at_work(run: Run, read_runs: Callable[[Mapping[str, Any]], Awaitable[list[Run]]]) -> Sequence[Run]:
    """The other runs at work in its pool, or of its deployment where it has no pool."""
    if run.pool_name:
        return await read_runs({"work_pools": {"name": {"any_": [run.pool_name]}}})
    if run.deployment_id:
        return await read_runs({"deployments": {"id": {"any_": [run.deployment_id]}}})
    return ()


async def _found(ask: Ask, method: str, path: str, wanted: str | None, **options: Any) -> Any:
    if wanted is None:
        return None
    try:
        return await ask(method, path, **options)
    except httpx.HTTPStatusError as error:
        if error.response.status_code == HTTPStatus.NOT_FOUND:
            return None
        raise


def _way(item: Mapping[str, Any]) -> Way:
    return Way(str(item["name"]), bool(item.get("is_paused")), item.get("concurrency_limit"))


def _places(run: Run, item: Mapping[str, Any]) -> Places:
    limit: Mapping[str, Any] = item.get("global_concurrency_limit") or {}
    return Places(
        name=f"{run.flow_name}/{item['name']}",
        limit=limit.get("limit"),
        taken=int(limit.get("active_slots") or 0),
        served=item.get("status") == "READY",
    )
