"""A job's progress while a command waits for it: a bar on a terminal, nothing in a script's log. On standard error,
so that standard output holds the answer alone."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect_jobs.cli.terminal import console, plain

if TYPE_CHECKING:
    from prefect_jobs.client import Job


@contextmanager
def progress_shown(job_id: str) -> "Generator[Callable[[Job], None] | None]":
    """What ``Client.wait`` is to tell of the job's progress."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    # The texts are the job's own words: drawn as they are, not read as rich's markup.
    columns = (
        TextColumn("{task.fields[state]}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console(error=True), transient=True) as drawing:
        task = drawing.add_task(f"job {plain(job_id)}", total=100, state="pending")

        def on_progress(job: "Job") -> None:
            drawing.update(task, completed=job.progress, description=plain(job.message or ""), state=plain(job.state))

        yield on_progress
