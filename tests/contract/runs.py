"""Runs made for a test through Prefect's own client: any state, no waiting for a process."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled


@flow(name="contract")
def contract_flow() -> None:
    """Only its name is used."""


class Runs:
    """Makes runs and moves them, as a worker or another client of Prefect would."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client

    def new(self, state: State[Any] | None = None) -> str:
        return str(self._client.create_flow_run(contract_flow, state=state or Pending()).id)

    def of_flow(self, name: str, state: State[Any] | None = None, **parameters: Any) -> str:
        """A run of a flow of this name."""
        named = contract_flow.with_options(name=name)
        made = self._client.create_flow_run(named, parameters=parameters, state=state or Pending())
        return str(made.id)

    def move(self, run_id: str, state: State[Any], *, force: bool = False) -> None:
        self._client.set_flow_run_state(UUID(run_id), state, force=force)

    def flow_without_deployment(self) -> str:
        """The name of a flow that nobody deployed."""
        self._client.create_flow_from_name("undeployed")
        return "undeployed"

    def deployment(self) -> str:
        """A deployment of the flow that no worker serves; its id."""
        flow_id = self._client.create_flow(contract_flow)
        return str(self._client.create_deployment(flow_id=flow_id, name="nobody", paused=True))

    def of_deployment(self, state: State[Any] | None = None) -> str:
        """A run that can be retried; nobody picks it up."""
        made = self._client.create_flow_run_from_deployment(UUID(self.deployment()), state=state or Pending())
        return str(made.id)

    def states(self, run_id: str) -> list[State[Any]]:
        return self._client.read_flow_run_states(UUID(run_id))

    def started(self) -> str:
        run_id = self.new()
        self.move(run_id, Running())
        return run_id

    def completed(self) -> str:
        run_id = self.started()
        self.move(run_id, Completed())
        return run_id

    def failed(self, error: str = "ValueError: disk full") -> str:
        run_id = self.started()
        self.fail(run_id, error)
        return run_id

    def fail(self, run_id: str, error: str) -> None:
        self.move(run_id, Failed(message=f"Flow run encountered an exception: {error}"))

    def cancelled(self) -> str:
        run_id = self.new(Scheduled())
        self.move(run_id, Cancelled())
        return run_id

    def crashed(self) -> str:
        run_id = self.started()
        self.move(run_id, Crashed(message="Flow run process exited with code -9"))
        return run_id

    def delete(self, run_id: str) -> None:
        self._client.delete_flow_run(UUID(run_id))

    def log(self, run_id: str, messages: Sequence[str], *, level: int = 20, at: datetime | None = None) -> None:
        """Store lines, a tenth of a millisecond apart."""
        start = at or datetime.now(UTC)
        lines = [
            LogCreate(
                name="prefect.flow_runs",
                level=level,
                message=message,
                timestamp=cast("Any", start + timedelta(microseconds=100 * number)),
                flow_run_id=UUID(run_id),
            )
            for number, message in enumerate(messages)
        ]
        for first in range(0, len(lines), 200):
            self._client.create_logs(lines[first : first + 200])


@contextmanager
def open_runs(api_url: str) -> Generator[Runs]:
    with SyncPrefectClient(api_url) as client:
        yield Runs(client)
