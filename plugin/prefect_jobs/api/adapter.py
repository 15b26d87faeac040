"""What the routes work with: one gateway, one index and its feed, for as long as the application lives."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from anyio import create_task_group
from fastapi import Depends
from starlette.requests import HTTPConnection

from prefect_jobs.api.open_sockets import OpenSockets, SocketPace
from prefect_jobs.api.problems import job_not_found
from prefect_jobs.api.sign_in import SignIns
from prefect_jobs.api.wire import JobResponse
from prefect_jobs.broadcast import Broadcast
from prefect_jobs.bulk import BulkRunner
from prefect_jobs.changes import ChangeHub
from prefect_jobs.feed import Feed, Pace
from prefect_jobs.gateway import Gateway, PrefectUnavailable
from prefect_jobs.history import Histories
from prefect_jobs.job_actions import JobActions
from prefect_jobs.job_types import JobTypes
from prefect_jobs.jobs import Job
from prefect_jobs.log_ingest import LogIngest, Retention
from prefect_jobs.log_tail import LogTails, TailPace
from prefect_jobs.read_budget import ReadBudget
from prefect_jobs.readiness import Readiness
from prefect_jobs.room import Room
from prefect_jobs.secrets_of_types import SecretsOfTypes
from prefect_jobs.settings import Settings
from prefect_jobs.signs import SignsOfLife
from prefect_jobs.state_waits import StateWaits
from prefect_jobs.store import (
    BulkStore,
    FeedLease,
    HistoryStore,
    JobIndex,
    LogStore,
    SecretSchemaStore,
    SessionStore,
    open_database,
)
from prefect_jobs.store.database import Database
from prefect_jobs.unheard import UnheardJobs

PROVE_EVERY = 2.0
"""Seconds between two looks whether the index's database can be used."""


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
    types: JobTypes
    actions: JobActions
    histories: Histories
    bulk: BulkRunner
    sockets: OpenSockets
    broadcast: Broadcast
    waits: StateWaits
    readiness: Readiness
    room: Room
    signs: SignsOfLife
    secrets: SecretsOfTypes

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

    def type_names(self) -> frozenset[str]:
        """The names of all types that are known here, without asking Prefect."""
        return frozenset((*self.index.types, *self.types.names))

    def response(self, job: Job) -> JobResponse:
        """A job as it is shown."""
        return JobResponse.of(job, prefect_url=self.gateway.run_page(job.job_id))


@asynccontextmanager
async def open_adapter(
    settings: Settings,
    gateway_context: AbstractAsyncContextManager[Gateway],
    *,
    pace: Pace | None = None,
    tail_pace: TailPace | None = None,
    socket_pace: SocketPace | None = None,
) -> AsyncGenerator[Adapter]:
    """An adapter with its feed running."""
    async with (
        gateway_context as gateway,
        open_database(settings.index_database, statement_limit=settings.statement_timeout) as database,
    ):
        index, logs = await JobIndex.open(database), LogStore(database)
        hub = ChangeHub(index.followed)
        past, secrets = HistoryStore(database), SecretsOfTypes(gateway, SecretSchemaStore(database))
        feed = Feed(
            gateway,
            index,
            logs,
            hub,
            past=past,
            lease=FeedLease(database),
            budget=ReadBudget(settings.prefect_reads_per_second),
            pace=pace or Pace(sweep=settings.sweep_seconds),
            secrets=secrets,
        )
        tails = LogTails(gateway, index, logs, pace=tail_pace, budget=ReadBudget(settings.log_reads_per_second))
        retention = Retention(timedelta(days=settings.log_days), settings.log_lines)
        ingest, broadcast = LogIngest(tails, index, logs, retention=retention), Broadcast(hub, index)
        sign_ins = SignIns(
            settings.every_api_key(), SessionStore(database), lifetime=timedelta(hours=settings.session_hours)
        )
        types, histories = JobTypes(gateway, secrets=secrets), Histories(gateway, past)
        actions = JobActions(gateway, index, feed, hub, histories)
        bulk = BulkRunner(index, actions, BulkStore(database))
        waits = StateWaits(hub, index)
        readiness = Readiness()
        readiness.add("prefect", feed.prefect_part)
        readiness.add("index", database.part)
        readiness.add("feed", feed.feed_part)
        room = Room([settings.data_path, settings.exports_path, settings.uploads_path, *database.folders])
        readiness.add("space", room.part)
        unheard = UnheardJobs(gateway, index, waits, feed.status, after=settings.unheard_after)
        async with _proved(database), create_task_group() as tasks:
            tasks.start_soon(feed.run)
            tasks.start_soon(ingest.run)
            tasks.start_soon(tails.heed, hub)
            tasks.start_soon(broadcast.run)
            tasks.start_soon(bulk.run)
            tasks.start_soon(actions.keep_promises)
            tasks.start_soon(waits.run)
            tasks.start_soon(unheard.run)
            yield Adapter(
                settings,
                gateway,
                index,
                logs,
                hub,
                feed,
                tails,
                sign_ins,
                types,
                actions,
                histories,
                bulk,
                OpenSockets(socket_pace),
                broadcast,
                waits,
                readiness,
                room,
                SignsOfLife(gateway, index, logs, waits, feed.status),
                secrets,
            )
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def _proved(database: Database) -> AsyncGenerator[None]:
    """Look now and then whether the database can be used."""

    async def look() -> None:
        while True:
            await database.prove()
            await asyncio.sleep(PROVE_EVERY)

    # A task that is cancelled once, and not as often as anyio does: that is hard on what it asks of the database.
    looking = asyncio.create_task(look(), name="index database")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def _adapter(connection: HTTPConnection) -> Adapter:
    return connection.app.state.adapter


TheAdapter = Annotated[Adapter, Depends(_adapter)]
