"""The reports of a run on their way to Prefect, from a thread that has none of the run's context.

A client of its own keeps a slow label write from standing in the engine's way, and does not retry: the reporter knows
better when a value is outdated. Prefect's event worker adds no reads of the API to our events (checked: it reads the
run's flow and deployment once, for a heartbeat event of its own).
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import SettingsContext
from prefect.events import emit_event
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES

from prefect_jobs.kit.wire import LabelsNotStored, LabelsRefused, ServerAway, Sink
from prefect_jobs.report_names import PROGRESS_EVENT

REQUEST_TIMEOUT = 5.0


class PrefectSink:
    """The reports of one flow run; a `Sink`."""

    def __init__(self, client: SyncPrefectClient, flow_run_id: UUID) -> None:
        self._client = client
        self._flow_run_id = flow_run_id

    def announce(self, payload: Mapping[str, Any]) -> None:
        """Hand an event to Prefect's event worker."""
        emit_event(
            PROGRESS_EVENT,
            resource={"prefect.resource.id": f"prefect.flow-run.{self._flow_run_id}"},
            payload=dict(payload),
        )

    def store(self, labels: Mapping[str, str]) -> None:
        """Merge labels into the run's."""
        try:
            self._client.update_flow_run_labels(self._flow_run_id, dict(labels))
        except httpx.HTTPStatusError as error:
            refused = error.response.status_code < 500 and error.response.status_code not in (408, 429)
            raise (LabelsRefused if refused else LabelsNotStored)(str(error)) from error
        except httpx.ConnectError as error:
            raise ServerAway(str(error)) from error
        except httpx.HTTPError as error:
            raise LabelsNotStored(str(error) or type(error).__name__) from error


@contextmanager
def open_prefect_sink(flow_run_id: UUID, context: SettingsContext) -> Generator[Sink]:
    """A sink for the thread that opens it, with the run's settings."""
    settings = context.settings.copy_with_update(
        updates={PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: REQUEST_TIMEOUT}
    )
    with SettingsContext(profile=context.profile, settings=settings), get_client(sync_client=True) as client:
        yield PrefectSink(client, flow_run_id)
