"""`prefect-jobs up`: `prefect server start`, `prefect-jobs serve` and `prefect-jobs work` as one command."""

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from prefect_jobs.cli.refusals import refusing, refusing_missing_parts, refusing_with
from prefect_jobs.cli.up_processes import LOOPBACK, SERVER_AUTH, own_prefect, stages_of


def up(
    host: Annotated[
        str | None, typer.Option(help="Address the API and the page listen on.", show_default=LOOPBACK)
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port the API and the page listen on.", show_default="8000")] = None,
    prefect_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Prefect's API and UI.")] = 4200,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of all databases and files.", show_default="~/.prefect-jobs")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add sample events, and start a few jobs on them.")] = False,
) -> None:
    """Run everything on this machine: Prefect, a worker, the jobs API and the jobs page.

    With PREFECT_API_URL set, that Prefect server is used and none is started. Ctrl-C stops everything, running jobs
    too; a second Ctrl-C kills at once. A process that dies is started again.
    """
    import asyncio

    from prefect_jobs.cli.preflight import only_one, require_free_port, require_private_files
    from prefect_jobs.cli.settings import load_settings

    settings = load_settings(host=host, port=port, data_dir=data_dir)
    with refusing_missing_parts():
        from prefect_jobs import prefect_environment as names
        from prefect_jobs.private_files import OpenToOthers
        from prefect_jobs.restarts import RestartBook
        from prefect_jobs.supervisor import ChildNeverReady, Console, Supervisor

    data = settings.data_path
    require_private_files(settings)
    with only_one(data) as lock, refusing(ChildNeverReady):
        prefect_api = os.environ.get(names.API_URL)
        require_free_port(settings.host, settings.port)
        if not prefect_api:
            require_free_port(LOOPBACK, prefect_port)
        with refusing_with("The API keys cannot be used", ValueError, OSError):
            has_keys = bool(settings.every_api_key())
        # For the demo jobs, which are started as any application would; this process and the API know it, nobody else.
        own_key = secrets.token_urlsafe(32) if demo and has_keys else None
        with refusing_with("The secrets cannot be kept", OpenToOthers, OSError):
            stages = stages_of(settings, prefect_api, prefect_port, own_key=own_key)
        console = Console(
            tuple(spec.name for stage in stages for spec in stage),
            colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        )
        prefect_url = (prefect_api or own_prefect(prefect_port)).removesuffix("/api")
        if has_keys and not prefect_api and names.SERVER_AUTH not in os.environ:
            prefect_url += f"\n              asks for what is in {data / SERVER_AUTH}"

        async def run() -> None:
            restarts = RestartBook(data)
            supervisor = Supervisor(stages, console, restarts=restarts, holding=(lock,))

            async def announce() -> None:
                console.say(
                    f"\nReady.\n"
                    f"  Jobs page   {settings.address}/jobs\n"
                    f"  API docs    {settings.address}/docs\n"
                    f"  Prefect UI  {prefect_url}\n"
                    f"  Data        {data}\n"
                    f"Ctrl-C stops everything.\n"
                )
                if demo:
                    from prefect_jobs.cli.demo import start_demo_jobs

                    await start_demo_jobs(settings.address, console, key=own_key)

            try:
                await supervisor.run(announce)
            finally:
                restarts.close()

        if demo:
            from prefect_jobs.cli.demo import write_demo_events

            write_demo_events(settings)
        asyncio.run(run())
