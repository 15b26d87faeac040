"""What runs a job type is a deployment. `prefect deploy --all` takes a minute for a few of them and resets what an
operator switched on in the Prefect UI; a worker registers the same declarations at each start, so it must be quick and
must not write what has not changed.

``register`` brings a server in step with the declarations: it writes a deployment only if the server's differs, all of
them at once, and leaves schedules switched on or off as it finds them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel

from prefect_jobs.declarations import ConcurrencyLimit, Declaration, Schedule

POOL_TYPE = "process"


class FlowUnloadable(Exception):
    """The job type at {entrypoint} cannot be loaded: {reason}"""

    def __init__(self, entrypoint: str, reason: str) -> None:
        super().__init__(f"The job type at {entrypoint} cannot be loaded: {reason}")


class WorkPoolUnusable(Exception):
    """The work pool {name} has another type than process."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"The work pool {name!r} is of type {found!r}, and `prefect-jobs work` serves type {POOL_TYPE!r}: "
            "name another with PREFECT_JOBS_WORK_POOL."
        )


class RegistrationFailed(Exception):
    """Prefect went away, or refused a work pool or a deployment."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(f"The deployments could not be registered at Prefect: {' '.join(str(reason).split())}")


async def register(
    client: PrefectClient, declarations: Sequence[Declaration], *, folder: Path, work_pool: str
) -> list[str]:
    """Make sure that the pool and the deployments are on the server as declared.

    Args:
        client: the server.
        declarations: what to register.
        folder: the folder that entrypoints are relative to.
        work_pool: the pool that runs them, whatever pool they name.

    Returns:
        The full names (`flow/deployment`) of those that were written: none when nothing had changed.

    Raises:
        WorkPoolUnusable: the pool is there, with another type.
        FlowUnloadable: a job type does not load.
        RegistrationFailed: the server went away or refused.
    """
    flows = {entrypoint: _load(folder, entrypoint) for entrypoint in {d.entrypoint for d in declarations}}
    try:
        await _ensure_pool(client, work_pool)
        written = await asyncio.gather(*(_register(client, d, flows[d.entrypoint], work_pool) for d in declarations))
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise RegistrationFailed(error) from error
    return [name for name in written if name is not None]


def _load(folder: Path, entrypoint: str) -> Flow[..., Any]:
    try:
        # Without a placeholder: Prefect would swallow a failed import and deploy a flow that cannot run.
        return load_flow_from_entrypoint(str(folder / entrypoint), use_placeholder_flow=False)
    except Exception as error:  # a job type's file may raise anything
        raise FlowUnloadable(entrypoint, f"{type(error).__name__}: {error}") from error


async def _ensure_pool(client: PrefectClient, name: str) -> None:
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        wanted = WorkPoolCreate(name=name, type=POOL_TYPE, base_job_template=template)
        try:
            pool = await client.create_work_pool(wanted)
        except ObjectAlreadyExists:  # another worker was faster
            pool = await client.read_work_pool(name)
    if pool.type != POOL_TYPE:
        raise WorkPoolUnusable(name, pool.type)


async def _register(client: PrefectClient, declared: Declaration, flow: Flow[..., Any], work_pool: str) -> str | None:
    full_name = f"{flow.name}/{declared.name}"
    wanted = _payload(declared, flow, work_pool)
    try:
        found = await client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        found = None
    if found is not None and _as_payload(found, wanted) == wanted:
        return None
    flow_id = await client.create_flow_from_name(flow.name)
    schedules = [_schedule(schedule, found) for schedule in declared.schedules]
    await client.create_deployment(flow_id=flow_id, schedules=schedules, **_for_client(wanted))
    return full_name


def _payload(declared: Declaration, flow: Flow[..., Any], work_pool: str) -> dict[str, Any]:
    limit = declared.concurrency_limit
    if isinstance(limit, int):
        limit = ConcurrencyLimit(limit=limit)
    return {
        "name": declared.name,
        "work_pool_name": work_pool,
        "entrypoint": declared.entrypoint,
        "description": declared.description or flow.description,
        "tags": sorted(declared.tags),
        "parameters": declared.parameters,
        "parameter_openapi_schema": parameter_schema(flow).model_dump(mode="json", exclude_unset=True),
        "pull_steps": declared.pull or [],
        "job_variables": declared.work_pool.job_variables,
        "concurrency_limit": limit.model_dump() if limit else None,
        "schedules": sorted((_when(s.slug, s.timing(), s.parameters) for s in declared.schedules), key=str),
    }


def _as_payload(found: DeploymentResponse, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the server has, in the shape of what is wanted."""
    limit, options = found.global_concurrency_limit, found.concurrency_options
    return {
        **{key: getattr(found, key) for key in wanted if key not in ("concurrency_limit", "schedules")},
        "tags": sorted(found.tags),
        "pull_steps": found.pull_steps or [],
        "concurrency_limit": (
            ConcurrencyLimitConfig(limit=limit.limit, **(options.model_dump() if options else {})).model_dump()
            if limit
            else None
        ),
        "schedules": sorted((_when(s.slug, s.schedule, s.parameters) for s in found.schedules), key=str),
    }


def _when(slug: str | None, timing: BaseModel, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"slug": slug, "parameters": dict(parameters), **timing.model_dump(mode="json", exclude={"anchor_date"})}


def _schedule(declared: Schedule, found: DeploymentResponse | None) -> DeploymentScheduleCreate:
    """A schedule as declared, but switched on or off as an operator left it."""
    left = {schedule.slug: schedule.active for schedule in found.schedules} if found else {}
    return DeploymentScheduleCreate(
        schedule=declared.timing(),
        active=left.get(declared.slug, declared.active),
        parameters=declared.parameters,
        slug=declared.slug,
    )


def _for_client(payload: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {key: value for key, value in payload.items() if key not in ("schedules", "concurrency_limit")}
    if limit := payload["concurrency_limit"]:
        wanted = ConcurrencyLimitConfig(**limit)
        arguments["concurrency_limit"] = wanted.limit
        arguments["concurrency_options"] = wanted.model_dump(exclude={"limit"}, exclude_none=True)
    return arguments
