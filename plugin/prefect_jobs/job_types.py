"""The types of jobs: six that every client of the contract knows, and every other flow on the server.

Whoever starts a job must learn at once what is wrong with it, not minutes later from a failed run. So parameters are
held against the schema of the deployment that would run them, and Prefect's templates in them are refused: they would
be filled in with the server's own variables.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from jsonschema.exceptions import ValidationError

from prefect_jobs.gateway import DeployedFlow, Deployment, Gateway
from prefect_jobs.schema_check import MESSAGE_LIMIT, UNUSABLE, TooMuch, schema_errors
from prefect_jobs.secret_values import Path, has_secrets, masked, may_hold_secrets
from prefect_jobs.secrets_of_types import SecretsOfTypes

BUILT_IN = {
    "export": "Export events to CSV, JSON, or ZIP format",
    "cleanup": "Clean up old data and temporary files",
    "backup": "Create a backup of system data",
    "import": "Import events from external files",
    "batch_audit": "Batch AI pipeline audit processing for multiple events",
    "re_evaluation": "Score chosen events again and report what changed",
}
"""The types of the contract (4.2), in its order, with their descriptions."""

REMEMBERED = 5.0
"""Seconds that the server's flows are remembered, so that any number of viewers cost it a question every 5 s."""
ERRORS_SHOWN = 20
"""Parameters that an answer names at most."""
CHECKED_AT_ONCE = 2
"""Starts whose parameters are checked at the same time: threads of Python share one processor."""
TEMPLATE_KEY = "__prefect_kind"


@dataclass(frozen=True, slots=True)
class JobTypeFound:
    """One type of jobs. A built-in one may have no flow on this server, and a flow no deployment."""

    name: str
    description: str
    title: str
    deployments: tuple[Deployment, ...]

    @property
    def chosen(self) -> Deployment | None:
        """The deployment that is started when none is named."""
        return DeployedFlow(self.name, self.deployments).deployment()

    def deployment(self, name: str | None) -> Deployment | None:
        """The deployment of this name, or the chosen one."""
        return DeployedFlow(self.name, self.deployments).deployment(name)


@dataclass(frozen=True, slots=True)
class ParameterError:
    """A parameter that breaks the schema. ``path`` leads to it from the parameters on."""

    path: tuple[str | int, ...]
    message: str
    value: Any


class JobTypes:
    """What the server can run, asked at most every few seconds."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        secrets: SecretsOfTypes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._secrets = secrets or SecretsOfTypes(gateway)
        self._clock = clock
        self._known: list[JobTypeFound] = []
        self._read_at = float("-inf")
        self._checking = asyncio.Semaphore(CHECKED_AT_ONCE)

    async def all(self, *, fresh: bool = False) -> list[JobTypeFound]:
        """The built-in types in the contract's order, then every other flow by name.

        Raises:
            PrefectUnavailable: Prefect is away.
        """
        if fresh or self._clock() - self._read_at > REMEMBERED:
            began = datetime.now(UTC)
            flows = {flow.name: flow for flow in await self._gateway.flows()}
            await self._secrets.learn(list(flows.values()), at=began)
            foreign = [name for name in flows if name not in BUILT_IN]
            self._known = [_job_type(name, flows.get(name)) for name in [*BUILT_IN, *foreign]]
            self._read_at = self._clock()
        return self._known

    @property
    def names(self) -> list[str]:
        """The names of the types that were known when they were asked for last."""
        return [found.name for found in self._known] or [*BUILT_IN]

    async def find(self, name: str, deployment: str | None = None) -> JobTypeFound | None:
        """The type of this name, looked up again before it, or its deployment, is said not to be there."""
        for fresh in (False, True):
            for found in await self.all(fresh=fresh):
                if found.name == name and (found.deployment(deployment) or fresh):
                    return found
        return None

    async def errors(
        self, job_type: str, deployment: Deployment, parameters: Mapping[str, Any]
    ) -> list[ParameterError]:
        """What is wrong with these parameters for a run of this deployment, found without holding up the event loop."""
        async with self._checking:
            return await asyncio.to_thread(parameter_errors, deployment, parameters, self._secrets.schemas(job_type))


def _job_type(name: str, flow: DeployedFlow | None) -> JobTypeFound:
    deployments = flow.deployments if flow else ()
    chosen = flow.deployment() if flow else None
    described = chosen.description if chosen else None
    return JobTypeFound(
        name=name,
        description=BUILT_IN.get(name) or described or f"Runs of the Prefect flow {name}",
        title=(flow.title if flow else None) or readable(name),
        deployments=deployments,
    )


def readable(name: str) -> str:
    """A title made of a name: `batch_audit` is `Batch audit`."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else name


