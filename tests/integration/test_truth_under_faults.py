"""The promise of the index, held against the worst: 200 runs start, progress, fail, are retried, renamed and deleted
from outside while Prefect, the adapter and both are killed. Ten seconds later no active job may differ from Prefect,
after one sweep nothing at all, and each transition stands in its job's history once.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import AwaitingRetry, Cancelled, Completed, Failed, Running

from prefect_jobs.report_names import KIT_LABEL, PROGRESS_LABEL
from tests.contract.runs import Runs
from tests.stack import Stack, eventually, running_stack

T = TypeVar("T")
RUNS = 200
SEED = 20260304
RIGHT_WITHIN = 10.0
"""Seconds after which active jobs are promised to be right, once both servers answer."""
SWEEP_SECONDS = 3


def patiently(work: Callable[[], T]) -> T:
    """Do this until Prefect takes it, as a worker would."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return work()
        except (httpx.TransportError, httpx.HTTPStatusError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@dataclass
class Life:
    """What will happen to one run, step by step."""

    steps: list[str]
    run_id: str = ""
    attempt: int = 0


@dataclass
class World:
    """Moves the runs, as workers and people with Prefect's own tools would. It does not know of any fault."""

    runs: Runs
    client: SyncPrefectClient
    lives: list[Life]
    pick: random.Random
    done: int = 0
    total: int = 0
    failure: BaseException | None = None
    gone: list[str] = field(default_factory=list[str])

    def run(self) -> None:
        try:
            open_lives = list(self.lives)
            while open_lives:
                life = self.pick.choice(open_lives)
                patiently(lambda life=life: self.step(life, life.steps[0]))
                life.steps.pop(0)
                self.done += 1
                if not life.steps:
                    open_lives.remove(life)
        except BaseException as error:  # noqa: BLE001  told to the test's own thread
            self.failure = error

    def step(self, life: Life, step: str) -> None:
        run_id = life.run_id
        match step:
            case "create":
                life.run_id = self.runs.of_deployment()
            case "start":
                life.attempt += 1
                self.runs.move(run_id, Running())
            case "progress":
                report = {
                    "percent": self.pick.randrange(1, 100),
                    "message": "Processing",
                    "attempt": life.attempt,
                    "at": datetime.now(UTC).isoformat(),
                }
                labels: dict[str, bool | int | float | str] = {KIT_LABEL: "1", PROGRESS_LABEL: json.dumps(report)}
                self.client.update_flow_run_labels(UUID(run_id), labels)
            case "complete":
                self.runs.move(run_id, Completed())
            case "fail":
                self.runs.move(run_id, Failed(message="Flow run encountered an exception: OSError: disk full"))
            case "retry":
                self.runs.move(run_id, AwaitingRetry(), force=True)
            case "cancel":
                self.runs.move(run_id, Cancelled(), force=True)
            case "rename":
                self.client.update_flow_run(UUID(run_id), name=f"renamed-{self.pick.getrandbits(24):06x}")
            case "delete":
                with suppress(ObjectNotFound):  # the answer to an earlier try was lost
                    self.runs.delete(run_id)
                self.gone.append(run_id)
            case _:
                raise AssertionError(step)


LIVES = [
    ["create"],
    ["create", "start"],
    ["create", "start", "progress", "progress"],
    ["create", "start", "progress", "complete"],
    ["create", "start", "fail"],
    ["create", "start", "progress", "fail", "retry", "start", "progress", "complete"],
    ["create", "start", "fail", "retry", "start", "fail", "retry"],
    ["create", "cancel"],
    ["create", "start", "complete", "rename"],
    ["create", "rename", "start", "rename"],
    ["create", "start", "complete", "delete"],
    ["create", "start", "progress", "delete"],
    ["create", "delete"],
]


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    with running_stack(tmp_path_factory.mktemp("truth"), sweep_seconds=str(SWEEP_SECONDS)) as running:
        yield running


def kill_both(stack: Stack) -> None:
    stack.kill("prefect")
    stack.kill("serve")


def wait_until_both_answer(stack: Stack) -> None:
    eventually(lambda: httpx.get(f"{stack.prefect_api_url}/health").is_success, within=60, what="Prefect answers")
    eventually(lambda: httpx.get(f"{stack.api_url}/healthz").is_success, within=60, what="the adapter answers")


def active_in_prefect(stack: Stack) -> dict[str, tuple[str, str]]:
    """Id → name and state type of every run that has not ended."""
    found: dict[str, tuple[str, str]] = {}
    wanted = {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]}}}
    while True:
        body = {"flow_runs": wanted, "limit": 200, "offset": len(found), "sort": "ID_DESC"}
        page: list[dict[str, Any]] = httpx.post(f"{stack.prefect_api_url}/flow_runs/filter", json=body).json()
        found |= {run["id"]: (run["name"], run["state"]["type"]) for run in page}
        if len(page) < 200:
            return found


