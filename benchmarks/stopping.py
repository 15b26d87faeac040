"""How long a stop takes, and what the watch over running jobs costs: the goals, measured on a running stack.

Jobs are forked from one process that has Prefect imported, so that starting them costs little and many can be stopped.
Beside them the same sleep is stopped by Prefect's own cancel, on the stack's worker.

    python -m benchmarks.stopping --api-url http://127.0.0.1:8000 --prefect-api-url http://127.0.0.1:4200/api
"""

import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from benchmarks.percentile import p95
from prefect_jobs import sidecar
from prefect_jobs.sidecar.orders import Orders
from prefect_jobs.sidecar.page import SIZE
from tests import naps
from tests.prefect_api import PrefectApi
from tests.stack import eventually

STEP = 0.5
WATCHED = 100
WATCHED_FOR = 30.0
EMPTY_RUNS = 20
STUCK = "import ctypes\nfrom prefect import flow\n@flow\ndef stuck(): ctypes.PyDLL(None).sleep(600)\n"


class Bench:
    """The stack, and a folder for the jobs."""

    def __init__(self, api_url: str, prefect_api_url: str, folder: Path) -> None:
        self.api = httpx.Client(base_url=api_url, timeout=60)
        self.prefect = PrefectApi(httpx.Client(base_url=prefect_api_url, timeout=60))
        self.prefect_api_url = prefect_api_url
        self.api_url = api_url
        self.folder = folder

    def environment(self, *, adapter: bool = True) -> dict[str, str]:
        """Of processes that run jobs."""
        known = {**os.environ, "PREFECT_API_URL": self.prefect_api_url, "PREFECT_HOME": str(self.folder / "home")}
        return known | ({"PREFECT_JOBS_ADAPTER_URL": self.api_url} if adapter else {})

    @contextmanager
    def jobs(self, name: str, count: int, *, adapter: bool = True) -> Iterator[list[tuple[str, int]]]:
        """So many jobs of a type, forked from one process: their ids and pids."""
        folder = Path(self.folder / f"{name}-{time.monotonic_ns()}")
        folder.mkdir()
        command = [sys.executable, "-m", "benchmarks.stopping", "--fork", name, str(folder), str(count)]
        with subprocess.Popen(command, env=self.environment(adapter=adapter), stderr=subprocess.DEVNULL) as parent:
            files = [folder / str(number) / "ready" for number in range(count)]
            eventually(lambda: all(file.exists() for file in files), within=120, what=f"{count} jobs of {name}")
            pids = {str(file.parent): json.loads(file.read_text())[0] for file in files}
            wanted = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "flows": {"name": {"any_": [name]}}}
            runs = [
                run for run in self.prefect.post("/flow_runs/filter", wanted) if run["parameters"]["folder"] in pids
            ]
            yield [(run["id"], pids[run["parameters"]["folder"]]) for run in runs]
            parent.terminate()

    def until(self, run: str, state: str, within: float = 60.0) -> None:
        """Wait until the API says that the job is in this state."""
        eventually(lambda: self.api.get(f"/api/jobs/{run}").json().get("state") == state, within=within)


def _gone(pid: int, within: float = 60.0) -> None:
    """Wait for the end of a process that is nobody's child here."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([pidfd], [], [], within)[0], f"process {pid} lives"
    os.close(pidfd)


def _stops(bench: Bench, name: str, count: int, stop: Callable[[str, int], None]) -> list[float]:
    """Seconds from each request until its job is over, one after the other."""
    with bench.jobs(name, count) as jobs:
        seconds: list[float] = []
        for run, pid in jobs:
            bench.until(run, "running")
            began = time.perf_counter()
            stop(run, pid)
            seconds.append(time.perf_counter() - began)
    return seconds


def aborts(bench: Bench, count: int) -> list[float]:
    """From the request until every process of the job is gone."""

    def stop(run: str, pid: int) -> None:
        bench.api.post(f"/api/jobs/{run}/abort").raise_for_status()
        _gone(pid)

    return _stops(bench, "sleeping", count, stop)


def cancels(bench: Bench, count: int) -> list[float]:
    """From the request until the API says cancelled; the job's steps take half a second."""

    def stop(run: str, _pid: int) -> None:
        bench.api.post(f"/api/jobs/{run}/cancel").raise_for_status()
        bench.until(run, "cancelled")

    return _stops(bench, "stepping", count, stop)


