"""Starting subjects, acting on them, and looking at what is left of them: at the API, at Prefect, on the machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil

from tests.lifecycle import slow_import, subjects
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

SUBJECTS = Path(subjects.__file__)
SLOW_IMPORT = Path(slow_import.__file__)
SIDECAR = "jobs-sidecar"
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

How = Literal["worker", "script"]


@dataclass
class Subject:
    """A job that was started, with the folder that it writes into."""

    id: str
    folder: Path
    prefect: PrefectApi
    api: httpx.Client
    processes: list[psutil.Process] = field(default_factory=list[psutil.Process])
    sidecars: list[psutil.Process] = field(default_factory=list[psutil.Process])
    ended_at: float = 0.0
    """When its end was seen, on the monotonic clock."""

    # -- at work ------------------------------------------------------------------------------------------------------

    def wait_ready(self, within: float = 90.0) -> "Subject":
        """Wait until its body is at work and its sidecar watches, remember its processes, and tell it so."""
        file = self.folder / "ready"
        eventually(file.exists, within=within, what=f"{self.folder.name} is ready")
        self.processes = [psutil.Process(pid) for pid in json.loads(file.read_text())]
        eventually(self.find_sidecar, what="a sidecar")
        eventually(lambda: self.job["stoppable"] == "cooperative", what="the adapter knows that it uses the kit")
        (self.folder / "seen").touch()
        return self

    def find_sidecar(self) -> psutil.Process | None:
        """Its living sidecar."""
        found = [child for child in self.processes[0].children() if child.name() == SIDECAR]
        alive = [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
        self.sidecars += [child for child in alive if child not in self.sidecars]
        return alive[-1] if alive else None

    @property
    def process(self) -> psutil.Process:
        """The process that its body runs in."""
        return self.processes[0]

    def act(self, action: str) -> httpx.Response:
        return self.api.post(f"/api/jobs/{self.id}/{action}")

    # -- afterwards ---------------------------------------------------------------------------------------------------

    @property
    def job(self) -> dict[str, Any]:
        return self.api.get(f"/api/jobs/{self.id}").raise_for_status().json()

    @property
    def history(self) -> dict[str, Any]:
        return self.api.get(f"/api/jobs/{self.id}/history").raise_for_status().json()

    @property
    def states(self) -> list[dict[str, Any]]:
        found = self.prefect.get(f"/flow_run_states/?flow_run_id={self.id}")
        return sorted(found, key=lambda state: state["timestamp"])

    @property
    def run_count(self) -> int:
        return self.prefect.get(f"/flow_runs/{self.id}")["run_count"]

    @property
    def receipts(self) -> list[dict[str, Any]]:
        told = self.history["transitions"]
        return [entry["details"]["receipt"] for entry in told if "receipt" in entry["details"]]

    def wait_end(self, within: float = 30.0) -> dict[str, Any]:
        """The job, once the API says that it ended."""

        def ended() -> dict[str, Any] | None:
            job = self.job
            return job if job["status"] in ("completed", "failed") else None

        job = eventually(ended, within=within, what=f"the end of {self.folder.name}")
        self.ended_at = time.monotonic()
        assert job is not None
        return job

    def wait_gone(self, within: float = 15.0) -> None:
        """Wait until no process of it is left, nor its sidecar."""
        everything = [*self.processes, *self.sidecars]
        eventually(lambda: not [one for one in everything if _lives(one)], within=within, what=f"{everything} are gone")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Jobs:
    """Starts subjects, by a worker or as scripts."""

    def __init__(self, stack: Stack, prefect: PrefectApi, api: httpx.Client, folder: Path) -> None:
        self.stack = stack
        self.prefect = prefect
        self.api = api
        self._folder = folder
        self._numbers = count(1)
        self._subjects: list[Subject] = []
        self._scripts: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        name: str,
        how: How = "worker",
        *,
        file: Path = SUBJECTS,
        pool: str = "jobs",
        prefect_api_url: str | None = None,
        **parameters: Any,
    ) -> Subject:
        """Start a job of this type. A script may be told another address of Prefect's API."""
        folder = self._folder / f"{next(self._numbers)}-{name}"
        folder.mkdir()
        if how == "worker":
            deployment = self.prefect.deploy(file, name, name=f"lifecycle-{pool}", work_pool=pool)
            run = self.prefect.start(deployment, folder=str(folder), **parameters)
        else:
            run = self._run_script(name, folder, parameters, prefect_api_url)
        return self._started(run, folder)

    def _started(self, run: str, folder: Path) -> Subject:
        self._subjects.append(Subject(run, folder, self.prefect, self.api))
        return self._subjects[-1]

    def start_unattended(self, name: str) -> Subject:
        """Start a job of a deployment that no worker serves: it can be retried, and nobody interferes."""
        self.prefect.http.post("/work_pools/", json={"name": "nobody", "type": "process"})
        deployment = self.prefect.deploy(SUBJECTS, name, name="unattended", work_pool="nobody")
        folder = self._folder / f"{next(self._numbers)}-{name}"
        folder.mkdir()
        return self.execute(self._started(self.prefect.start(deployment, folder=str(folder)), folder), name)

    def execute(self, subject: Subject, name: str) -> Subject:
        """Execute a run that waits, as a worker would, and wait until it is at work."""
        for file in ("ready", "seen"):
            (subject.folder / file).unlink(missing_ok=True)
        of_run = {"PREFECT__FLOW_RUN_ID": subject.id, "PREFECT__FLOW_ENTRYPOINT": f"{SUBJECTS}:{name}"}
        with (subject.folder / "output").open("ab") as out:
            command = [sys.executable, "-m", "prefect.engine"]
            engine = subprocess.Popen(command, env=self.stack.environment | of_run, stdout=out, stderr=out)
        self._scripts.append(engine)
        return self._started(subject.id, subject.folder).wait_ready()

    def _run_script(self, name: str, folder: Path, parameters: dict[str, Any], prefect_api_url: str | None) -> str:
        environment = self.stack.environment | ({"PREFECT_API_URL": prefect_api_url} if prefect_api_url else {})
        with (folder / "output").open("wb") as out:
            command = [sys.executable, str(SUBJECTS), name, str(folder), json.dumps(parameters)]
            script = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        self._scripts.append(script)
        wanted = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "flows": {"name": {"any_": [name]}}}

        def begun() -> str | None:
            assert script.poll() is None, (folder / "output").read_text()
            runs = self.prefect.post("/flow_runs/filter", wanted)
            return next((run["id"] for run in runs if run["parameters"].get("folder") == str(folder)), None)

        return eventually(begun, within=60, what=f"the run of {name}") or ""

    def end_all(self) -> None:
        """End what a failed test left at work: it would take the places of others."""
        for subject in self._subjects:
            for process in subject.processes:
                if _lives(process):
                    process.kill()
        for script in self._scripts:
            script.kill()
            script.wait()
        self._subjects.clear()
        self._scripts.clear()


@contextmanager
def frozen(pid: int) -> Generator[None]:
    """A process stands still for as long as this lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