def active_in_the_index(stack: Stack) -> dict[str, tuple[str, str]]:
    """The same, as the jobs API says it."""
    query = {"status": "pending,running", "limit": 1000}
    items: list[dict[str, Any]] = httpx.get(f"{stack.api_url}/api/jobs/search", params=query).json()["data"]
    return {item["job_id"]: (item["name"], item["status"]) for item in items}


def as_status(state_type: str) -> str:
    return "running" if state_type in ("RUNNING", "CANCELLING") else "pending"


def command(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "prefect_jobs.cli", *words]
    return subprocess.run(line, env=stack.environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.timeout(420)  # two hundred lives, four faults, and the start of a stack of its own
def test_after_every_fault_the_index_is_right_and_no_transition_is_lost_or_told_twice(own_stack: Stack) -> None:
    stack, pick = own_stack, random.Random(SEED)
    lives = [Life(list(pick.choice(LIVES))) for _ in range(RUNS)]
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), SyncPrefectClient(stack.prefect_api_url) as client:
        world = World(Runs(client), client, lives, pick, total=sum(len(life.steps) for life in lives))
        mover = threading.Thread(target=world.run, name="the world", daemon=True)
        mover.start()
        for share, fault in ((0.2, "prefect"), (0.4, "serve"), (0.6, "both"), (0.8, "prefect"), (0.95, "both")):
            eventually(
                lambda share=share: world.failure or world.done >= share * world.total, within=120, what=f"{share}"
            )
            assert world.failure is None, world.failure
            if fault == "both":
                kill_both(stack)
            else:
                stack.kill(fault)
        eventually(lambda: not mover.is_alive(), within=150, what="everything happened")
        assert world.failure is None, world.failure

    wait_until_both_answer(stack)

    def no_active_job_differs() -> bool:
        truth = {run_id: (name, as_status(kind)) for run_id, (name, kind) in active_in_prefect(stack).items()}
        said = active_in_the_index(stack)
        assert said == truth
        return True

    eventually(no_active_job_differs, within=RIGHT_WITHIN, what="no active job differs from Prefect")
    swept_at = time.monotonic()

    def swept_since() -> bool:
        facts = json.loads(command(stack, "index", "status", "--json").stdout)
        age = facts["everything_read_seconds_ago"]
        return age is not None and age < time.monotonic() - swept_at

    eventually(swept_since, within=60, what="one sweep")
    verified = command(stack, "index", "verify", "--json")
    *differences, summary = [json.loads(line) for line in verified.stdout.splitlines()]
    assert differences == []
    assert (verified.returncode, summary["differences"]) == (0, 0), verified.stderr
    # Not the number of lives: a run whose creation was answered by nobody was made all the same.
    assert summary["jobs"] == httpx.post(f"{stack.prefect_api_url}/flow_runs/count", json={}).json()
    for run_id in world.gone:
        assert httpx.get(f"{stack.api_url}/api/jobs/{run_id}").status_code == 404
    each_transition_is_told_once(stack, [life.run_id for life in lives if life.run_id not in world.gone])


def each_transition_is_told_once(stack: Stack, run_ids: list[str]) -> None:
    with httpx.Client(base_url=stack.api_url) as api:
        for run_id in run_ids:
            transitions: list[dict[str, Any]] = api.get(f"/api/jobs/{run_id}/history").json()["transitions"]
            moments = Counter((transition["at"], transition["to"]) for transition in transitions)
            assert moments.most_common(1)[0][1] == 1, (run_id, transitions)
            states: list[dict[str, Any]] = httpx.get(
                f"{stack.prefect_api_url}/flow_run_states/", params={"flow_run_id": run_id}
            ).json()
            kinds = [state["type"] for state in sorted(states, key=lambda state: state["timestamp"])]
            # A state whose write was answered by nobody was written twice, and is one transition.
            starts = sum(kind == "RUNNING" for kind, _ in groupby(kinds))
            assert sum(transition["to"] == "running" for transition in transitions) == starts, (run_id, kinds)
