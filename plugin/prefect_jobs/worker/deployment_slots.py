"""A deployment can limit how many of its runs are at work. Prefect refuses to a worker what is beyond the limit, puts
the run off for half a minute, and does so again, with three lines in its log each time, until a place is free.

So this worker asks for what has a place. It is the server that keeps the limit; a worker that was wrong is refused.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse, WorkerFlowRunResponse


async def with_a_place(client: PrefectClient, due: Sequence[WorkerFlowRunResponse]) -> list[WorkerFlowRunResponse]:
    """Those of the due runs, in their order, that their deployments have a place for."""
    wanted = {found.flow_run.deployment_id for found in due if found.flow_run.deployment_id}
    if not wanted:
        return list(due)
    deployments = await client.read_deployments(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=sorted(wanted)))
    )
    places = free_places(deployments)
    chosen: list[WorkerFlowRunResponse] = []
    for found in due:
        deployment = found.flow_run.deployment_id
        if deployment in places:
            if not places[deployment]:
                continue
            places[deployment] -= 1
        chosen.append(found)
    return chosen


def free_places(deployments: Iterable[DeploymentResponse]) -> dict[UUID | None, int]:
    """How many more runs may begin, by deployment.

    Deployments without a limit are left out, and so are those that cancel what is beyond it.
    """
    places: dict[UUID | None, int] = {}
    for deployment in deployments:
        limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
        cancels = options is not None and options.collision_strategy == ConcurrencyLimitStrategy.CANCEL_NEW
        if limit is not None and limit.active and not cancels:
            places[deployment.id] = max(0, limit.limit - limit.active_slots)
    return places
