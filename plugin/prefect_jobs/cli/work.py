"""`prefect-jobs work`: executes runs."""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer

from prefect_jobs.cli.refusals import refusing, refusing_missing_parts, refusing_with
from prefect_jobs.on_stop import OnStop


def work(
    limit: Annotated[
        int | None, typer.Option(min=1, help="How many jobs may run at once on this machine.", show_default="10")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of this worker in Prefect.", show_default="host and process")
    ] = None,
    on_stop: Annotated[
        OnStop | None,
        typer.Option(help="What becomes of the running jobs when this worker is told to stop.", show_default="finish"),
    ] = None,
) -> None:
    """Execute jobs on this machine, for the Prefect server at PREFECT_API_URL.

    Registers the work pool and the deployments of the job types first, if they are not there as declared in
    prefect.yaml. Start it on as many machines as you like.

    SIGTERM or Ctrl-C stops it. Its jobs are finished first; with --on-stop hand-back they are ended and queued again,
    so that another worker runs them from their beginning; with --on-stop stop they end as crashed. Each further signal
    ends them more roughly.
    """
    import asyncio

    from prefect_jobs.cli.settings import load_settings

    settings = load_settings(worker_limit=limit, on_stop=on_stop)
    from prefect_jobs.cli.preflight import require_private_files

    require_private_files(settings)
    with refusing_missing_parts():
        from prefect_jobs import prefect_environment

        # Jobs inherit this environment, and have no business with the API's keys and the index.
        for unwanted in (*prefect_environment.API_KEYS, "PREFECT_JOBS_INDEX_URL"):
            os.environ.pop(unwanted, None)
        if key := os.environ.pop(prefect_environment.ADAPTER_KEY, None):
            with refusing_with("The key for sidecars cannot be kept", OSError):
                os.environ[prefect_environment.SIDECAR_KEY_FILE] = _keep(settings.data_path, key)
        prefect_environment.apply(prefect_environment.WORKER)
        from prefect_jobs import declarations, deployments, shipped
        from prefect_jobs.prefect_address import PrefectUnreachable, reachable_prefect
        from prefect_jobs.worker.work import work as serve_pool

    with refusing(
        PrefectUnreachable,
        shipped.ShippedFilesMissing,
        declarations.DeclarationsInvalid,
        deployments.FlowUnloadable,
        deployments.WorkPoolUnusable,
        deployments.RegistrationFailed,
    ):
        reachable_prefect()
        asyncio.run(serve_pool(settings, limit=settings.worker_limit, on_stop=settings.on_stop or "finish", name=name))


def _keep(folder: Path, key: str) -> str:
    """Write a key to a file of its own, where workers with another one leave it alone; the file's name."""
    from prefect_jobs.private_files import write_secret

    file = folder / f"sidecar-key-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    write_secret(file, key)
    return os.fspath(file)
