"""How a worker hears that a run is to be cancelled: its process ended from outside, or not started at all.

Prefect makes for each run an executor with an observer, a socket on which it hears events; at a hundred jobs they are
most of what its server has open. An event that is sent while the server restarts is lost, and the run goes on for ever;
and after some seconds without a server the observer looks by itself, for every run that is being cancelled, also for a
job of the kit that is stopping on its own. So all jobs of a worker share one executor's parts, its observer listens and
nothing else, for as long as the worker lives, and the worker looks.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self
from uuid import UUID

from prefect._internal.observers import FlowRunCancellingObserver, OnCancellingCallback
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.runner import _flow_run_executor
from prefect.runner._flow_run_executor import FlowRunExecutorContext

from prefect_jobs.report_names import WITHDRAWN

LISTEN_AGAIN_AFTER = 5.0
"""Seconds after which a stream of events that broke off is opened again."""
_RUN = "prefect.flow-run."

logger = get_logger("prefect_jobs.worker")


class CancelObserver(FlowRunCancellingObserver):
    """Prefect's observer that never looks by itself, and tells of each run once, whoever heard of it first."""

    def __init__(self, on_cancelling: OnCancellingCallback, **options: Any) -> None:
        super().__init__(self.hear, **options)
        self._act = on_cancelling
        self._heard: set[UUID] = set()
        self._listening: asyncio.Task[None] | None = None
        self.on_withdrawn: Callable[[UUID], object] = lambda _run_id: None
        """Is told of each run that was cancelled before it began."""

    def hear(self, flow_run_id: UUID) -> None:
        """Have the run's process ended and its end told."""
        if flow_run_id not in self._heard:
            self._heard.add(flow_run_id)
            self._act(flow_run_id)

    def forget(self, flow_run_id: UUID) -> None:
        """Act on the run once more when it is heard of."""
        self._heard.discard(flow_run_id)

    def remove_in_flight_flow_run_id(self, flow_run_id: UUID) -> None:
        """The run's process has ended."""
        super().remove_in_flight_flow_run_id(flow_run_id)
        self.forget(flow_run_id)

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        wanted = EventFilter(event=EventNameFilter(name=[f"{_RUN}Cancelling", f"{_RUN}{WITHDRAWN}"]))
        while True:
            try:
                async with get_events_subscriber(filter=wanted) as events:
                    async for event in events:
                        self._take(event)
            except Exception as error:  # noqa: BLE001  whatever it is, the worker looks by itself meanwhile
                logger.debug("No events of cancellations for a while: %s", error)
            await asyncio.sleep(LISTEN_AGAIN_AFTER)

    def _take(self, event: Event) -> None:
        try:
            run_id = UUID(event.resource.id.removeprefix(_RUN))
        except ValueError:
            return
        if run_id not in self._in_flight_flow_run_ids:
            return
        if event.event == f"{_RUN}{WITHDRAWN}":
            self.on_withdrawn(run_id)
        else:
            self.hear(run_id)

    async def _check_for_cancelled_flow_runs(self) -> None:
        """Nothing: the worker does."""


async def has_ended(client: PrefectClient, flow_run_id: UUID) -> bool:
    """Whether a run has an end by now; one that was deleted needs none."""
    try:
        state = (await client.read_flow_run(flow_run_id)).state
    except ObjectNotFound:
        return True
    return state is not None and state.is_final()


class SharedExecutors(FlowRunExecutorContext):
    """What the executors of all jobs of a worker share: client, channel to the processes, events, cancelling."""

    def __init__(self) -> None:
        self._being_cancelled: dict[UUID, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        _flow_run_executor.FlowRunCancellingObserver = CancelObserver  # pyright: ignore[reportPrivateImportUsage]
        await super().__aenter__()
        cancel = self._cancellation_manager.cancel_by_id

        async def cancel_and_bear(flow_run_id: UUID) -> None:
            over = self._being_cancelled[flow_run_id] = asyncio.Event()
            try:
                await cancel(flow_run_id)
            except Exception as error:  # noqa: BLE001  it would end every other job's executor too
                logger.warning("Could not cancel run %s (%s); trying again", flow_run_id, type(error).__name__)
                self.observer.forget(flow_run_id)
            finally:
                over.set()
                self._being_cancelled.pop(flow_run_id, None)

        self._cancellation_manager.cancel_by_id = cancel_and_bear
        manager: Any = self._cancellation_manager
        finalize = manager._finalize_cancelled_state

        async def finalize_unless_ended(flow_run: FlowRun, state_updates: dict[str, object] | None = None) -> bool:
            # It writes by force, and a job may come to its own end while it is being killed.
            return not await has_ended(self.client, flow_run.id) and await finalize(flow_run, state_updates)

        manager._finalize_cancelled_state = finalize_unless_ended
        return self

    @property
    def observer(self) -> CancelObserver:
        """What hears of cancellations."""
        assert isinstance(self._observer, CancelObserver)
        return self._observer

    async def left(self, flow_run_id: UUID) -> None:
        """Wait until whoever cancels this run has told its end, and forget it."""
        if (over := self._being_cancelled.get(flow_run_id)) is not None:
            await over.wait()
        if self.process_manager.get(flow_run_id) is not None:
            await self.process_manager.remove(flow_run_id)
