"""What becomes of a run whose body ended: usually what Prefect makes of it, and Cancelled when it was asked to stop.

Prefect takes no end but Cancelled from a run that is being cancelled. So a body that stopped, or broke while it
stopped, returns Cancelled, with the receipt in its message; one that finished all the same is put right by its watch.
"""

import time
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from prefect_jobs.clean_text import text_of
from prefect_jobs.kit.stop_flag import JobStopped
from prefect_jobs.sidecar.page import StopRequest
from prefect_jobs.sidecar.receipt import Receipt, with_receipt

BY_ITSELF = "The job stopped itself"
WITH_ITS_CALLER = "The job that called it was stopped"
BEFORE_IT_BEGAN = "It was cancelled before it began"


class _CancelledQuietly(State[None]):
    """Cancelled, for a process that executes nothing but this run.

    Prefect's engine asks a run for its result at the very end, and logs the answer of a cancelled one (an exception) as
    an error of its own, with a traceback: every cancelled job would end with one in its log.
    """

    def result(self, *_: Any, **__: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as any result
        """Nothing, and no exception."""


def cancelled(request: StopRequest, error: BaseException | None = None, *, quietly: bool = False) -> State[None]:
    """The state of a run that stopped because it was asked to; `error` is what its body raised, if anything else.

    Whoever called the job gets Prefect's `CancelledRun`, unless it ends `quietly`.
    """
    message = request.message
    if error is not None and not isinstance(error, JobStopped):
        message = f"{message.rstrip('. ')}. While it stopped: {_told(error)}"
    message = with_receipt(message, Receipt(request.asked, request.delivered, time.time(), "stopped"))
    return Cancelled(_CancelledQuietly if quietly else State, message=message)


def request_now(message: str) -> StopRequest:
    """A request that nobody had to deliver."""
    now = time.time()
    return StopRequest(message, now, now)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}"[:1_000]
