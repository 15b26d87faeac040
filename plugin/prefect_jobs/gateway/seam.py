"""The narrow door to Prefect: every question the adapter may ask, and the ways it can fail.

``PrefectGateway`` asks a real server; ``FakePrefect`` is the shipped double for tests and for trying the page out.

    GatewayError
    ├── PrefectUnavailable   the server cannot be reached, or answers that it is overloaded
    ├── NoDeployment         nothing on the server can run such a job
    └── NoPrefectAddress     nobody said where the server is
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from prefect_jobs.gateway.runs import LogLine, Run, RunEvent

PAGE = 200
"""Prefect answers at most this many runs or log lines at once."""


class GatewayError(Exception):
    """Prefect could not do what the adapter asked of it."""


class PrefectUnavailable(GatewayError):
    """Prefect's API at {url} is not reachable."""

    def __init__(self, url: str, reason: str = "") -> None:
        super().__init__(f"Prefect's API at {url} is not reachable" + (f": {reason}" if reason else ""))


class NoDeployment(GatewayError):
    """No deployment can run jobs of type {job_type}."""

    def __init__(self, job_type: str) -> None:
        super().__init__(f"No deployment can run jobs of type {job_type}")
        self.job_type = job_type


class NoPrefectAddress(GatewayError):
    """No Prefect server is named: set PREFECT_API_URL, such as http://127.0.0.1:4200/api"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Gateway(Protocol):
    """What the adapter asks of Prefect. Every method raises ``PrefectUnavailable`` when the server is away."""

    async def read_runs(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids that exist, in any order (at most ``PAGE`` ids)."""
        ...

    async def active_runs(self, *, due_before: datetime, offset: int) -> list[Run]:
        """One page of the runs that have not ended; those scheduled for after ``due_before`` are left out."""
        ...

    async def all_runs(self, *, offset: int) -> list[Run]:
        """One page of every run on the server, in a stable order."""
        ...

    async def flow_names(self) -> list[str]:
        """The names of all flows on the server, ascending."""
        ...

    async def start_run(self, flow_name: str, parameters: Mapping[str, Any]) -> Run:
        """Start a run of this flow by one of its deployments.

        Raises:
            NoDeployment: the flow has none.
        """
        ...

    async def read_logs(self, run_id: str, *, after: datetime | None, offset: int) -> list[LogLine]:
        """One page (``PAGE``) of a run's log lines at or after this time, oldest first."""
        ...

    async def events_since(self, since: datetime) -> list[RunEvent]:
        """The stored events of runs from this time on."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[RunEvent]]:
        """Events of runs as they happen; the iteration ends or raises when the connection is lost."""
        ...

    def log_wakeups(self, run_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """A tick for each line that Prefect announces for this run; lines themselves come from ``read_logs``."""
        ...
