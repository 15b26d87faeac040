"""A flow of nobody's for tests of a worker that stops: only its first attempt takes long, and it can be stubborn."""

import signal
import time

from prefect import flow, get_run_logger
from prefect.runtime import flow_run


@flow
def patient(seconds: float = 600, stubborn: bool = False) -> None:
    """Take so long in the first attempt."""
    if flow_run.get_run_count() > 1:
        return
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    get_run_logger().info("at work")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
