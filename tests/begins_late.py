"""A flow of nobody's whose file takes its time to load, and that leaves a file behind when its code runs."""

import os
import time
from pathlib import Path

from prefect import flow

if seconds := os.environ.get("SLOW_IMPORT"):
    time.sleep(float(seconds))


@flow
def begins_late(began: str) -> None:
    """Leave a file."""
    Path(began).touch()
