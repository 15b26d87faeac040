"""The bodies of the built-in job types, called as plain functions: no Prefect server, no process."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from prefect_jobs.kit.progress_call import current_reporter
from prefect_jobs.kit.reporter import Reporter
from prefect_jobs.kit.stop_flag import StopFlag, current_stop_flag
from tests.flows.runs import load_flow

Body = Callable[..., Any]


def body(name: str) -> Body:
    """What the flow of this file does."""
    return load_flow(name).fn


class _Recorder:
    """Stands in for a reporter."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, str | None]] = []

    def report(self, percent: int, message: str | None) -> None:
        self.reports.append((percent, message))


@contextmanager
def recorded_reports() -> Generator[list[tuple[int, str | None]]]:
    """Percent and message of each call of `progress` in the block."""
    recorder = _Recorder()
    token = current_reporter.set(cast("Reporter", recorder))
    try:
        yield recorder.reports
    finally:
        current_reporter.reset(token)


class _StopAt:
    """The memory of a stop flag that is raised at the so-manieth look."""

    def __init__(self, look: int) -> None:
        self._left = look

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: Any) -> Any:
        self._left -= 1
        return int(self._left < 0)


@contextmanager
def stopping_at(checkpoint: int) -> Generator[None]:
    """Ask the job to stop when it comes to this checkpoint, counted from 0."""
    memory: Any = _StopAt(checkpoint)
    token = current_stop_flag.set(StopFlag(memory))
    try:
        yield
    finally:
        current_stop_flag.reset(token)