# -- parameters -----------------------------------------------------------------------------------------------------


def parameter_errors(
    deployment: Deployment, parameters: Mapping[str, Any], secrets: Sequence[Mapping[str, Any]] = ()
) -> list[ParameterError]:
    """What is wrong with these parameters for a run of this deployment; nothing when they fit.

    ``secrets`` are the schemas that say what is secret in them beside the deployment's own: no error repeats it.
    """
    if templates := list(_templates(parameters, ())):
        return templates[:ERRORS_SHOWN]
    schema = deployment.parameter_schema
    whole = {**deployment.parameters, **parameters}
    hiding = _Hiding(whole, [*([schema] if has_secrets(schema) else []), *secrets])
    properties = schema.get("properties")
    open_ended = not isinstance(properties, Mapping) or schema.get("additionalProperties")
    found = [
        # With a letter wrong in its name a secret is none that the schema knows.
        ParameterError((name,), "There is no such parameter", None if hiding.needed else value)
        for name, value in parameters.items()
        if not open_ended and name not in cast("Mapping[str, Any]", properties)
    ]
    try:
        for error in schema_errors(schema, whole):
            wrong = hiding.without(_parameter_error(error), error)
            # What the deployment gives itself is not the caller's mistake, and may be a template.
            if not wrong.path or wrong.path[0] in parameters or wrong.path[0] not in deployment.parameters:
                found.append(wrong)
            if len(found) >= ERRORS_SHOWN:
                break
    except TooMuch as error:
        found.append(ParameterError((), str(error), None))
    except UNUSABLE:
        return found  # a schema that cannot be used decides nothing; the flow has the last word
    return found[:ERRORS_SHOWN]


class _Hiding:
    """Takes secrets out of what is said of parameters: jsonschema repeats the value that it finds wrong."""

    def __init__(self, parameters: Mapping[str, Any], schemas: Sequence[Mapping[str, Any]]) -> None:
        self.needed = bool(schemas)
        self._parameters = parameters
        self._masked = masked(parameters, schemas)
        self._names = frozenset(name for name in parameters if schemas and may_hold_secrets(name, schemas))

    def without(self, wrong: ParameterError, error: ValidationError) -> ParameterError:
        """What is wrong, without a secret that stands there, above it or below it."""
        if error.validator == "required" or not self._touches(tuple(error.absolute_path)):
            return wrong
        return ParameterError(wrong.path, f"This does not fit the schema's `{error.validator}`", None)

    def _touches(self, path: Path) -> bool:
        if not path:
            return self.needed
        return path[0] in self._names or self._masked[str(path[0])] != self._parameters[str(path[0])]


def _parameter_error(error: ValidationError) -> ParameterError:
    path = tuple(error.absolute_path)
    if error.validator == "required":
        missing = [name for name in cast("list[str]", error.validator_value) if name not in cast("Any", error.instance)]
        # One error per missing name, whose text begins with it.
        name = next((name for name in missing if error.message.startswith(repr(name))), missing[0])
        return ParameterError((*path, name), "Field required", None)
    return ParameterError(path, error.message[:MESSAGE_LIMIT], error.instance)


def _templates(value: object, path: tuple[str | int, ...]) -> Iterator[ParameterError]:
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        if TEMPLATE_KEY in fields:
            yield ParameterError(path, f"The key {TEMPLATE_KEY} is Prefect's own", fields[TEMPLATE_KEY])
        for name, item in fields.items():
            yield from _templates(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(cast("list[object]", value)):
            yield from _templates(item, (*path, place))
