"""Whether the process lives, and whether what it says can be believed."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import AnyCaller
from prefect_jobs.api.metrics import PrefectLoad
from prefect_jobs.readiness import Part
from prefect_jobs.restarts import recent_restarts

router = APIRouter(tags=["health"])

UpOrDown = Literal["up", "down"]
KEPT_BACK = "sign in to read the reasons"


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class RestartShown(BaseModel):
    """A process that was started again."""

    name: str
    at: datetime
    why: str
    back: bool = Field(description="Whether it lives again.")


class PartState(BaseModel):
    """Whether one part of this process does its work, and what there is to say of it."""

    status: UpOrDown
    reason: str | None = Field(examples=[None])

    @classmethod
    def of(cls, part: Part, *, told: bool) -> "PartState":
        """A part as it is shown; its reason only to who may read."""
        reason = "; ".join(part.reasons) or None
        return cls(status="up" if part.up else "down", reason=reason if told or reason is None else KEPT_BACK)


class Readiness(BaseModel):
    """Whether this process can do its work, and if not, why."""

    ready: bool = Field(description="Whether every part is up.")
    prefect: UpOrDown = Field(description="Whether Prefect answers this process itself.")
    index: UpOrDown = Field(description="Whether this process can read and write the index's database.")
    feed: UpOrDown = Field(
        description="Whether the index is in step with Prefect, whichever process sees to that; after an outage only "
        "when all jobs have been read again."
    )
    parts: dict[str, PartState] = Field(description="Each part by its name; there may be more than the three.")
    behind_seconds: float = Field(description="Seconds since the index was known to be right; 0 while it is.")
    version: int
    prefect_requests_per_second: float = Field(
        description="Requests that this process itself made to Prefect, over the last minute."
    )
    reasons: list[str]
    restarts: list[RestartShown] = Field(
        default=[], description="Processes that `prefect-jobs up` had to start again in the last hour."
    )


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the process lives."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(adapter: TheAdapter, caller: AnyCaller, request: Request, response: Response) -> Readiness:
    """Answer 200 when Prefect and the index's database answer this process and the index is right, else 503."""
    status, parts = adapter.feed.status(), adapter.readiness.parts()
    load: PrefectLoad = request.app.state.prefect_load
    ready = all(part.up for part in parts.values())
    response.status_code = 200 if ready else 503
    # They name Prefect's address, which is nobody's business who may not read here.
    told = caller is not None
    states = {name: PartState.of(part, told=told) for name, part in parts.items()}
    unready = [reason for part in parts.values() for reason in part.reasons]
    restarts = recent_restarts(adapter.settings.data_path, now=datetime.now(UTC))
    # A process that ended by itself is back in a moment; one that was silent is to be spoken of.
    said = [*unready, *(one.sentence for one in restarts if one.silent or not one.back)]
    return Readiness(
        ready=ready,
        prefect=states["prefect"].status,
        index=states["index"].status,
        feed=states["feed"].status,
        parts=states,
        behind_seconds=status.behind_seconds,
        version=adapter.hub.version,
        prefect_requests_per_second=round(load.rate(), 2),
        reasons=list(dict.fromkeys(said)) if told else [KEPT_BACK] * bool(unready),
        restarts=[RestartShown(name=one.name, at=one.at, why=one.why, back=one.back) for one in restarts if told],
    )
