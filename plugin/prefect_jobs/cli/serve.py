"""`prefect-jobs serve`: the adapter and the page."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from prefect_jobs.cli.refusals import Refusal, refusing, refusing_missing_parts, refusing_with

if TYPE_CHECKING:
    import socket

API_KEYS = "PREFECT_JOBS_API_KEYS"
OPEN_TO_ALL = (
    "WARNING: the jobs API listens on {host} without API keys: whoever reaches this port can read, start, stop and "
    "delete every job. Set PREFECT_JOBS_API_KEYS, or listen on 127.0.0.1."
)
# Seconds that open requests and sockets get when the server stops.
GRACE = 2
GOODBYE = 1.0


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8000")] = None,
) -> None:
    """Serve the jobs API and the jobs page for the Prefect server at PREFECT_API_URL.

    Options win over the settings PREFECT_JOBS_HOST and PREFECT_JOBS_PORT. SIGTERM or Ctrl-C stops it.
    """
    import asyncio
    import gc

    from prefect_jobs.cli.settings import load_settings

    settings = load_settings(host=host, port=port)
    from prefect_jobs.cli.preflight import require_free_port, require_private_files

    os.umask(0o077)
    # Nothing that this process starts needs them.
    os.environ.pop(API_KEYS, None)
    with refusing_with("The API keys cannot be used", ValueError, OSError):
        keys = settings.every_api_key()
    if settings.listens_to_others and not keys:
        typer.echo(OPEN_TO_ALL.format(host=settings.host), err=True)
    require_private_files(settings)
    require_free_port(settings.host, settings.port)
    with refusing_missing_parts():
        from prefect_jobs import prefect_environment

        prefect_environment.apply(prefect_environment.PRIVATE)
        import uvicorn

        from prefect_jobs.api.access_log import write_logs_without_secrets
        from prefect_jobs.api.app import create_app, end_streams
        from prefect_jobs.api.connections import server_config
        from prefect_jobs.databases import DatabaseNotOpened
        from prefect_jobs.prefect_address import PrefectUnreachable, open_prefect, reachable_prefect
        from prefect_jobs.served_folders import note_served
        from prefect_jobs.store import open_database
        from prefect_jobs_ui import mount_page

    async def open_index_once() -> None:
        async with open_database(settings.index_database):
            pass

    with refusing(PrefectUnreachable):
        prefect_api = reachable_prefect()
    if (warning := open_prefect(prefect_api, with_keys=bool(keys))) is not None:
        typer.echo(f"WARNING: {warning}", err=True)
    with refusing_with("The folders of finished files cannot be written", OSError):
        for folder in (settings.exports_path, settings.backups_path):
            note_served(folder, prefect_api)
    # Uvicorn would tell of a database that does not open in forty lines.
    with refusing_missing_parts(), refusing_with("The job index cannot be opened", DatabaseNotOpened, OSError):
        asyncio.run(open_index_once())
    app = create_app(settings)
    with refusing_with("The origins that may frame the page cannot be used", ValueError):
        mount_page(
            app,
            api_url=settings.address,
            allowed_origins=settings.allowed_origins,
            frame_origins=settings.frame_origins,
        )

    class Server(uvicorn.Server):
        async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
            await super().startup(sockets)
            # What is loaded by now stays: looking for garbage in it would hold requests up, again and again.
            gc.collect()
            gc.freeze()

        async def shutdown(self, sockets: "list[socket.socket] | None" = None) -> None:
            end_streams(app)
            # Uvicorn would close them with 1012 before they have said why.
            await app.state.adapter.sockets.wait_closed(GOODBYE)
            await super().shutdown(sockets)

    write_logs_without_secrets()
    server = Server(server_config(app, settings, grace=GRACE))
    server.run()
    if not server.started:
        raise Refusal("The jobs API could not start: the lines above say why.")
