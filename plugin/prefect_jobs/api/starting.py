"""Which jobs there can be, and starting one (contract 4.2, 16.4)."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, field_validator

from prefect_jobs.api.adapter import Adapter, TheAdapter
from prefect_jobs.api.caller import Caller, TheCaller
from prefect_jobs.api.problems import ErrorAnswer, Problem
from prefect_jobs.api.wire import EXAMPLE_ID, JobStarted, RequestTime
from prefect_jobs.api_keys import Role
from prefect_jobs.clean_text import clean_value
from prefect_jobs.gateway import NoDeployment, StartRefused
from prefect_jobs.job_types import JobTypeFound
from prefect_jobs.secret_values import MaskStandsForNothing, filled, shown_schema

router = APIRouter(prefix="/api/jobs", tags=["jobs"], responses={422: {"model": ErrorAnswer}})

NAME_LENGTH = 200
"""Characters of a job type's or a deployment's name."""
ID_LENGTH = 64
"""Characters of a job's id."""
KEY_LENGTH = 200
"""Characters of an idempotency key."""
PARAMETERS_SIZE = 256 * 1024
"""Bytes of JSON of all parameters together; Prefect's own limit is 512 KiB."""
ROLES: Mapping[str, Role] = {"restore": "admin"}
"""Job types that take more than `operator` to start, or to start again: this one replaces everything."""
AHEAD = timedelta(days=3650)
"""How far ahead a job may be scheduled."""


class TypeDeployment(BaseModel):
    """One way to run a job type."""

    id: str = Field(examples=["a0e00b17-17e7-48fb-bf81-db8fdd760480"])
    name: str = Field(examples=["api"])
    parameters: dict[str, Any] = Field(
        description="What it gives a job that asks for nothing else; it goes before the defaults of the schema.",
        examples=[{"format": "csv", "period": "yesterday"}],
    )


class JobType(BaseModel):
    """One kind of job."""

    name: str = Field(examples=["export"])
    description: str = Field(examples=["Export events to CSV, JSON, or ZIP format"])
    title: str = Field(examples=["Export"])
    parameter_schema: dict[str, Any] | None = Field(
        description="JSON schema of the parameters; null where no deployment declares one.",
        examples=[{"type": "object", "properties": {"format": {"type": "string", "default": "csv"}}}],
    )
    deployments: list[TypeDeployment] = Field(description="The one that is started when none is named comes first.")
    can_start: bool = Field(description="Whether a deployment can run it.", examples=[True])


class JobTypes(BaseModel):
    """Every kind of job that the server knows."""

    job_types: list[JobType]


