"""What happens in the chaos, and what is seen of it: jobs are made, cancelled wherever they stand, and all is killed.

Everything is decided by a seed, but for the moments, which are the machine's.
"""

import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil

from prefect_jobs.client import Client, ClientError
from prefect_jobs.client.values import FeedReset, FeedStatus, Job, JobChanged
from prefect_jobs.processes import environment, with_environment
from prefect_jobs.supervisor.guardian import MARK, SIDECAR
from tests.chaos import flows
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

FLOWS = Path(flows.__file__)
KINDS = ("chaos_kit", "chaos_plain", "chaos_kit_retried", "chaos_plain_retried")
CANCELLED_AT = ("Scheduled", "Pending", "Submitting", "Running", "AwaitingRetry", "Stopping")
"""Prefect's names of the states at which jobs are cancelled."""
KILLED = ("serve", "prefect", "work", "sidecar", "job")
PAUSE_BETWEEN_KILLS = 6.0
PATIENCE = 120.0
"""Seconds to wait for what takes moments where nothing else is going on."""


@dataclass
class Wish:
    """A job that is to be made, and where it is to be cancelled, if at all."""

    kind: str
    parameters: dict[str, Any]
    cancel_at: str | None = None
    """The name of the state in which it is cancelled; one that is `Stopping` is cancelled twice, and then aborted."""
    later: float | None = None
    """Seconds after which it is due."""


