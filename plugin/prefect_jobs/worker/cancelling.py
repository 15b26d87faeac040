"""How a worker hears that a run is to be cancelled the way of Prefect: its process ended from outside.

Prefect's observer hears it by an event. One that is sent while the server restarts is lost, and the run goes on for
ever; and after some seconds without a server the observer looks by itself, for every run that is being cancelled, also
for a job of the kit that is stopping on its own. So the observer only listens here, and the worker looks.
"""

from typing import Any
from uuid import UUID

from prefect._internal.observers import FlowRunCancellingObserver, OnCancellingCallback
from prefect.runner import _flow_run_executor
from prefect.runner._flow_run_executor import FlowRunExecutorContext


class CancelObserver(FlowRunCancellingObserver):
    """Prefect's observer that never looks by itself, and tells of each run once, whoever heard of it first."""

    def __init__(self, on_cancelling: OnCancellingCallback, **options: Any) -> None:
        super().__init__(self.hear, **options)
        self._act = on_cancelling
        self._heard: set[UUID] = set()

    def hear(self, flow_run_id: UUID) -> None:
        """Have the run's process ended and its end told."""
        if flow_run_id not in self._heard:
            self._heard.add(flow_run_id)
            self._act(flow_run_id)

    async def _check_for_cancelled_flow_runs(self) -> None:
        """Nothing: the worker does."""


def observe_only_events() -> None:
    """Let every executor of this process have such an observer."""
    _flow_run_executor.FlowRunCancellingObserver = CancelObserver  # pyright: ignore[reportPrivateImportUsage]


def observer_of(context: FlowRunExecutorContext) -> CancelObserver:
    """The observer of an executor that was made since."""
    observer = context._observer  # pyright: ignore[reportPrivateUsage]  # Prefect has no other way to it
    assert isinstance(observer, CancelObserver)
    return observer
