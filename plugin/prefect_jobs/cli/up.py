"""`prefect-jobs up`: `prefect server start`, `prefect-jobs serve` and `prefect-jobs work` as one command."""

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefect_jobs.cli.refusals import refusing, refusing_missing_parts

if TYPE_CHECKING:
    from prefect_jobs.settings import Settings
    from prefect_jobs.supervisor import ChildSpec

LOOPBACK = "127.0.0.1"
WORKER_STOPS_WITHIN = 9.5  # seconds: a little more than it gives its jobs, and what watches them
OWN = (sys.executable, "-m", "prefect_jobs.cli")
SERVER = (sys.executable, "-m", "prefect_jobs.embedded_server")


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

    from prefect_jobs.cli.preflight import only_one, require_free_port, require_writable_folder
    from prefect_jobs.cli.settings import load_settings

    settings = load_settings(host=host, port=port, data_dir=data_dir)
    with refusing_missing_parts():
        from prefect_jobs.prefect_environment import API_URL
        from prefect_jobs.restarts import RestartBook
        from prefect_jobs.supervisor import ChildNeverReady, Console, Supervisor

    data = settings.data_path
    require_writable_folder(data)
    with only_one(data) as lock, refusing(ChildNeverReady):
        prefect_api = os.environ.get(API_URL)
        require_free_port(settings.host, settings.port)
        if not prefect_api:
            require_free_port(LOOPBACK, prefect_port)
        stages = _stages(settings, prefect_api, prefect_port)
        console = Console(
            tuple(spec.name for stage in stages for spec in stage),
            colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        )
        prefect_url = (prefect_api or _own_prefect(prefect_port)).removesuffix("/api")

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

                    await start_demo_jobs(settings.address, console)

            try:
                await supervisor.run(announce)
            finally:
                restarts.close()

        if demo:
            from prefect_jobs.cli.demo import write_demo_events

            write_demo_events(settings)
        asyncio.run(run())


def _stages(settings: "Settings", prefect_api: str | None, prefect_port: int) -> "list[list[ChildSpec]]":
    from prefect_jobs.prefect_environment import ADAPTER_KEY, ADAPTER_URL, API_URL, embedded_server
    from prefect_jobs.supervisor import AnswersHttp, ChildSpec, SaysReady

    data = settings.data_path
    environment: dict[str, str] = {"PREFECT_JOBS_DATA_DIR": str(data)}
    stages: list[list[ChildSpec]] = []
    if not prefect_api:
        prefect_api = _own_prefect(prefect_port)
        own = {name: os.environ.get(name, value) for name, value in embedded_server(data, prefect_port).items()}
        environment |= {**own, API_URL: prefect_api}
        command = ("prefect", "server", "start", "--host", LOOPBACK, "--port", str(prefect_port))
        ready = AnswersHttp(f"{prefect_api}/health")
        stages.append([ChildSpec("prefect", (*SERVER, *command), ready, environment, stop_seconds=3)])
    # A line for each request would bury what a person in front of the terminal wants to read.
    quiet = {"PREFECT_JOBS_ACCESS_LOG": os.environ.get("PREFECT_JOBS_ACCESS_LOG", "false")}
    # Jobs inherit the worker's environment, and a job has no business with the keys of the API. Their sidecars hear of
    # a stop with a key of their own, which may only read.
    serving: dict[str, str] = {}
    working = {"PREFECT_JOBS_API_KEYS": "", ADAPTER_URL: os.environ.get(ADAPTER_URL, settings.address)}
    if settings.every_api_key():
        key = secrets.token_urlsafe(32)
        given = os.environ.get("PREFECT_JOBS_API_KEYS", "")
        serving = {"PREFECT_JOBS_API_KEYS": f"{given} prefect-jobs-sidecars:viewer:{key}".strip()}
        working[ADAPTER_KEY] = key
    on_stop = settings.on_stop or "stop"  # who presses Ctrl-C on everything does not want to wait
    stages.append(
        [
            ChildSpec(
                "serve",
                (*OWN, "serve"),
                AnswersHttp(f"{settings.address}/readyz", alive=f"{settings.address}/healthz"),
                environment | quiet | serving,
            ),
            ChildSpec(
                "work",
                (*OWN, "work", "--on-stop", on_stop),
                SaysReady(),
                environment | working,
                stop_seconds=None if on_stop == "finish" else WORKER_STOPS_WITHIN,
            ),
        ]
    )
    return stages


def _own_prefect(port: int) -> str:
    return f"http://{LOOPBACK}:{port}/api"
