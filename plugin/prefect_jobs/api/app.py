"""The adapter as one FastAPI application."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from anyio import create_task_group
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from prefect_jobs import __version__
from prefect_jobs.api import (
    audits,
    backups,
    bulk,
    changes,
    detail,
    export_records,
    exports,
    health,
    history,
    imports,
    jobs,
    log_socket,
    logs,
    metrics,
    search,
    session,
    starting,
    stopping,
    system_socket,
    timeline,
    waiting,
)
from prefect_jobs.api.access_log import AccessLog
from prefect_jobs.api.adapter import open_adapter
from prefect_jobs.api.answer_headers import AnswerHeaders
from prefect_jobs.api.keys import KeyGuard
from prefect_jobs.api.limits import HeadLimits, Limits
from prefect_jobs.api.metrics import Metrics, PrefectLoad
from prefect_jobs.api.open_sockets import SocketPace
from prefect_jobs.api.origin import OriginGuard
from prefect_jobs.api.problems import install_error_answers
from prefect_jobs.feed import Pace
from prefect_jobs.gateway import Gateway
from prefect_jobs.gateway.prefect import PrefectGateway, configured_api_url
from prefect_jobs.log_tail import TailPace
from prefect_jobs.settings import Settings


def end_streams(app: FastAPI) -> None:
    """Let the endless answers of a running application end: a server that stops would wait for them."""
    app.state.adapter.hub.close()
    app.state.adapter.sockets.close()


def create_app(
    settings: Settings,
    gateway: AbstractAsyncContextManager[Gateway] | None = None,
    *,
    pace: Pace | None = None,
    tail_pace: TailPace | None = None,
    socket_pace: SocketPace | None = None,
) -> FastAPI:
    """The application; its feed runs while its lifespan does.

    Args:
        settings: where to keep data and whom to answer.
        gateway: the door to Prefect, entered once; the server that Prefect's own settings name when left out.
        pace: how often the feed looks.
        tail_pace: how often a watched log is read.
        socket_pace: how often a socket is pinged, and how long it may be silent or slow.

    Raises:
        NoPrefectAddress: no gateway was given and Prefect's settings name no server.
    """
    door = gateway or PrefectGateway.connect(configured_api_url())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_adapter(settings, door, pace=pace, tail_pace=tail_pace, socket_pace=socket_pace) as adapter:
            app.state.adapter = adapter
            app.state.prefect_load = load = PrefectLoad(lambda: adapter.gateway.requests)
            async with create_task_group() as tasks:
                tasks.start_soon(load.run)
                yield
                tasks.cancel_scope.cancel()

    # FastAPI's own docs page loads its scripts from a CDN; this one carries them.
    app = FastAPIOffline(
        title="prefect-jobs",
        version=__version__,
        summary="Prefect flow runs as jobs: start, follow and believe them.",
        lifespan=lifespan,
        redoc_url=None,
    )
    # Literal segments win over `{job_id}`: `changes` is routed before the lookup of a job.
    for room in (
        health,
        metrics,
        session,
        changes,
        search,
        bulk,
        timeline,
        starting,
        jobs,
        detail,
        history,
        stopping,
        waiting,
        logs,
        log_socket,
        system_socket,
        exports,
        export_records,
        imports,
        backups,
        audits,
    ):
        app.include_router(room.router)
    install_error_answers(app)
    app.state.metrics = Metrics()
    # From the inside out: a request is named and measured, its origin is checked, its head, its caller, its body.
    app.add_middleware(Limits, body_within=settings.body_timeout)
    app.add_middleware(KeyGuard)
    app.add_middleware(HeadLimits)
    app.add_middleware(OriginGuard, bound_host=settings.host, allowed_origins=settings.allowed_origins)
    app.add_middleware(AccessLog, metrics=app.state.metrics, writes=settings.access_log)
    app.add_middleware(AnswerHeaders, pages=("/docs", app.swagger_ui_oauth2_redirect_url or "/docs"))
    return app
