"""Further workers beside the stack's own, each on a pool of its own.

A worker takes the deployments of the job types into its pool when it starts; ``deployments_stay`` brings them back.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
from prefect.client.orchestration import PrefectClient

from prefect_jobs.declarations import read_declarations
from prefect_jobs.deployments import register
from prefect_jobs.shipped import DECLARATIONS, root
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually

STARTS_WITHIN = 90.0
STOPS_WITHIN = 15.0


class Worker:
    """A process of `prefect-jobs work`, in a process group of its own as in a terminal."""

    def __init__(self, stack: Stack, folder: Path, pool: str, *options: str, **environment: str) -> None:
        self._log = folder / f"{pool}-{len(list(folder.iterdir()))}.log"
        command = [sys.executable, "-m", "prefect_jobs.cli", "work", *options]
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                env={**stack.environment, "PREFECT_JOBS_WORK_POOL": pool, **environment},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_started(self) -> "Worker":
        eventually(lambda: "started!" in self.log, within=STARTS_WITHIN, what=f"a worker: {self.log}")
        return self

    @property
    def below(self) -> list[psutil.Process]:
        """Every process that stems from it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def tell(self, signum: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(signum)

    def wait(self) -> int:
        return self.process.wait(STOPS_WITHIN)

    def end(self) -> None:
        """Leave nothing of it."""
        if self.process.poll() is None:
            for process in self.below:
                process.kill()
            self.process.kill()
            self.process.wait()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def make_pool(prefect: PrefectApi, name: str) -> str:
    """A work pool that is there before its worker; its name."""
    if prefect.http.get(f"/work_pools/{name}").is_error:
        prefect.post("/work_pools/", {"name": name, "type": "process"})
    return name


@contextmanager
def deployments_stay(stack: Stack) -> Generator[None]:
    """Bring the deployments of the job types back to the stack's pool at the end."""
    try:
        yield
    finally:
        asyncio.run(_bring_deployments_back(stack))


async def _bring_deployments_back(stack: Stack) -> None:
    async with PrefectClient(stack.prefect_api_url) as client:
        await register(client, read_declarations(root() / DECLARATIONS), folder=root(), work_pool="jobs")
