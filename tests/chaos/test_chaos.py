"""Short jobs of the kit and plain ones, cancelled wherever they stand, while everything that runs is killed.

Afterwards each job has one end, no code ran after it, the index agrees with Prefect, every line of Prefect is here, the
change feed told each end once, and nobody is left.

40 jobs and one kill of each kind of process were measured to cost 212 seconds of CPU, some four of them for each job:
its process imports Prefect. That is two minutes of two cores; 200 jobs would be seven, and the tier may take six.
`CHAOS_JOBS=200 CHAOS_TIMES=2 make test-chaos` has them all.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from prefect_jobs.processes import environment
from prefect_jobs.supervisor.guardian import MARK
from tests.chaos.world import CANCELLED_AT, KILLED, Listener, Wish, World, processes_of_jobs, wishes
from tests.prefect_api import PrefectApi
from tests.stack import Stack, eventually, running_stack

JOBS = int(os.environ.get("CHAOS_JOBS", "40"))
TIMES = int(os.environ.get("CHAOS_TIMES", "1"))
"""How often each kind of process is killed."""
SEED = int(os.environ.get("CHAOS_SEED", "20260304"))
"""Decides which jobs there are, in which order, and in which order what is killed."""
AT_ONCE = 8
ENDED = ("completed", "failed")
CLOCK = 0.25
"""Seconds that the moment of an end and that of a line may differ: of the same clock, read by two processes."""
ALL_END_WITHIN = max(300.0, 10.0 * JOBS)
"""Seconds after the last job was made, on a machine that has much else to do."""
SWEEP_SECONDS = 3


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Generator["Chaos"]:
    """What is left when it is over. Made once: every test below looks at the same."""
    folder = tmp_path_factory.mktemp("chaos")
    lines = folder / "lines"
    lines.mkdir()
    settings = {
        "PREFECT_JOBS_WORKER_LIMIT": str(AT_ONCE),
        "PREFECT_JOBS_SWEEP_SECONDS": str(SWEEP_SECONDS),
    }
    with ExitStack() as at_last, running_stack(folder, settings=settings) as stack:
        yield happened(stack, lines, at_last)


class Chaos:
    """Everything that is known of the jobs once all have ended."""

    def __init__(self, world: World, listener: Listener) -> None:
        self.world, self.listener, self.stack = world, listener, world.stack
        self.api = httpx.Client(base_url=self.stack.api_url, timeout=60)
        with PrefectApi.of(self.stack) as prefect, ThreadPoolExecutor(4) as pool:
            ids = list(world.jobs)
            self.states = dict(zip(ids, pool.map(prefect.states, ids), strict=True))
            self.jobs = dict(zip(ids, pool.map(self._job, ids), strict=True))
            self.histories = dict(zip(ids, pool.map(self._history, ids), strict=True))

    def _job(self, job_id: str) -> dict[str, Any]:
        return self.api.get(f"/api/jobs/{job_id}").raise_for_status().json()

    def _history(self, job_id: str) -> dict[str, Any]:
        return self.api.get(f"/api/jobs/{job_id}/history").raise_for_status().json()

    def told(self, job_id: str) -> str:
        """What happened to a job, for a failure."""
        names = [(state["name"], state["timestamp"][11:23], state["message"]) for state in self.states[job_id]]
        return json.dumps({"wish": vars(self.world.jobs[job_id]), "job": self.jobs[job_id], "prefect": names}, indent=1)

    def lines(self, job_id: str) -> list[tuple[float, int, int]]:
        """Moment, attempt and process of each line that the job's code wrote."""
        file = self.world.folder / job_id
        if not file.exists():
            return []
        words = [line.split() for line in file.read_text().splitlines()]
        return [(float(at), int(attempt), int(pid)) for at, attempt, pid in words]


def happened(stack: Stack, folder: Path, at_last: ExitStack) -> Chaos:
    """Let it happen, and wait until every job has ended. `at_last` is what there is to do when the stack is gone."""
    pick = random.Random(SEED)
    wanted, order = wishes(pick, JOBS, folder), list(KILLED * TIMES)
    pick.shuffle(order)
    world, listener = World(stack, folder), Listener(stack)
    world.deploy()
    began = time.monotonic()
    threads = [
        world.in_thread(lambda: listener.listen(world.over)),
        world.in_thread(world.cancel_in_their_states),
        world.in_thread(lambda: world.kill(order, JOBS)),
    ]
    for thread in threads:
        at_last.callback(thread.join, 60)
    try:
        world.make(wanted, len(order))
        threads[2].join(ALL_END_WITHIN)
        eventually(lambda: world.failures or not still_open(stack, wanted), within=ALL_END_WITHIN, what="all end")
        stack.wait_ready()
        time.sleep(2 * SWEEP_SECONDS)  # what comes after the end: receipts, last lines, a sweep
    finally:
        world.over.set()
    assert not world.failures, world.failures
    print(f"{len(world.jobs)} jobs, killed {world.killed}, in {time.monotonic() - began:.0f} s")
    found = Chaos(world, listener)
    at_last.callback(found.api.close)
    return found


