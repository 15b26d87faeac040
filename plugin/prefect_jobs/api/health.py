"""Whether the process lives, and whether what it says can be believed."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether Prefect is reachable and the index in step, and if not, why."""

    ready: bool
    prefect: Literal["up", "down"]
    behind_seconds: float = Field(description="Age of the last reading of Prefect while it is away.")
    version: int
    reasons: list[str]


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the process lives."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(adapter: TheAdapter, response: Response) -> Readiness:
    """Answer 200 when Prefect is reachable and the index in step with it, else 503 with the reasons."""
    status = adapter.feed.status()
    response.status_code = 200 if status.ready else 503
    return Readiness(
        ready=status.ready,
        prefect=status.prefect,
        behind_seconds=status.behind_seconds,
        version=adapter.hub.version,
        reasons=list(status.reasons),
    )
