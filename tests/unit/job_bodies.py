"""The bodies of the built-in job types, called as plain functions: no Prefect server, no process."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from prefect_jobs.kit.stop_flag import StopFlag, current_stop_flag
from tests.flows.runs import load_flow

Body = Callable[..., Any]


def body(name: str) -> Body:
    """What the flow of this file does."""
    return load_flow(name).fn


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
