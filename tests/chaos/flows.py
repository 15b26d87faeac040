"""The short jobs of the chaos: they do next to nothing, and write down with the time that they did it.

Loaded by path, as the flows of a user are. Each line of a job's file is one of its log, too.
"""

import logging
import os
import sys
import time
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from prefect_jobs import checkpoint, job, progress

PAUSE = 0.1
FIRST_TIME_FAILS = "the first attempt fails, as it was told to"


def work(folder: str, seconds: float, fails: bool, *, kit: bool) -> str:
    """Work for so long, writing down each moment of it before and after."""
    logger = get_run_logger()
    logger.setLevel(logging.INFO)
    attempt, run_id = int(flow_run.run_count or 0), str(flow_run.id)
    # One process, one descriptor: what a killed process wrote is there.
    file = os.open(Path(folder) / run_id, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    steps = max(1, round(seconds / PAUSE))
    for number in range(steps):
        os.write(file, f"{time.time():.6f} {attempt} {os.getpid()}\n".encode())
        logger.info("step %s of attempt %s in %s", number, attempt, os.getpid())
        if kit:
            progress(number, steps, f"Step {number}/{steps}")
            checkpoint()
        time.sleep(PAUSE)
    os.write(file, f"{time.time():.6f} {attempt} {os.getpid()}\n".encode())
    if fails and attempt == 1:
        raise ValueError(FIRST_TIME_FAILS)
    return f"done by attempt {attempt}"


@job("chaos_kit", title="Short, with the kit", timeout=120)
def chaos_kit(folder: str, seconds: float = 0.5, fails: bool = False) -> str:
    """Short, with the kit."""
    return work(folder, seconds, fails, kit=True)


# It waits longer than a loaded machine takes to cancel it there.
@job("chaos_kit_retried", timeout=120, retries=1, retry_delay_seconds=120)
def chaos_kit_retried(folder: str, seconds: float = 0.5, fails: bool = True) -> str:
    """Fails once, and tries again by itself in the same process, unless it is cancelled while it waits."""
    return work(folder, seconds, fails, kit=True)


@flow(name="chaos_plain")
def chaos_plain(folder: str, seconds: float = 0.5, fails: bool = False) -> str:
    """Short, and nobody's."""
    return work(folder, seconds, fails, kit=False)


@flow(name="chaos_plain_retried", retries=1, retry_delay_seconds=5)
def chaos_plain_retried(folder: str, seconds: float = 0.5, fails: bool = True) -> str:
    """The same without the kit."""
    return work(folder, seconds, fails, kit=False)


if __name__ == "__main__":
    chaos_kit(sys.argv[1])