def wishes(pick: random.Random, count: int, folder: Path) -> list[Wish]:
    """So many jobs, in an order that the seed decides: half of each kind, and three of ten to be cancelled."""
    made: list[Wish] = []
    for number in range(count):
        turn, place = divmod(number // 3, len(CANCELLED_AT))
        cancel_at = CANCELLED_AT[place] if number % 3 == 0 else None
        plain = (number if cancel_at is None else turn) % 2
        retried = cancel_at == "AwaitingRetry" or (cancel_at is None and number % 20 == 1)  # that one is plain
        kind = KINDS[plain + 2 * retried]
        slow = cancel_at in ("Running", "Stopping") or number % 10 == 7
        parameters = {"folder": str(folder), "seconds": 4.0 if slow else pick.choice((0.1, 0.3, 0.8))}
        made.append(Wish(kind, parameters, cancel_at, 600.0 if cancel_at == "Scheduled" else None))
    pick.shuffle(made)
    return made


@dataclass
class World:
    """A stack, the jobs on it, and what was done to them."""

    stack: Stack
    folder: Path
    jobs: dict[str, Wish] = field(default_factory=dict[str, Wish])
    cancelled: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The names of the states in which a cancel was answered with 200, by job."""
    killed: list[str] = field(default_factory=list[str])
    over: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list[BaseException])

    def in_thread(self, what: Callable[[], None]) -> threading.Thread:
        """Do it beside everything else; what it raises is a failure of the test."""

        def run() -> None:
            try:
                what()
            except BaseException as error:  # noqa: BLE001  told where it is joined
                self.failures.append(error)
                self.over.set()

        thread = threading.Thread(target=run, name=str(what), daemon=True)
        thread.start()
        return thread

    # -- jobs are made ------------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        with PrefectApi.of(self.stack) as prefect:
            for kind in KINDS:
                schema = {
                    "type": "object",
                    "properties": {
                        "folder": {"type": "string"}, "seconds": {"type": "number"}, "fails": {"type": "boolean"},
                    },
                }  # fmt: skip
                prefect.deploy(FLOWS, kind, parameter_openapi_schema=schema)

    def make(self, wanted: list[Wish], kills: int) -> None:
        """Start the jobs one by one, each with a key: one whose answer was lost is not made twice.

        At most two portions of jobs ahead of the kills, so that there are jobs for all of these.
        """
        portion = len(wanted) // kills
        with httpx.Client(base_url=self.stack.api_url, timeout=20) as api:
            for number, wish in enumerate(wanted):
                while not self.over.is_set() and number >= (len(self.killed) + 2) * portion:
                    time.sleep(0.1)
                if self.over.is_set():
                    return
                body: dict[str, Any] = {"job_type": wish.kind, "parameters": wish.parameters}
                if wish.later is not None:
                    body["run_at"] = (datetime.now(UTC) + timedelta(seconds=wish.later)).isoformat()
                headers = {"Idempotency-Key": f"chaos-{number}"}
                answer = patiently(lambda body=body, headers=headers: api.post("/api/jobs", json=body, headers=headers))
                assert answer.status_code == 202, answer.text
                self.jobs[answer.json()["job_id"]] = wish
                time.sleep(0.1)

    # -- jobs are cancelled -------------------------------------------------------------------------------------------

    def cancel_in_their_states(self) -> None:
        """Look which jobs stand where they are to be cancelled, and cancel them, until it is over."""
        with (
            httpx.Client(base_url=self.stack.api_url, timeout=20) as api,
            httpx.Client(base_url=self.stack.prefect_api_url, timeout=20) as prefect,
        ):
            while not self.over.is_set():
                with suppress(httpx.TransportError, httpx.HTTPStatusError):
                    for run_id, name in self._states(prefect).items():
                        self._act(api, run_id, name)
                time.sleep(0.1)

    @property
    def _missing(self) -> set[str]:
        """The states in which no job was cancelled so far."""
        hit = {name for names in self.cancelled.values() for name in names}
        return {name for name in CANCELLED_AT if name not in hit}

    def _states(self, prefect: httpx.Client) -> dict[str, str]:
        """The names of the states of the jobs that are to be cancelled, and of all as long as a state is missing."""
        every = bool(self._missing)
        ids = [job_id for job_id, wish in list(self.jobs.items()) if every or wish.cancel_at is not None]
        if not ids:
            return {}
        types = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"]
        body = {"flow_runs": {"id": {"any_": ids}, "state": {"type": {"any_": types}}}, "limit": 200}
        found = prefect.post("/flow_runs/filter", json=body).raise_for_status().json()
        return {run["id"]: run["state"]["name"] for run in found}

    def _act(self, api: httpx.Client, run_id: str, name: str) -> None:
        """Cancel a job that stands where it is to be, or where none was cancelled yet: kills spare no job."""
        place = "Stopping" if name == "Cancelling" else name
        wanted = self.jobs[run_id].cancel_at
        if place in self.cancelled[run_id] or not (place == wanted or place in self._missing):
            if wanted == "Stopping" and name == "Running":
                api.post(f"/api/jobs/{run_id}/cancel")
            return
        for action in ("cancel", "abort") if place == "Stopping" else ("cancel",):
            if api.post(f"/api/jobs/{run_id}/{action}").is_success and place not in self.cancelled[run_id]:
                self.cancelled[run_id].append(place)

    # -- all is killed ------------------------------------------------------------------------------------------------

    def kill(self, order: Sequence[str], jobs: int) -> None:
        """Kill one after the other, each when its portion of so many jobs was made."""
        mark = environment(self.stack.pid_of("work"))[MARK]
        for number, victim in enumerate(order, start=1):
            portions = number * (jobs // len(order))
            eventually(lambda n=portions: len(self.jobs) >= n or self.over.is_set(), within=PATIENCE, what="some jobs")
            if self.over.is_set():
                return
            if victim in ("sidecar", "job"):
                self._kill_one_of_a_job(victim, mark)
            else:
                self.stack.kill(victim)
            self.killed.append(victim)
            time.sleep(PAUSE_BETWEEN_KILLS)
            if victim in ("serve", "prefect"):
                self.stack.wait_ready(within=PATIENCE)

    def _kill_one_of_a_job(self, victim: str, mark: str) -> None:
        def kill() -> bool:
            for process in processes_of_jobs(mark):
                with suppress(psutil.Error):
                    if (process.name() == SIDECAR) == (victim == "sidecar"):
                        process.send_signal(signal.SIGKILL)
                        return True
            return self.over.is_set()

        eventually(kill, within=PATIENCE, what=f"a {victim} to kill")


def processes_of_jobs(mark: str) -> list[psutil.Process]:
    """The processes of jobs and their sidecars, below the stack that has this mark."""
    found: list[psutil.Process] = []
    for pid in with_environment(MARK, mark):
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.name() == SIDECAR or "prefect.engine" in process.cmdline():
                found.append(process)
    return found


def patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer, once there is one that is no failure of a server."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer = ask()
            if answer.status_code < 500 or time.monotonic() > deadline:
                return answer
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


@dataclass
class Listener:
    """Reads the change feed through every fault, as any client does: behind the last change that it has seen."""

    stack: Stack
    seen: dict[str, list[tuple[int, Job]]] = field(default_factory=lambda: defaultdict(list))
    resets: int = 0

    def listen(self, over: threading.Event) -> None:
        after: int | None = None
        with Client(self.stack.api_url) as client:
            while not over.is_set():
                with suppress(ClientError):
                    for change in client.changes(after):
                        match change:
                            case JobChanged(job=job, version=after):
                                self.seen[job.job_id].append((after, job))
                            case FeedReset(version=after):
                                self.resets += 1
                            case FeedStatus(version=version):
                                after = version if after is None else after
                            case _:
                                pass
                        if over.is_set():
                            return
                time.sleep(0.2)
