"""The adapter's door to Prefect. Only this package speaks to Prefect's API for it."""

from prefect_jobs.gateway.flows import DeployedFlow, Deployment
from prefect_jobs.gateway.outlook import Outlook
from prefect_jobs.gateway.paging import START, Bookmark, RunPage
from prefect_jobs.gateway.runs import LogLine, Progress, Run, RunEvent, RunState, RunStep
from prefect_jobs.gateway.seam import (
    PAGE,
    Gateway,
    GatewayError,
    NoDeployment,
    NoPrefectAddress,
    NothingRunsIt,
    PrefectUnavailable,
    RunGone,
    StartRefused,
    StateRefused,
)

__all__ = [
    "PAGE",
    "START",
    "Bookmark",
    "DeployedFlow",
    "Deployment",
    "Gateway",
    "GatewayError",
    "LogLine",
    "NoDeployment",
    "NoPrefectAddress",
    "NothingRunsIt",
    "Outlook",
    "PrefectUnavailable",
    "Progress",
    "Run",
    "RunEvent",
    "RunGone",
    "RunPage",
    "RunState",
    "RunStep",
    "StartRefused",
    "StateRefused",
]
