"""Whether the process lives, and whether what it says can be believed."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import AnyCaller
from prefect_jobs.api.metrics import PrefectLoad

router = APIRouter(tags=["health"])

KEPT_BACK = "sign in to read the reasons"


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether Prefect is reachable and the index in step, and if not, why."""

    ready: bool
    prefect: Literal["up", "down"]
    behind_seconds: float = Field(description="Age of the last reading of Prefect while it is away.")
    version: int
    prefect_requests_per_second: float = Field(
        description="Requests that this process itself made to Prefect, over the last minute."
    )
    reasons: list[str]


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the process lives."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(adapter: TheAdapter, caller: AnyCaller, request: Request, response: Response) -> Readiness:
    """Answer 200 when Prefect is reachable and the index in step with it, else 503 with the reasons."""
    status = adapter.feed.status()
    load: PrefectLoad = request.app.state.prefect_load
    response.status_code = 200 if status.ready else 503
    # They name Prefect's address, which is nobody's business who may not read here.
    reasons = list(status.reasons) if caller is not None else [KEPT_BACK] * bool(status.reasons)
    return Readiness(
        ready=status.ready,
        prefect=status.prefect,
        behind_seconds=status.behind_seconds,
        version=adapter.hub.version,
        prefect_requests_per_second=round(load.rate(), 2),
        reasons=reasons,
    )
