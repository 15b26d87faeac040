"""`prefect-jobs work`: executes runs."""

import os
from typing import Annotated

import typer

from prefect_jobs.cli.refusals import refusing, refusing_missing_parts


def work(
    limit: Annotated[int, typer.Option(min=1, help="How many jobs may run at once on this machine.")] = 10,
    name: Annotated[
        str | None, typer.Option(help="Name of this worker in Prefect.", show_default="host and process")
    ] = None,
) -> None:
    """Execute jobs on this machine, for the Prefect server at PREFECT_API_URL.

    Registers the work pool and the deployments of the job types first, if they are not there as declared in
    prefect.yaml. Start it on as many machines as you like.

    SIGTERM or Ctrl-C stops it and the jobs it runs: they end as crashed.
    """
    import asyncio

    from prefect_jobs.cli.settings import load_settings

    settings = load_settings()
    # Jobs inherit this environment, and a job has no business with the keys of the API.
    os.environ.pop("PREFECT_JOBS_API_KEYS", None)
    with refusing_missing_parts():
        from prefect_jobs import prefect_environment

        prefect_environment.apply(prefect_environment.WORKER)
        from prefect_jobs import declarations, deployments, shipped, worker
        from prefect_jobs.prefect_address import PrefectUnreachable, reachable_prefect

    with refusing(
        PrefectUnreachable,
        shipped.ShippedFilesMissing,
        declarations.DeclarationsInvalid,
        deployments.FlowUnloadable,
        deployments.WorkPoolUnusable,
        deployments.RegistrationFailed,
    ):
        reachable_prefect()
        asyncio.run(worker.work(settings, limit=limit, name=name))