class JobRequest(BaseModel):
    """Which job to start, and how."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {"job_type": "export", "parameters": {"format": "json", "risk_level": "high"}},
                {"job_type": "export", "like": EXAMPLE_ID, "parameters": {"format": "csv"}},
                {"job_type": "export", "deployment": "nightly", "run_at": "2026-03-05T02:00:00Z"},
            ]
        }
    }

    job_type: str = Field(min_length=1, max_length=NAME_LENGTH)
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description=f"What differs from the deployment's own parameters, up to {PARAMETERS_SIZE // 1024} KiB of JSON.",
    )
    deployment: str | None = Field(
        default=None, max_length=NAME_LENGTH, description="Name of a deployment; the type's own choice when left out."
    )
    like: str | None = Field(
        default=None,
        max_length=ID_LENGTH,
        description="The id of a job of this type: what `parameters` leaves out comes from that job, its secrets "
        "included, which nobody sees.",
        examples=[None],
    )
    run_at: RequestTime | None = Field(
        default=None, description=f"When to start it, up to {AHEAD.days} days ahead; at once when left out."
    )

    @field_validator("parameters")
    @classmethod
    def _not_too_large(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        size = len(json.dumps(parameters, ensure_ascii=False).encode("utf-8", "replace"))
        if size > PARAMETERS_SIZE:
            raise ValueError(f"Parameters may have up to {PARAMETERS_SIZE} bytes as JSON, these have {size}")
        if clean_value(parameters) != parameters:
            raise ValueError("Parameters may hold neither NUL nor half a surrogate pair")
        return parameters

    @field_validator("run_at")
    @classmethod
    def _within_reach(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment > datetime.now(UTC) + AHEAD:
            raise ValueError(f"A job can be scheduled up to {AHEAD.days} days ahead")
        return moment


@router.get("/types", responses={503: {"model": ErrorAnswer}})
async def list_types(adapter: TheAdapter) -> JobTypes:
    """List the types of jobs: the built-in ones first, then every other flow on the server by name."""
    known = await adapter.types.all()
    # Schemas are searched for secrets, and as large as their authors like.
    return JobTypes(job_types=await asyncio.to_thread(lambda: [_wire_type(adapter, found) for found in known]))


def _wire_type(adapter: Adapter, found: JobTypeFound) -> JobType:
    chosen = found.chosen
    return JobType(
        name=found.name,
        description=found.description,
        title=found.title,
        parameter_schema=shown_schema(chosen.parameter_schema) if chosen and chosen.parameter_schema else None,
        deployments=[
            TypeDeployment(
                id=deployment.id,
                name=deployment.name,
                parameters=adapter.secrets.masked(found.name, deployment.parameters),
            )
            for deployment in sorted(found.deployments, key=lambda deployment: deployment is not chosen)
        ],
        can_start=chosen is not None,
    )


@router.post(
    "",
    status_code=202,
    responses={409: {"model": Problem}, 422: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}},
)
async def start_job(
    adapter: TheAdapter,
    caller: TheCaller,
    wanted: JobRequest,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=KEY_LENGTH,
            description="A second request of the same type with the same key finds the job of the first.",
        ),
    ] = None,
) -> JobStarted:
    """Start a job of any type."""
    return await start(
        adapter,
        caller,
        wanted.job_type,
        wanted.parameters,
        deployment=wanted.deployment,
        like=wanted.like,
        run_at=wanted.run_at,
        idempotency_key=idempotency_key,
    )


def role_to_start(job_type: str) -> Role:
    """The least role that may start a job of this type, or queue one again."""
    return ROLES.get(job_type, "operator")


async def start(
    adapter: Adapter,
    caller: Caller,
    job_type: str,
    parameters: Mapping[str, Any],
    *,
    deployment: str | None = None,
    like: str | None = None,
    run_at: datetime | None = None,
    idempotency_key: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> JobStarted:
    """Start a job: the one way for all routes that do. With a result it is one that has nothing to do, and is over.

    Raises:
        RequestValidationError: 422, there is no such type or deployment, or a parameter breaks the schema.
        NoDeployment: 409.
        PrefectUnavailable: 503.
        NoSpace: 507.
    """
    caller.require(role_to_start(job_type))
    adapter.room.require("start the job")  # Prefect would have it, and nobody here would know
    found = await adapter.types.find(job_type, deployment)
    if found is None:
        raise _invalid(("job_type",), f"There is no job type {job_type}", job_type)
    if not found.deployments:
        raise NoDeployment(job_type)
    chosen = found.deployment(deployment)
    if chosen is None:
        raise _invalid(("deployment",), f"Jobs of type {job_type} have no deployment {deployment}", deployment)
    parameters = await _completed(adapter, job_type, parameters, chosen.parameters, like)
    if errors := await adapter.types.errors(job_type, chosen, parameters):
        raise RequestValidationError([_error(("parameters", *e.path), e.message, e.value) for e in errors])
    try:
        run = await adapter.gateway.start_run(
            job_type,
            parameters,
            deployment=chosen.name,
            run_at=run_at if run_at and run_at > datetime.now(UTC) else None,
            idempotency_key=idempotency_key,
            by=caller.name,
            result=result,
        )
    except StartRefused as error:
        secret = bool(adapter.secrets.schemas(job_type))
        # Prefect's reason may repeat a value.
        reason = "Prefect refuses the parameters" if secret else str(error)
        raise _invalid(("parameters",), reason, None) from error
    await adapter.feed.took([run])
    return JobStarted(
        job_id=run.id, message=f"{found.title} job created. Use GET /api/jobs/{run.id} to track progress."
    )


async def _completed(
    adapter: Adapter, job_type: str, parameters: Mapping[str, Any], own: Mapping[str, Any], like: str | None
) -> Mapping[str, Any]:
    """The parameters with what they leave out: from the job that this one shall be like, and secrets for their masks.

    Prefect is asked: nothing here keeps a secret.
    """
    model: Mapping[str, Any] = {}
    if like is not None:
        run = next(iter(await adapter.gateway.read_runs([like])), None)
        if run is None:
            raise _invalid(("like",), f"No job found with ID: {like}", like)
        if run.flow_name != job_type:
            raise _invalid(("like",), f"Job {like} is of another type: {run.flow_name}", like)
        model = run.parameters
    try:
        schemas = adapter.secrets.schemas(job_type)
        return {**model, **await asyncio.to_thread(filled, parameters, schemas, {**own, **model})}
    except MaskStandsForNothing as error:
        raise _invalid(("parameters", *error.path), str(error), None) from None


def _error(where: tuple[str | int, ...], message: str, value: object) -> dict[str, Any]:
    return {"loc": ("body", *where), "msg": message, "type": "value_error", "input": value}


def _invalid(where: tuple[str | int, ...], message: str, value: object) -> RequestValidationError:
    return RequestValidationError([_error(where, message, value)])
