"""What a server can run: its flows and their deployments, as far as a job is started by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from prefect_jobs.gateway.asking import PAGE, Ask

FAVOURITE = "api"
"""Of several deployments of a flow the one of this name is what the jobs API starts; else the first by name."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One way to run a flow."""

    id: str
    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a run gets where nothing else is asked for."""
    parameter_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON schema of the parameters; empty where the deployment was made without one."""


@dataclass(frozen=True, slots=True)
class DeployedFlow:
    """One flow on the server, with its deployments by name."""

    name: str
    """Also the job type."""
    deployments: tuple[Deployment, ...] = ()
    title: str | None = None
    """What people call it, as the last run that was read says."""

    def deployment(self, name: str | None = None) -> Deployment | None:
        """The deployment of this name, or without one the one to start; None when there is none."""
        if name is None:
            return min(self.deployments, key=lambda found: (found.name != FAVOURITE, found.name), default=None)
        return next((found for found in self.deployments if found.name == name), None)


def _deployment(item: Mapping[str, Any]) -> Deployment:
    schema = item.get("parameter_openapi_schema")
    return Deployment(
        id=str(item["id"]),
        name=str(item["name"]),
        description=item.get("description"),
        parameters=item.get("parameters") or {},
        parameter_schema=cast("dict[str, Any]", schema) if isinstance(schema, dict) else {},
    )


async def _all_pages(ask: Ask, path: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await ask("POST", path, json={**options, "limit": PAGE, "offset": len(found), "sort": "NAME_ASC"})
        found.extend(page)
        if len(page) < PAGE:
            return found


async def read_flows(ask: Ask, *, named: Sequence[str] | None = None) -> list[DeployedFlow]:
    """The flows of the server, or those with these names, in the order of their names."""
    only = {} if named is None else {"flows": {"name": {"any_": list(named)}}}
    flows = await _all_pages(ask, "/flows/filter", only)
    deployments = await _all_pages(ask, "/deployments/filter", only) if flows else []
    by_flow: dict[str, list[Deployment]] = {}
    for item in deployments:
        by_flow.setdefault(str(item["flow_id"]), []).append(_deployment(item))
    found = [DeployedFlow(str(flow["name"]), tuple(by_flow.get(str(flow["id"]), ()))) for flow in flows]
    return sorted(found, key=lambda flow: flow.name)
