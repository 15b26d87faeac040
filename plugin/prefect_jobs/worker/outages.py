"""A worker outlives an outage of Prefect, and remembers when there was one: what fails then is no fault of a job.

Prefect's client bears an outage of a minute by itself, with growing pauses, and nobody knows of it. So whatever is to
notice one asks once, and comes again by itself.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

import httpx
from prefect.context import SettingsContext, get_settings_context
from prefect.logging import get_logger
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

ASK_AGAIN_AFTER = 1.0
"""Seconds until a server that was away is asked again."""
SAID_AGAIN_AFTER = 10.0
"""Seconds without an outage after which the next one is said in the log."""

T = TypeVar("T")

logger = get_logger("prefect_jobs.worker")


class Outages:
    """When the server was away."""

    def __init__(self) -> None:
        self.last_at = -math.inf
        """The last moment at which it was, on the monotonic clock."""

    def note(self) -> None:
        """The server is away now."""
        self.last_at = time.monotonic()

    @contextmanager
    def borne(self) -> Generator[None]:
        """Do without an answer that an outage took."""
        try:
            yield
        except httpx.HTTPError as error:
            if not is_outage(error):
                raise
            news = time.monotonic() - self.last_at > SAID_AGAIN_AFTER
            self.note()
            if news:
                answer = (
                    error.response.status_code if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
                )
                logger.warning("Prefect does not answer (%s); looking again", answer)

    async def patiently(self, ask: Callable[[], Awaitable[T]], *, gives_up: Callable[[], bool]) -> T:
        """What the server answers, however long it is away, until somebody gives up."""
        while True:
            try:
                with asking_once():
                    return await ask()
            except httpx.HTTPError as error:
                if not is_outage(error) or gives_up():
                    raise
                self.note()
            await asyncio.sleep(ASK_AGAIN_AFTER)


@contextmanager
def asking_once() -> Generator[None]:
    """Let Prefect's client ask once and tell what came of it."""
    context = get_settings_context()
    settings = context.settings.copy_with_update({PREFECT_CLIENT_MAX_RETRIES: 0})
    with SettingsContext(profile=context.profile, settings=settings):
        yield


def is_outage(error: httpx.HTTPError) -> bool:
    """Whether an error says that the server is away or overloaded, and not that the question was wrong."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return isinstance(error, httpx.TransportError)
