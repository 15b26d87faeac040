"""Keeping secrets out of everything behind the reading of Prefect: a run is masked before anybody else sees it.

Which parameters are secret, a deployment's schema says. So the deployments of a flow are asked for before the first of
its runs is taken over, when a run comes from a deployment that is not known, when one is younger than the last answer,
and once a minute. A deployment that is gone, or lost its schema, counts as it was last; several count together.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from prefect_jobs.gateway import DeployedFlow, Gateway, PrefectUnavailable, Run
from prefect_jobs.secret_values import has_secrets, masked
from prefect_jobs.store import SecretSchemaStore

KNOWN_FOR = 60.0
"""Seconds until a flow's deployments are asked for again in any case."""
ASKED_EVERY = 1.0
"""Seconds between two questions for a flow whose runs keep coming."""


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Flow:
    """What is known of one flow."""

    schemas: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Those with secrets, by the names of the deployments."""
    declared: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """What the deployments said last."""
    deployments: set[str] = field(default_factory=set[str])
    """The ids of those that there are, and of those that there are not."""
    asked: float = float("-inf")
    asked_at: datetime = _NEVER


class SecretsOfTypes:
    """What is secret in the parameters of each type."""

    def __init__(
        self,
        gateway: Gateway,
        store: SecretSchemaStore | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._monotonic = monotonic
        self._clock = clock
        self._flows: dict[str, _Flow] = {}

    def schemas(self, flow_name: str) -> list[Mapping[str, Any]]:
        """The schemas that say what is secret in runs of this flow, as far as they are known."""
        flow = self._flows.get(flow_name)
        return list(flow.schemas.values()) if flow else []

    def masked(self, flow_name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as everybody may see them."""
        return masked(parameters, self.schemas(flow_name))

    async def masked_runs(self, runs: Sequence[Run]) -> list[Run]:
        """These runs without the secrets in their parameters.

        Raises:
            PrefectUnavailable: what is secret in one of them is not known, and cannot be asked.
        """
        if due := sorted({run.flow_name for run in runs if run.parameters and self._is_due(run)}):
            await self._ask(due, [run for run in runs if run.flow_name in due])
        if not any(self.schemas(run.flow_name) for run in runs):
            return list(runs)
        # Large parameters of many runs take seconds, and their author decides how large they are.
        return await asyncio.to_thread(lambda: [self._masked_run(run) for run in runs])

    def _masked_run(self, run: Run) -> Run:
        if not self.schemas(run.flow_name):
            return run
        return replace(run, parameters=self.masked(run.flow_name, run.parameters))

    def _is_due(self, run: Run) -> bool:
        flow = self._flows.get(run.flow_name)
        if flow is None or (run.deployment_id and run.deployment_id not in flow.deployments):
            return True
        age = self._monotonic() - flow.asked
        return age > KNOWN_FOR or (age > ASKED_EVERY and run.created_at > flow.asked_at)

    async def _ask(self, names: Sequence[str], runs: Sequence[Run]) -> None:
        now = self._clock()
        try:
            found = await self._gateway.flows(named=names)
        except PrefectUnavailable:
            if all(name in self._flows for name in names):
                return  # what is known of them is better than runs that nobody hears of
            raise
        known = {flow.name: flow for flow in found}
        await self.learn([known.get(name, DeployedFlow(name)) for name in names], at=now)
        for run in runs:
            if run.deployment_id:
                self._flows[run.flow_name].deployments.add(run.deployment_id)

    async def learn(self, flows: Sequence[DeployedFlow], *, at: datetime | None = None) -> None:
        """Take over what Prefect says of these flows, as of this time."""
        at = at or self._clock()
        new = [flow.name for flow in flows if flow.name not in self._flows]
        kept = await self._store.of(new) if self._store and new else {}
        for deployed in flows:
            flow = self._flows.get(deployed.name) or _Flow()
            flow.schemas.update({name: schema for (of, name), schema in kept.items() if of == deployed.name})
            for deployment in deployed.deployments:
                flow.deployments.add(deployment.id)
                await self._declared(deployed.name, flow, deployment.name, deployment.parameter_schema)
            flow.asked, flow.asked_at = self._monotonic(), at
            self._flows[deployed.name] = flow

    async def _declared(self, flow_name: str, flow: _Flow, name: str, schema: Mapping[str, Any]) -> None:
        before = flow.schemas.get(name)
        if flow.declared.get(name) == schema:
            return
        if has_secrets(schema):
            if before != schema:
                await self._keep(flow_name, name, schema)
            flow.schemas[name] = schema
        elif before is not None and schema:
            # It says of its parameters that none is secret; one without a schema says nothing.
            await self._keep(flow_name, name, None)
            del flow.schemas[name]
        flow.declared[name] = schema

    async def _keep(self, flow_name: str, name: str, schema: Mapping[str, Any] | None) -> None:
        if self._store is not None:
            await self._store.put(flow_name, name, schema)
