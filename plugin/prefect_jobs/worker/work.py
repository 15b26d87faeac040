"""`prefect-jobs work` from its start to its end: registers the deployments, executes runs, and stops as it is told."""

import asyncio
import os
import signal
import socket
import time
from contextlib import suppress

from prefect.client.orchestration import get_client

from prefect_jobs import shipped
from prefect_jobs.declarations import read_declarations
from prefect_jobs.deployments import register
from prefect_jobs.first_of import first_of
from prefect_jobs.notify import ReadyNotice
from prefect_jobs.on_stop import OnStop
from prefect_jobs.processes import adopt_orphans, children, is_sidecar, kill_descendants, take_leave_of_orphans
from prefect_jobs.settings import Settings
from prefect_jobs.worker.job_worker import JobWorker

SIDECARS_END_WITHIN = 4.0
"""Seconds for what watched the jobs to tell what became of them."""


async def work(settings: Settings, *, limit: int, on_stop: OnStop, name: str | None = None) -> None:
    """Register the deployments, then execute runs until SIGTERM or SIGINT. Leaves no process behind.

    Args:
        settings: names the work pool.
        limit: how many runs at once.
        on_stop: what becomes of the running jobs at the first signal. Each further one ends them more roughly.
        name: the worker's name in Prefect; host and process when left out.

    Raises:
        DeclarationsInvalid, FlowUnloadable, RegistrationFailed, WorkPoolUnusable: see ``deployments``.
    """
    ready = ReadyNotice()
    umask = os.umask(0o077)
    folder = shipped.root()
    declarations = read_declarations(folder / shipped.DECLARATIONS)
    async with get_client() as client:
        written = await register(client, declarations, folder=folder, work_pool=settings.work_pool)
    for deployment in written:
        print(f"Registered deployment {deployment}", flush=True)
    worker = JobWorker(
        work_pool_name=settings.work_pool,
        name=name or f"{socket.gethostname()}-{os.getpid()}",
        limit=limit,
        umask=umask,
        create_pool_if_not_found=False,
    )

    tasks: list[asyncio.Task[None]] = []

    def started(message: str) -> None:
        print(message, flush=True)
        tasks.append(asyncio.create_task(worker.look_after_pool()))
        ready.send()

    signals = _Signals()
    adopt_orphans()
    # To the end: a worker that finishes its jobs lives, however long that takes.
    beside = [asyncio.create_task(ready.keep_saying()), asyncio.create_task(take_leave_of_orphans())]
    serving = asyncio.create_task(worker.start(printer=started))
    stopping = asyncio.create_task(signals.heard(1))
    tasks.append(stopping)
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        if worker.is_setup:
            await _end_jobs(worker, on_stop, signals)
            await worker.leave_pool()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    finally:
        for task in beside:
            task.cancel()
        kill_descendants(os.getpid())


async def _end_jobs(worker: JobWorker, on_stop: OnStop, signals: "_Signals") -> None:
    """End the worker's jobs; each further signal does so more roughly."""
    further = 2
    if on_stop == "finish":
        if worker.jobs:
            print(f"Finishing what runs ({len(worker.jobs)}), taking nothing new. Once more ends it.", flush=True)
        await first_of(worker.finish_jobs(), signals.heard(further))
        on_stop, further = "stop", further + 1
    await first_of(worker.hand_back_jobs() if on_stop == "hand-back" else worker.stop_jobs(), signals.heard(further))
    worker.kill_jobs()
    give_up_at = time.monotonic() + SIDECARS_END_WITHIN
    while any(map(is_sidecar, children(os.getpid()))) and time.monotonic() < give_up_at:  # noqa: ASYNC110  processes
        await asyncio.sleep(0.05)


class _Signals:
    """Counts the signals that ask this process to stop."""

    def __init__(self) -> None:
        self._heard = [asyncio.Event() for _ in range(3)]
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, self._count)

    def _count(self) -> None:
        next((event for event in self._heard if not event.is_set()), self._heard[-1]).set()

    async def heard(self, count: int) -> None:
        """Wait until so many were heard, the first three of them at most."""
        await self._heard[count - 1].wait()
