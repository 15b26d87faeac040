"""Finding, freezing and killing the processes of a job: real ones, of this test's own."""

import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass

import psutil
import pytest

from prefect_jobs.sidecar import process_tree
from prefect_jobs.sidecar.process_tree import MARK, NAME, ProcessTree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and pidfds are Linux's")

SLEEP = "import time; time.sleep(60)"
ORPHAN = f"import os; print(os.getpid(), flush=True); os.close(1); {SLEEP}"
WATCHING = f"open('/proc/self/comm', 'w').write({NAME!r}); print('named', flush=True); {SLEEP}"
JOB = f"""
import os, subprocess, sys
python = [sys.executable, "-S", "-c"]
child = subprocess.Popen([*python, {SLEEP!r}])
watching = subprocess.Popen([*python, {WATCHING!r}], stdout=subprocess.PIPE)
watching.stdout.readline()
environment = {{**os.environ, {MARK!r}: "of this job"}}
leave = ["sh", "-c", 'exec 3>&1; "$@" >&3 &', "sh", *python, {ORPHAN!r}]
orphan = subprocess.Popen(leave, stdout=subprocess.PIPE, env=environment)
print(child.pid, int(orphan.stdout.readline()), watching.pid, flush=True)
sys.stdin.read()
"""


@dataclass
class Job:
    process: "subprocess.Popen[str]"
    pidfd: int
    child: int
    orphan: int
    watching: int

    @property
    def tree(self) -> ProcessTree:
        return ProcessTree(self.process.pid, self.pidfd, "of this job")

    def states(self) -> list[str]:
        """What its processes are at, the job's own first."""
        found: list[str] = []
        for pid in (self.process.pid, self.child, self.orphan):
            try:
                found.append(psutil.Process(pid).status())
            except psutil.NoSuchProcess:
                found.append("gone")
        return found


@pytest.fixture
def job() -> Generator[Job]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", JOB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    pidfd = os.pidfd_open(process.pid)
    yield Job(process, pidfd, *pids)
    os.close(pidfd)
    for pid in pids:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()
    process.kill()
    process.communicate()


def ended(states: list[str]) -> bool:
    return all(state in ("gone", psutil.STATUS_ZOMBIE) for state in states)


def test_everything_that_stems_from_a_job_is_frozen_and_goes_on(job: Job) -> None:
    """The orphan's parent is not the job any more: its mark gives it away."""
    tree = job.tree
    tree.freeze()
    assert job.states() == [psutil.STATUS_STOPPED] * 3
    tree.thaw()
    assert psutil.STATUS_STOPPED not in job.states()


def test_everything_is_killed_and_named_with_the_job_first(job: Job) -> None:
    tree = job.tree
    tree.freeze()
    killed = tree.kill()
    assert next(pid for pid, _ in killed) == job.process.pid
    assert {pid for pid, _ in killed} == {job.process.pid, job.child, job.orphan}
    assert ended(job.states())


def test_what_a_dead_job_left_is_found_by_what_was_seen_of_it(job: Job) -> None:
    tree = job.tree
    tree.remember()
    job.process.kill()
    job.process.wait()
    assert {pid for pid, _ in tree.kill()} == {job.child, job.orphan}
    assert ended(job.states())


def test_processes_of_others_and_sidecars_are_left_alone(job: Job) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", SLEEP]) as other:
        killed = {pid for pid, _ in job.tree.kill()}
        still_lives = other.poll() is None
        other.kill()
    assert still_lives
    assert killed == {job.process.pid, job.child, job.orphan}
    assert psutil.Process(job.watching).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("refused", [True, False])
def test_what_cannot_be_killed_is_named_and_not_said_to_be_dead(
    job: Job, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """Another user's process refuses the signal; one that is stuck in the kernel takes it, and stays."""
    send = os.kill

    def send_to_all_but_the_child(pid: int, signum: int) -> None:
        if pid != job.child:
            send(pid, signum)
        elif refused:
            raise PermissionError

    monkeypatch.setattr(os, "kill", send_to_all_but_the_child)
    monkeypatch.setattr(process_tree, "FREEZE_WITHIN", 0.1)
    monkeypatch.setattr(process_tree, "GONE_WITHIN", 0.5)
    tree = job.tree
    tree.freeze()
    assert {pid for pid, _ in tree.kill()} == {job.process.pid, job.orphan}
    assert [pid for pid, _ in tree.left] == [job.child]


def test_a_pid_that_came_round_again_is_not_the_same_process(job: Job) -> None:
    tree = ProcessTree(os.getpid(), job.pidfd, "nobody")
    tree._known = {(job.child, 1)}  # pyright: ignore[reportPrivateUsage]  # a process that started at boot
    assert tree.kill() == []
    assert psutil.pid_exists(job.child)
