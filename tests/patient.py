"""Flows of nobody's for tests of a worker that stops: only the first attempt takes long, and it can be stubborn."""

import signal
import time

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from prefect_jobs import checkpoint, job


def _take_long(seconds: float, stubborn: bool) -> None:
    if flow_run.get_run_count() > 1:
        return
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    get_run_logger().info("at work")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        checkpoint()  # nothing to a flow that is no job of the kit
        time.sleep(0.05)


@flow
def patient(seconds: float = 600, stubborn: bool = False) -> None:
    """Take so long in the first attempt."""
    _take_long(seconds, stubborn)


@job("patient_job")
def patient_job(seconds: float = 600, stubborn: bool = False) -> dict[str, int]:
    """The same as a job of the kit."""
    _take_long(seconds, stubborn)
    return {"attempt": flow_run.get_run_count()}
