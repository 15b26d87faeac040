"""A flow whose file takes its time to load: a run of it is taken, and does not begin."""

import os
import time

from prefect import flow

if seconds := os.environ.get("SLOW_IMPORT"):
    time.sleep(float(seconds))


@flow
def slow_import() -> None:
    """Do nothing."""
