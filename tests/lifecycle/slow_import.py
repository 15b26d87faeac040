"""A job type that takes its time to be imported, as one that imports a machine learning library does."""

import time
from pathlib import Path

from prefect_jobs import job

for _ in range(60):
    time.sleep(0.1)


@job("slow_import")
def slow_import(folder: str) -> None:
    """Tells that it began."""
    (Path(folder) / "began").touch()
    time.sleep(600)
