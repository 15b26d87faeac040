"""Flows of nobody's that run other flows in their own process: one of nobody's, two levels down, and one of the kit."""

import time
from pathlib import Path

from prefect import flow

from prefect_jobs import checkpoint, job


@flow
def innermost(folder: str) -> None:
    """Wait until a file is there."""
    (Path(folder) / "at-work").touch()
    end = time.monotonic() + 300
    while not (Path(folder) / "go-on").exists() and time.monotonic() < end:
        time.sleep(0.05)


@flow
def middle(folder: str) -> None:
    """Run the innermost flow."""
    innermost(folder)


@job("inner-kit")
def inner_kit(folder: str) -> None:
    """Wait until it is stopped."""
    (Path(folder) / "at-work").touch()
    for _ in range(3000):
        time.sleep(0.1)
        checkpoint()


@flow
def outermost(folder: str, kit: bool = False) -> None:
    """Run a flow, or a job of the kit."""
    if kit:
        inner_kit(folder, return_state=True)
        (Path(folder) / "went-on").touch()
    else:
        middle(folder)
