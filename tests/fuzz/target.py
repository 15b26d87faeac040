"""An application in front of the shipped fake of Prefect, to throw requests at."""

import asyncio
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI

from prefect_jobs.api.app import create_app, end_streams
from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import FakePrefect, a_run, completed, failed, pending, running
from prefect_jobs.settings import Settings
from tests.stack import eventually

T = TypeVar("T")

KNOWN_ID = "5d1c0f4e-7a52-4d0a-9a3e-3f6b8a2c9e10"


class Target:
    """An application on an event loop of its own, asked from this thread: hypothesis is synchronous."""

    def __init__(self, app: FastAPI, fake: FakePrefect, loop: asyncio.AbstractEventLoop) -> None:
        self._fake = fake
        self._loop = loop
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30)

    def send(self, **request: Any) -> httpx.Response:
        """Ask, and wait for the whole answer."""
        return self.wait_for(self._client.request(**request))

    def restore(self) -> None:
        """Put the runs back that requests have moved or deleted."""

        async def put() -> None:
            for run in some_runs():
                self._fake.put(run)

        self.wait_for(put())

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the application's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def some_runs() -> list[Run]:
    """Runs in every state, with text of every kind."""
    long_ago = datetime.now(UTC) - timedelta(days=40)
    text = "disk 'full' %_\\ \"quoted\" äöü 日本 \U0001f600"
    return [
        completed({"file_path": "/api/exports/x.csv", "note": text}, id=KNOWN_ID),
        completed("a text", created_at=long_ago),
        completed([1, None, {"deep": []}], flow="cleanup"),
        failed(text, flow="import"),
        running(40, text),
        running(flow=text),
        pending(),
        replace(pending(), scheduled_for=datetime.now(UTC) + timedelta(days=1)),
        a_run("CANCELLED", "Aborted"),
        a_run("CRASHED"),
        a_run("PAUSED", "Suspended"),
        a_run("CANCELLING"),
    ]


@contextmanager
def serving(folder: Path) -> Generator[Target]:
    """A target whose data is in this folder."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="the application's loop")
    thread.start()
    fake = FakePrefect(some_runs())
    for number in range(50):
        fake.log(KNOWN_ID, f"line {number}", level=10 * (1 + number % 4))
    app = create_app(Settings(data_dir=folder, access_log=False), fake.connect())
    target = Target(app, fake, loop)
    ready, over = threading.Event(), asyncio.Event()

    async def live() -> None:
        try:
            async with app.router.lifespan_context(app):
                end_streams(app)  # the change feed has no end of its own
                ready.set()
                await over.wait()
        finally:
            ready.set()

    living = asyncio.run_coroutine_threadsafe(live(), loop)
    try:
        ready.wait(60)
        # 503 is what /readyz says until everything has been read once.
        eventually(lambda: target.send(method="GET", url="/readyz").is_success, within=60)
        yield target
    finally:
        loop.call_soon_threadsafe(over.set)
        living.result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