def crashes(bench: Bench, count: int) -> list[float]:
    """From the kill until the API says crashed, with no worker that would report it."""

    def stop(run: str, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        bench.until(run, "crashed")

    return _stops(bench, "sleeping", count, stop)


def by_prefect(bench: Bench, file: Path, name: str, line: str | None, count: int, **parameters: Any) -> list[float]:
    """Seconds that Prefect's own cancel takes for a flow on the stack's worker, until its process is gone."""
    deployment = bench.prefect.deploy(file, name, name="stopping-bench")
    seconds: list[float] = []
    for _ in range(count):
        run = bench.prefect.start(deployment, **parameters)
        bench.prefect.wait_for(run, "RUNNING")
        if line:
            bench.prefect.wait_for_line(run, line)
        time.sleep(1.0)
        found = [p for p in psutil.process_iter() if _environment(p).get("PREFECT__FLOW_RUN_ID") == run]
        began = time.perf_counter()
        bench.api.post(f"/api/jobs/{run}/cancel").raise_for_status()
        for process in found:
            _gone(process.pid, 120)
        seconds.append(time.perf_counter() - began)
    return seconds


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _server_processes(bench: Bench) -> dict[str, psutil.Process]:
    ports = {"adapter": httpx.URL(bench.api_url).port, "prefect": httpx.URL(bench.prefect_api_url).port}
    listening = {one.laddr.port: one.pid for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    return {name: psutil.Process(listening[port]) for name, port in ports.items() if port is not None}


def _load(bench: Bench) -> dict[str, float]:
    """Percent of a core that each server takes."""
    servers = _server_processes(bench)
    before = {name: sum(process.cpu_times()[:2]) for name, process in servers.items()}
    began = time.perf_counter()
    time.sleep(WATCHED_FOR)
    passed = time.perf_counter() - began
    return {name: 100 * (sum(one.cpu_times()[:2]) - before[name]) / passed for name, one in servers.items()}


@contextmanager
def _watched(bench: Bench, count: int, *, adapter: bool) -> Iterator[list[psutil.Process]]:
    """Sidecars over plain processes, each with a running run of its own in Prefect."""
    flow = bench.prefect.post("/flows/", {"name": "watched"})
    sleepers: list[subprocess.Popen[bytes]] = []
    sidecars: list[subprocess.Popen[bytes]] = []
    for _ in range(count):
        run = bench.prefect.post("/flow_runs/", {"flow_id": flow["id"], "state": {"type": "PENDING"}})
        answer = bench.prefect.post(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "RUNNING"}})
        sleeper = subprocess.Popen(["sleep", "3600"])
        pidfd, page = os.pidfd_open(sleeper.pid), os.memfd_create("page")
        os.ftruncate(page, SIZE)
        orders = Orders(
            {
                "run_id": run["id"],
                "attempt": 1,
                "alone": False,
                "state_id": answer["state"]["id"],
                "api_url": bench.prefect_api_url,
                "api_headers": {},
                "trust": None,
                "adapter_url": f"{bench.api_url}/api" if adapter else None,
                "adapter_headers": {},
                "deadline": None,
                "limit": None,
                "pid": sleeper.pid,
                "pidfd": pidfd,
                "page_fd": page,
                "mark": "benchmark",
            }
        )
        command = [sys.executable, "-I", "-S", str(Path(sidecar.__file__).parent)]
        watching = subprocess.Popen(command, stdin=subprocess.PIPE, env={}, pass_fds=(pidfd, page))
        assert watching.stdin is not None
        watching.stdin.write(orders.line())
        watching.stdin.flush()
        os.close(pidfd)
        os.close(page)
        sleepers.append(sleeper)
        sidecars.append(watching)
    try:
        time.sleep(10)  # they are started, and the index knows them
        yield [psutil.Process(one.pid) for one in sidecars]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        for watching in sidecars:
            watching.wait(60)


def _empty_run(decorated: str) -> str:
    return (
        "import time, statistics\nfrom prefect import flow\nfrom prefect_jobs import job\n"
        f"@{decorated}\ndef empty(): pass\nempty()\nseconds = []\n"
        f"for _ in range({EMPTY_RUNS}):\n    began = time.perf_counter(); empty(); "
        "seconds.append(time.perf_counter() - began)\nprint(statistics.median(seconds))"
    )


