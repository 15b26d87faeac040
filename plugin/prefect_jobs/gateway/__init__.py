"""The adapter's door to Prefect. Only this package speaks to Prefect's API for it."""

from prefect_jobs.gateway.runs import LogLine, Progress, Run, RunEvent
from prefect_jobs.gateway.seam import PAGE, Gateway, GatewayError, NoDeployment, NoPrefectAddress, PrefectUnavailable

__all__ = [
    "PAGE",
    "Gateway",
    "GatewayError",
    "LogLine",
    "NoDeployment",
    "NoPrefectAddress",
    "PrefectUnavailable",
    "Progress",
    "Run",
    "RunEvent",
]