def still_open(stack: Stack, wanted: list[Wish]) -> int:
    """How many jobs have not ended yet, by Prefect; one that is due later and was not cancelled does not count."""
    types = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"]
    body = {"flow_runs": {"state": {"type": {"any_": types}}}}
    return httpx.post(f"{stack.prefect_api_url}/flow_runs/count", json=body, timeout=20).raise_for_status().json()


@pytest.mark.timeout(1800)  # the fixture is all of it
def test_it_was_chaos(chaos: Chaos) -> None:
    """Each kind of process was killed, and jobs were cancelled in every state."""
    assert sorted(chaos.world.killed) == sorted(KILLED * TIMES)
    assert len(chaos.world.jobs) == JOBS
    hit = Counter(name for names in chaos.world.cancelled.values() for name in names)
    assert set(hit) == set(CANCELLED_AT), hit


def test_each_job_has_one_end(chaos: Chaos) -> None:
    """At Prefect no state follows an end, and here no status does, but for the proof of an abort."""
    for job_id, job in chaos.jobs.items():
        assert job["status"] in ENDED, chaos.told(job_id)
        names = [state["name"] for state in chaos.states[job_id]]
        types = [state["type"] for state in chaos.states[job_id]]
        ends = [place for place, kind in enumerate(types) if kind in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")]
        assert len({names[place] for place in ends}) == 1, chaos.told(job_id)
        assert ends == list(range(ends[0], len(types))), chaos.told(job_id)
        told = [transition["to"] for transition in chaos.histories[job_id]["transitions"]]
        assert sum(status in ENDED for status in told) == 1, (chaos.told(job_id), told)
        assert told[-1] == job["status"], (chaos.told(job_id), told)


def test_no_code_ran_after_the_end_and_none_twice_at_a_time(chaos: Chaos) -> None:
    for job_id, job in chaos.jobs.items():
        lines = chaos.lines(job_id)
        if not lines:
            continue
        end = datetime.fromisoformat(job["completed_at"]).timestamp()
        assert lines[-1][0] <= end + CLOCK, (lines[-1][0] - end, chaos.told(job_id))
        processes = [pid for pid, _ in groupby(pid for _, _, pid in lines)]
        assert len(set(processes)) == len(processes), (processes, chaos.told(job_id))


def test_what_was_done_and_not_cancelled_says_so(chaos: Chaos) -> None:
    for job_id, job in chaos.jobs.items():
        if job["status"] == "completed" and job["job_type"].startswith("chaos_kit"):
            assert str(job["result"]).startswith("done by attempt"), chaos.told(job_id)
        if job["status"] == "failed":
            assert job["error"] or job["message"], chaos.told(job_id)


def test_the_index_agrees_with_prefect(chaos: Chaos) -> None:
    line = [sys.executable, "-m", "prefect_jobs.cli", "index", "verify", "--json"]
    done = subprocess.run(line, env=chaos.stack.environment, capture_output=True, text=True, timeout=120, check=False)
    *differences, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert differences == []
    assert (done.returncode, summary["differences"]) == (0, 0), done.stderr
    assert summary["jobs"] == httpx.post(f"{chaos.stack.prefect_api_url}/flow_runs/count", json={}).json()


def test_every_line_of_prefect_is_here_once(chaos: Chaos) -> None:
    with PrefectApi.of(chaos.stack) as prefect:
        for job_id in chaos.jobs:
            there = [line["id"] for line in prefect.logs(job_id)]
            assert len(there) < 200, "expected one page of lines"

            def all_here(job_id: str = job_id, there: list[str] = there) -> bool:
                answer = chaos.api.get(f"/api/jobs/{job_id}/logs", params={"limit": 10_000}).raise_for_status().json()
                here = [line["id"] for line in answer["logs"]]
                return answer["complete"] and sorted(here) == sorted(there)

            eventually(all_here, within=45, what=f"the log of {job_id}")


def test_the_change_feed_told_each_end_once(chaos: Chaos) -> None:
    assert chaos.listener.resets == 0
    for job_id, job in chaos.jobs.items():
        seen = chaos.listener.seen[job_id]
        versions = [version for version, _ in seen]
        assert all(before < after for before, after in pairwise(versions)), versions
        words = [told.status for _, told in seen]
        assert words, chaos.told(job_id)
        assert words[-1] == job["status"], (words, chaos.told(job_id))
        ends = [word for word, _ in groupby(words) if word in ENDED]
        assert len(ends) == 1, (words, chaos.told(job_id))


def test_nobody_is_left(chaos: Chaos) -> None:
    mark = environment(chaos.stack.pid_of("work"))[MARK]
    eventually(lambda: not processes_of_jobs(mark), within=20, what="no process of a job")

    def no_dead() -> bool:
        below = psutil.Process(chaos.stack.pid).children(recursive=True)
        return not [one for one in below if one.is_running() and one.status() == psutil.STATUS_ZOMBIE]

    eventually(no_dead, within=20, what="no dead child that nobody takes leave of")