def overhead(bench: Bench) -> tuple[float, float]:
    """Milliseconds of an empty flow, and of an empty job: medians, each in a process of its own."""

    def median(decorated: str) -> float:
        command = [sys.executable, "-c", _empty_run(decorated)]
        done = subprocess.run(
            command, env=bench.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
        return 1000 * float(done.stdout)

    return median("flow(name='empty-flow')"), median("job('empty-job')")


def calls() -> tuple[float, float]:
    """Nanoseconds of a checkpoint and of a progress call inside of a job."""
    import mmap
    from contextlib import nullcontext

    from prefect_jobs import checkpoint, progress
    from prefect_jobs.kit.progress_call import current_reporter
    from prefect_jobs.kit.reporter import Reporter
    from prefect_jobs.kit.stop_flag import StopFlag, current_stop_flag

    class Nowhere:
        def announce(self, payload: object) -> None:
            pass

        def store(self, labels: object) -> None:
            pass

    current_stop_flag.set(StopFlag(mmap.mmap(-1, SIZE)))
    current_reporter.set(Reporter(lambda: nullcontext(Nowhere()), attempt=1, labels={}))
    number = 1_000_000
    per_call = [min(timeit.repeat(call, number=number, repeat=3)) / number * 1e9 for call in (checkpoint,)]
    per_call.append(min(timeit.repeat(lambda: progress(3, 8, "at work"), number=number, repeat=3)) / number * 1e9)
    return per_call[0], per_call[1]


def _row(what: str, values: Sequence[float], goal: float | None, beside: str = "") -> str:
    rank = p95(values)
    met = "" if goal is None else f"≤ {goal:g} | {'yes' if rank <= goal else 'NO'}"
    return f"| {what} | {len(values)} | {statistics.median(values):.2f} | {rank:.2f} | {met or '- | '} | {beside} |"


def measure(bench: Bench, count: int) -> str:
    """The tables, as Markdown."""
    aborted, cancelled, crashed = aborts(bench, count), cancels(bench, count), crashes(bench, count)
    stuck = bench.folder / "stuck.py"
    stuck.write_text(STUCK)
    own = by_prefect(bench, Path(naps.__file__), "naps", "asleep", 5, seconds=600)
    own_stuck = by_prefect(bench, stuck, "stuck", None, 1)
    quiet = _load(bench)
    loads: dict[bool, dict[str, float]] = {}
    memory: list[int] = []
    for adapter in (True, False):
        with _watched(bench, WATCHED, adapter=adapter) as watching:
            busy = _load(bench)
            memory = [one.memory_full_info().uss for one in watching]
        loads[adapter] = {name: max(0.0, busy[name] - quiet[name]) for name in quiet}
    flow, job = overhead(bench)
    checkpoint, progress = calls()
    both = {adapter: sum(load.values()) for adapter, load in loads.items()}
    ratio = statistics.median(own) / statistics.median(aborted)
    return "\n".join(
        [
            "| from … to …, seconds | n | p50 | p95 | goal p95 | met | |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            _row("abort → every process gone", aborted, 1.5, f"{ratio:.0f} times faster than Prefect's cancel"),
            _row(f"cancel → cancelled, steps of {STEP:g} s", cancelled, STEP + 1.0),
            _row("killed → crashed, without a worker", crashed, 3.0),
            _row("Prefect's own cancel of a sleeping flow → process gone", own, None),
            _row("the same, of a flow stuck in C", own_stuck, None),
            "",
            f"| {WATCHED} sidecars of plain processes | Prefect's server | adapter | together | goal | met |",
            "| --- | --- | --- | --- | --- | --- |",
            *(
                f"| {how}, % of a core | {loads[adapter]['prefect']:.1f} | {loads[adapter]['adapter']:.1f} | "
                f"{both[adapter]:.1f} | {'≤ 20' if adapter else '-'} | {_met(both[adapter] <= 20) if adapter else ''} |"
                for adapter, how in ((True, "woken by the adapter"), (False, "asking Prefect every second"))
            ),
            "",
            f"A sidecar takes {statistics.median(memory) / 2**20:.1f} MiB of its own. An empty run takes {flow:.0f} ms "
            f"as a plain flow and {job:.0f} ms as a job (medians of {EMPTY_RUNS}). Inside a job, `checkpoint()` takes "
            f"{checkpoint:.0f} ns and `progress()` {progress:.0f} ns.",
        ]
    )


def _met(holds: bool) -> str:
    return "yes" if holds else "NO"


def fork_jobs(name: str, folder: Path, count: int) -> None:
    """Run a job type so many times, each in a child of this process, until told to stop."""
    from tests.lifecycle import subjects

    body: Any = getattr(subjects, name)
    children: list[int] = []
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        pid = os.fork()
        if pid == 0:
            extra = {"pause": STEP} if name == "stepping" else {}
            body(str(place), **extra, return_state=True)
            os._exit(0)
        children.append(pid)
        while not (place / "ready").exists():
            time.sleep(0.01)

    def end(_number: int, _frame: object) -> None:
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        signal.pause()


def main() -> None:
    """Measure on a running stack and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api-url", default="http://127.0.0.1:8000")
    parser.add_argument("--prefect-api-url", default="http://127.0.0.1:4200/api")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--fork", nargs=3, metavar=("NAME", "FOLDER", "COUNT"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.fork:
        return fork_jobs(wanted.fork[0], Path(wanted.fork[1]), int(wanted.fork[2]))
    with TemporaryDirectory(prefix="prefect-jobs-stopping-") as folder:
        print(measure(Bench(wanted.api_url, wanted.prefect_api_url, Path(folder)), wanted.count))


if __name__ == "__main__":
    main()
