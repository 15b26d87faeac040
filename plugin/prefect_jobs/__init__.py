"""prefect-jobs: a jobs API and a jobs page for any Prefect 3 server.

Prefect imports this package when it starts (entry point ``prefect.collections``), and every flow that uses the kit
imports it too, so nothing is loaded before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_jobs.client import Client
    from prefect_jobs.kit import JobStopped, checkpoint, job, progress, publish, publishing, step

__all__ = ["Client", "JobStopped", "__version__", "checkpoint", "job", "progress", "publish", "publishing", "step"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("JobStopped", "checkpoint", "job", "progress", "publish", "publishing", "step"):
        from prefect_jobs import kit

        return getattr(kit, name)
    if name == "Client":
        from prefect_jobs.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
