"""A flow of nobody's: it says something on every level, lets a process of its own run, and takes its time.

Loaded by path, as the flows of a user are; it knows nothing of prefect-jobs.
"""

import os
import subprocess
import sys
import time

from prefect import flow, get_run_logger


@flow
def naps(seconds: float = 0, bystander: bool = False) -> None:
    """Sleep in small steps."""
    log = get_run_logger()
    log.debug("a debug line")
    log.info("data folder: %s", os.environ.get("PREFECT_JOBS_DATA_DIR"))
    if "PREFECT_LOGGING_HANDLERS_API_CLASS" in os.environ:  # Prefect's own handler would lose every line of this flow
        log.info("a file of another system: %s", os.fsdecode(b"caf\xe9.txt"))
    if bystander:
        sleep = "import time; time.sleep(1000)"
        subprocess.Popen([sys.executable, "-c", sleep], start_new_session=True)
    log.warning("asleep")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
