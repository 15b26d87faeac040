"""What the routes work with: one gateway, one index and its feed, for as long as the application lives."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from anyio import create_task_group
from fastapi import Depends
from starlette.requests import HTTPConnection

from prefect_jobs.api.problems import job_not_found
from prefect_jobs.api.sign_in import SignIns
from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed, Pace
from prefect_jobs.gateway import Gateway, PrefectUnavailable
from prefect_jobs.jobs import Job
from prefect_jobs.log_tail import LogTails, TailPace
from prefect_jobs.settings import Settings
from prefect_jobs.store import JobIndex, LogStore, SessionStore, open_database


@dataclass(frozen=True, slots=True)
class Adapter:
    """Everything a request needs."""

    settings: Settings
    gateway: Gateway
    index: JobIndex
    logs: LogStore
    hub: ChangeHub
    feed: Feed
    tails: LogTails
    sign_ins: SignIns

    async def job(self, job_id: str) -> Job:
        """A job by its id, asked of Prefect when the index has not heard of it yet.

        Raises:
            HTTPException: 404, there is none.
        """
        job = await self.index.get(job_id)
        if job is None:
            with suppress(PrefectUnavailable):
                await self.feed.look_up(job_id)
            job = await self.index.get(job_id)
        if job is None:
            raise job_not_found(job_id)
        return job


@asynccontextmanager
async def open_adapter(
    settings: Settings,
    gateway_context: AbstractAsyncContextManager[Gateway],
    *,
    pace: Pace | None = None,
    tail_pace: TailPace | None = None,
) -> AsyncGenerator[Adapter]:
    """An adapter with its feed running."""
    async with (
        gateway_context as gateway,
        open_database(settings.index_database, statement_limit=settings.statement_timeout) as database,
    ):
        index, logs = await JobIndex.open(database), LogStore(database)
        hub = ChangeHub(await index.version())
        feed = Feed(gateway, index, logs, hub, pace=pace)
        tails = LogTails(gateway, index, logs, pace=tail_pace)
        sign_ins = SignIns(
            settings.every_api_key(), SessionStore(database), lifetime=timedelta(hours=settings.session_hours)
        )
        async with create_task_group() as tasks:
            tasks.start_soon(feed.run)
            yield Adapter(settings, gateway, index, logs, hub, feed, tails, sign_ins)
            tasks.cancel_scope.cancel()


def _adapter(connection: HTTPConnection) -> Adapter:
    return connection.app.state.adapter


TheAdapter = Annotated[Adapter, Depends(_adapter)]
