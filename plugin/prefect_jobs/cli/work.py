"""`prefect-jobs work`: executes runs."""

from typing import Annotated

import typer

from prefect_jobs.cli.refusals import Refusal, refusing, refusing_missing_parts


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
    with refusing_missing_parts():
        from prefect_jobs import prefect_environment

        prefect_environment.apply(prefect_environment.WORKER)
        import httpx
        from prefect.exceptions import PrefectHTTPStatusError

        from prefect_jobs.cli.prefect_address import reachable_prefect

        address = reachable_prefect()
        from prefect_jobs import deployments, shipped, worker

    try:
        with refusing(
            shipped.ShippedFilesMissing,
            deployments.DeclarationsInvalid,
            deployments.FlowUnloadable,
            deployments.WorkPoolUnusable,
        ):
            asyncio.run(worker.work(settings, limit=limit, name=name))
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        raise Refusal(f"Prefect at {address} went away or refused to register the job types: {error}") from error
