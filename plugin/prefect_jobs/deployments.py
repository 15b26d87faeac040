"""What runs a job type is a deployment, and `prefect.yaml` declares each. `prefect deploy --all` takes a minute for a
few of them and resets what an operator switched on in the Prefect UI; `prefect-jobs work` registers the same
declarations in a second at each start, so it must not write what has not changed.

``read_declarations`` reads the file (strictly: a word it does not know is refused, not ignored). ``register`` brings a
server in step with it: it writes a deployment only if the server's differs, and leaves schedules switched on or off
as they are found.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel, ConfigDict, Field, ValidationError

POOL_TYPE = "process"


class DeclarationsInvalid(Exception):
    """The deployments in {file} cannot be read: {reason}"""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"The deployments in {file} cannot be read: {reason}")


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


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Declared):
    """When a deployment runs by itself. The slug tells it from its siblings when it changes."""

    slug: str
    cron: str | None = None
    interval: float | None = Field(default=None, gt=0, description="Seconds from one run to the next.")
    rrule: str | None = None
    timezone: str = "UTC"
    active: bool = True
    parameters: dict[str, Any] = {}

    def timing(self) -> CronSchedule | IntervalSchedule | RRuleSchedule:
        """The schedule in Prefect's words.

        Raises:
            ValueError: not exactly one of cron, interval and rrule is given, or it has no meaning.
        """
        match (self.cron, self.interval, self.rrule):
            case (str(cron), None, None):
                return CronSchedule(cron=cron, timezone=self.timezone)
            case (None, float(seconds), None):
                return IntervalSchedule.model_validate({"interval": seconds, "timezone": self.timezone})
            case (None, None, str(rrule)):
                return RRuleSchedule(rrule=rrule, timezone=self.timezone)
            case _:
                raise ValueError(f"schedule {self.slug!r} needs exactly one of cron, interval and rrule")


class ConcurrencyLimit(_Declared):
    """How many runs of a deployment may be at work at once, and what happens to the next."""

    limit: int = Field(gt=0)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"


class _Pool(_Declared):
    name: str
    job_variables: dict[str, Any] = {}


class Declaration(_Declared):
    """One deployment, as `prefect.yaml` declares it."""

    name: str
    entrypoint: str
    description: str | None = None
    tags: list[str] = []
    parameters: dict[str, Any] = {}
    schedules: list[Schedule] = []
    concurrency_limit: int | ConcurrencyLimit | None = None
    work_pool: _Pool
    pull: list[dict[str, Any]] | None = None


class _File(_Declared):
    name: str
    pull: list[dict[str, Any]]
    definitions: dict[str, Any] = {}
    deployments: list[Declaration]


def read_declarations(file: Path) -> list[Declaration]:
    """The deployments that a `prefect.yaml` declares.

    Raises:
        DeclarationsInvalid: the file is missing, is no YAML, or says something that would be ignored.
    """
    try:
        content = _File.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        for declaration in content.deployments:
            for schedule in declaration.schedules:
                schedule.timing()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DeclarationsInvalid(file, f"{place}: {first['msg']}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DeclarationsInvalid(file, " ".join(str(error).split())) from error
    pull = content.pull
    return [d if d.pull is not None else d.model_copy(update={"pull": pull}) for d in content.deployments]


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
    """
    flows = {entrypoint: _load(folder, entrypoint) for entrypoint in {d.entrypoint for d in declarations}}
    await _ensure_pool(client, work_pool)
    written = await asyncio.gather(*(_register(client, d, flows[d.entrypoint], work_pool) for d in declarations))
    return [name for name in written if name is not None]


def _load(folder: Path, entrypoint: str) -> Flow[..., Any]:
    try:
        # Without a placeholder: Prefect would swallow a failed import and deploy a flow that cannot run.
        return load_flow_from_entrypoint(str(folder / entrypoint), use_placeholder_flow=False)
    except Exception as error:  # noqa: BLE001  a job type's file may raise anything
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


async def _register(
    client: PrefectClient, declared: Declaration, flow: Flow[..., Any], work_pool: str
) -> str | None:
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
    limit = found.global_concurrency_limit
    strategy = found.concurrency_options.collision_strategy if found.concurrency_options else None
    return {
        **{key: getattr(found, key) for key in wanted},
        "tags": sorted(found.tags),
        "pull_steps": found.pull_steps or [],
        "concurrency_limit": (
            {"limit": limit.limit, "collision_strategy": strategy or ConcurrencyLimitStrategy.ENQUEUE} if limit else None
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
        arguments["concurrency_options"] = {"collision_strategy": wanted.collision_strategy}
    return arguments
