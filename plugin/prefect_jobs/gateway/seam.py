"""The narrow door to Prefect: every question the adapter may ask, and the ways it can fail.

``PrefectGateway`` asks a real server; ``FakePrefect`` is the shipped double for tests and for trying the page out.

    GatewayError
    ├── PrefectUnavailable   the server cannot be reached, or answers that it is overloaded
    ├── NoDeployment         nothing on the server can run such a job
    ├── StartRefused         Prefect does not take the parameters of a new run
    ├── RunGone              the run is not there any more
    ├── StateRefused         Prefect does not let the run go to that state
    ├── NothingRunsIt        the run has no deployment that could run it again
    └── NoPrefectAddress     nobody said where the server is
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from prefect_jobs.gateway.asking import PAGE
from prefect_jobs.gateway.flows import DeployedFlow
from prefect_jobs.gateway.outlook import Outlook
from prefect_jobs.gateway.paging import START, Bookmark, RunPage
from prefect_jobs.gateway.runs import LogLine, Run, RunEvent, RunState

__all__ = [
    "PAGE",
    "Gateway",
    "GatewayError",
    "KnownStarts",
    "NoDeployment",
    "NoPrefectAddress",
    "NothingRunsIt",
    "PrefectUnavailable",
    "RunGone",
    "StartRefused",
    "StateRefused",
]

KnownStarts = Callable[[Sequence[tuple[str, int]]], Awaitable[Mapping[tuple[str, int], datetime]]]
"""When these attempts (run id, number) began, as far as it is known."""


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


class StartRefused(GatewayError):
    """Prefect refuses the parameters: {reason}"""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Prefect refuses the parameters: {reason}")


class RunGone(GatewayError):
    """Prefect holds no run with the id {run_id}."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Prefect holds no run with the id {run_id}")


class StateRefused(GatewayError):
    """Prefect does not let the run go to that state: {reason}"""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Prefect does not let the run go to that state: {reason}")
        self.reason = reason


class NothingRunsIt(GatewayError):
    """The run {run_id} has no deployment that could run it again."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} has no deployment that could run it again")


class NoPrefectAddress(GatewayError):
    """No Prefect server is named: set PREFECT_API_URL, such as http://127.0.0.1:4200/api"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Gateway(Protocol):
    """What the adapter asks of Prefect. Every method raises ``PrefectUnavailable`` when the server is away."""

    requests: int
    """How many requests this adapter has made to Prefect."""

    async def read_runs(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids that exist, in any order (at most ``PAGE`` ids)."""
        ...

    async def active_runs(self, *, due_before: datetime, at: Bookmark = START) -> RunPage:
        """One page of the runs that have not ended; those expected to start after ``due_before`` are left out."""
        ...

    async def all_runs(self, *, at: Bookmark = START) -> RunPage:
        """One page of every run on the server."""
        ...

    async def count_runs(self) -> int:
        """How many runs the server holds."""
        ...

    def ask_first(self, known_starts: KnownStarts) -> None:
        """Name somebody who may know when an attempt began: Prefect tells it only by a request for each run."""
        ...

    async def flows(self, *, named: Sequence[str] | None = None) -> list[DeployedFlow]:
        """All flows on the server with their deployments, by name; or those with these names."""
        ...

    async def start_run(
        self,
        flow_name: str,
        parameters: Mapping[str, Any],
        *,
        deployment: str | None = None,
        run_at: datetime | None = None,
        idempotency_key: str | None = None,
        by: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a run of this flow by one of its deployments: the named one, or else the flow's favourite.

        Args:
            flow_name: the flow.
            parameters: what differs from the deployment's own.
            deployment: the name of a deployment.
            run_at: when; at once when left out.
            idempotency_key: a second start of the flow with the same key finds the run of the first.
            by: who asked, kept with the run.
            result: of a job that has nothing to do: the run is made as completed with it, and nobody executes it.

        Raises:
            NoDeployment: the flow has none, or none of this name.
            StartRefused: Prefect does not take the parameters.
        """
        ...

    async def states(self, run_id: str) -> list[RunState]:
        """Every state that a run was in, oldest first; none for a run that is not there."""
        ...

    async def cancel(self, run_id: str, message: str, *, cooperative: bool = False) -> RunState:
        """Stop a run. One that no process works on is cancelled at once.

        Args:
            run_id: the run.
            message: what the state says.
            cooperative: a running one is asked to stop at its next checkpoint; otherwise it gets Prefect's own cancel.

        Returns:
            The state that says so: the one written, or that of an earlier call.

        Raises:
            StateRefused: it has ended.
            RunGone: it is not there.
        """
        ...

    async def end_withdrawn(self, run_id: str) -> RunState:
        """End a run as cancelled that was cancelled before it began and that nobody will begin any more.

        Raises:
            StateRefused: it is not being cancelled (any more).
            RunGone: it is not there.
        """
        ...

    async def abort(self, run_id: str, message: str) -> RunState:
        """Have a running run of the kit killed with all its processes, also one that is being cancelled.

        Returns and raises as ``cancel``; ``StateRefused`` also says that it has not begun.
        """
        ...

    async def retry(self, run_id: str, message: str) -> RunState:
        """Queue a failed or crashed run again: the same run, for its next attempt.

        Raises:
            StateRefused: it has not failed.
            NothingRunsIt: it has no deployment, or not any more.
            RunGone: it is not there.
        """
        ...

    async def crash(self, run_id: str, message: str, *, seen: str) -> RunState:
        """End a running run as crashed whose process is gone, if it is still in the state that was ``seen``.

        Raises:
            StateRefused: it has moved on.
            RunGone: it is not there.
        """
        ...

    async def heartbeats(self, run_id: str) -> list[datetime]:
        """When the run's process gave its last two signs of life, the newest first; none where it gives none."""
        ...

    async def given_up(self, run_id: str, *, since: datetime) -> bool:
        """Whether the worker that took a run has said since then that the run's process is gone."""
        ...

    async def delete_run(self, run_id: str) -> None:
        """Delete a run, in whatever state. One that is gone already is no error."""
        ...

    async def queue_priority(self, queue_id: str) -> int | None:
        """The priority of a work queue (1 is the highest), or None when it is not there."""
        ...

    async def outlook(self, run_id: str) -> Outlook:
        """Everything that decides whether a waiting run is taken.

        Raises:
            RunGone: it is not there.
        """
        ...

    def run_page(self, run_id: str) -> str | None:
        """The address of a run in Prefect's own pages; None where there are none."""
        ...

    async def last_errors(self, run_id: str) -> list[LogLine]:
        """The newest log lines of a run with level ERROR or above, newest first (up to 20)."""
        ...

    async def read_logs(self, run_id: str, *, after: datetime | None, offset: int) -> list[LogLine]:
        """One page (``PAGE``) of a run's log lines at or after this time, oldest first."""
        ...

    async def logs_of_all(self, *, after: datetime, offset: int) -> list[LogLine]:
        """One page (``PAGE``) of the log lines of all runs at or after this time, oldest first."""
        ...

    async def newest_logs(self, run_id: str) -> list[LogLine]:
        """The last page (``PAGE``) of a run's log lines, oldest first."""
        ...

    async def has_more_logs_than(self, run_id: str, count: int, *, until: datetime | None = None) -> bool:
        """Whether the run has more log lines than so many, of those not later than ``until``."""
        ...

    async def events_since(self, since: datetime) -> list[RunEvent]:
        """The stored events of runs from this time on."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[RunEvent]]:
        """Events of runs as they happen; the iteration ends or raises when the connection is lost."""
        ...

    def log_wakeups(self, *run_ids: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The id of a run for each line that Prefect announces of one of these runs, by one connection.

        Lines themselves come from ``read_logs``: some are not announced when many come at once. The iteration ends or
        raises when the connection is lost.
        """
        ...
