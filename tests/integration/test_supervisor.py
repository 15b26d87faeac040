"""The supervisor, with small commands for children. It runs in a process of its own, because it ends every process that
stems from the one it runs in."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.stack import NotInTime, eventually, free_port

READY = "from prefect_jobs.notify import ReadyNotice; ReadyNotice().send()"
SLEEP = "import time; time.sleep(1000)"
SAY = "import asyncio; from prefect_jobs.notify import ReadyNotice; notice = ReadyNotice()"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"

APART = "start_new_session=True"
FORK = "import os, time; os.fork() == 0 and (time.sleep(0.5), print('buried', flush=True))"
"""Leaves an orphan that dies a moment later."""


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def guardian_of(supervised: "Supervised") -> int:
    for child in psutil.Process(supervised.process.pid).children():
        with suppress(psutil.Error):
            if any(word.endswith("guardian.py") for word in child.cmdline()):
                return child.pid
    return 0


class Supervised:
    """A supervisor at work on `name: code` children, one stage each."""

    def __init__(self, folder: Path, children: dict[str, str], stop_seconds: float = 5, patience: float = 30) -> None:
        self._out = folder / "out"
        script = f"""
            import asyncio, sys
            from prefect_jobs.supervisor import AnswersHttp, ChildNeverReady, ChildSpec, Console, SaysReady, Supervisor

            async def ready():
                print("all ready", flush=True)

            def child(name, code):
                mark = {{"MARK": {str(folder)!r}}}
                port = code.partition("port = ")[2].partition(";")[0]
                ready = AnswersHttp(f"http://127.0.0.1:{{port}}/") if port else SaysReady()
                return ChildSpec(name, (sys.executable, "-c", code), ready, mark, {stop_seconds})

            stages = [[child(*item)] for item in {children!r}.items()]
            console = Console(tuple({list(children)!r}), colour=False)
            try:
                asyncio.run(Supervisor(stages, console, patience={patience}).run(ready))
            except ChildNeverReady as error:
                print(error)
                sys.exit(2)
        """
        with self._out.open("wb") as out:
            self.process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=out, stderr=out)
        self._mark = str(folder)

    @property
    def output(self) -> str:
        return self._out.read_text()

    def wait_for(self, text: str) -> None:
        eventually(lambda: text in self.output, what=text)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(15)

    def left(self) -> list[int]:
        found: list[int] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("MARK") == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(tmp_path: Path) -> Generator[Supervise]:
    """Starts supervisors; those that still run at the end of a failed test are ended."""
    started: list[Supervised] = []

    def start(children: dict[str, str], stop_seconds: float = 5, patience: float = 30) -> Supervised:
        started.append(Supervised(tmp_path, children, stop_seconds, patience))
        return started[-1]

    yield start
    for supervised in started:
        supervised.process.kill()
        supervised.process.wait()
        for pid in supervised.left():
            os.kill(pid, signal.SIGKILL)


def test_children_start_in_order_each_when_the_one_before_is_ready(supervise: Supervise) -> None:
    slow = f"import time; time.sleep(0.3); print('slow is ready', flush=True); {READY}; {SLEEP}"
    supervised = supervise({"slow": slow, "quick": f"print('quick started', flush=True); {READY}; {SLEEP}"})

    supervised.wait_for("all ready")
    assert supervised.stop() == 0

    lines = supervised.output.splitlines()
    assert lines[0] == "slow  | slow is ready"
    assert set(lines[1:]) == {"quick | quick started", "all ready"}


def test_a_stop_leaves_nothing_not_even_a_grandchild_that_went_its_own_way(supervise: Supervise) -> None:
    daemon = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], start_new_session=True)"
    supervised = supervise({"parent": f"{daemon}; {READY}; {SLEEP}"})
    supervised.wait_for("all ready")
    eventually(lambda: len(supervised.left()) == 2)

    assert supervised.stop() == 0

    assert supervised.left() == []


def test_a_child_that_ignores_the_stop_is_killed(supervise: Supervise) -> None:
    supervised = supervise({"stubborn": f"{READY}; {STUBBORN}"}, stop_seconds=0.2)
    supervised.wait_for("all ready")

    assert supervised.stop() == 0

    assert supervised.left() == []


def test_a_second_signal_kills_at_once(supervise: Supervise) -> None:
    spawn = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], start_new_session=True)"
    supervised = supervise({"stubborn": f"{spawn}; {READY}; {STUBBORN}"}, stop_seconds=600)
    supervised.wait_for("all ready")
    supervised.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        supervised.process.wait(0.3)

    assert supervised.stop(signal.SIGINT) == 0

    assert supervised.left() == []


def test_a_child_that_dies_is_started_again_and_says_so(supervise: Supervise) -> None:
    supervised = supervise({"mortal": f"import os; print('pid', os.getpid(), flush=True); {READY}; {SLEEP}"})
    supervised.wait_for("all ready")
    first = int(supervised.output.split("pid ")[1].split()[0])

    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervised.output.count("pid ") == 2)

    assert "mortal | was ended by SIGKILL; starting it again in 0.5 s" in supervised.output
    assert supervised.stop() == 0
    assert supervised.left() == []


def test_what_a_dead_child_left_behind_is_ended_before_it_is_started_again(supervise: Supervise) -> None:
    """Two workers' jobs at once on one machine, one of them nobody's, was what a crash of the worker meant before."""
    spawn = (
        f"import subprocess, sys, os; p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"
    )
    tell = "print('pids', os.getpid(), p.pid, flush=True)"
    supervised = supervise({"worker": f"{spawn}; {tell}; {READY}; {SLEEP}"})
    supervised.wait_for("all ready")
    worker, job = map(int, supervised.output.split("pids ")[1].split()[:2])

    os.kill(worker, signal.SIGKILL)
    eventually(lambda: supervised.output.count("pids ") == 2)

    assert job not in supervised.left()
    assert supervised.stop() == 0


def test_a_child_that_ends_before_it_was_ready_stops_everything(supervise: Supervise) -> None:
    supervised = supervise({"good": f"{READY}; {SLEEP}", "bad": "import sys; sys.exit(3)"})

    assert supervised.process.wait(15) == 2

    assert "bad ended with exit code 3 before it was ready" in supervised.output
    assert supervised.left() == []


def test_children_do_not_outlive_a_supervisor_that_is_killed(supervise: Supervise) -> None:
    supervised = supervise({"child": f"{READY}; {SLEEP}"})
    supervised.wait_for("all ready")

    supervised.process.kill()
    supervised.process.wait()

    eventually(lambda: supervised.left() == [])


def test_what_is_stopped_or_stuck_does_not_outlive_a_killed_supervisor_either(supervise: Supervise) -> None:
    """A server that was stuck lived on for eleven minutes beside its successor, on the same database: it heeded no
    signal. Nor did what it had started, in sessions of their own and without its environment."""
    hidden = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], env={{}}, {APART})"
    tell = "import os; print('pids', os.getpid(), p.pid, flush=True)"
    supervised = supervise({"stuck": f"{hidden}; {tell}; {READY}; {STUBBORN}"})
    supervised.wait_for("all ready")
    pids = [int(pid) for pid in supervised.output.split("pids ")[1].split()[:2]]
    os.kill(pids[0], signal.SIGSTOP)
    first = guardian_of(supervised)
    os.kill(first, signal.SIGKILL)  # what ends the rest is there again when it was killed itself
    eventually(lambda: guardian_of(supervised) not in (0, first))

    supervised.process.kill()
    supervised.process.wait()

    try:
        eventually(lambda: not any(map(lives, pids)), within=40)
    finally:
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)


def test_the_dead_are_taken_leave_of(supervise: Supervise) -> None:
    """Whoever adopts orphans must bury them: 26 of them kept their places in the process table after two kills."""
    orphans = f"import subprocess, sys; [subprocess.Popen([sys.executable, '-c', {FORK!r}]).wait() for _ in range(5)]"
    supervised = supervise({"parent": f"{orphans}; {READY}; {SLEEP}"})
    supervised.wait_for("all ready")

    me = psutil.Process(supervised.process.pid)
    eventually(lambda: supervised.output.count("buried") == 5)
    eventually(lambda: not [one for one in me.children() if one.status() == psutil.STATUS_ZOMBIE], within=30)
    assert len(me.children()) == 2  # the parent, and the guardian


SERVER = """
import http.server, time, os
port = {port}; print('pid', os.getpid(), flush=True)
time.sleep({pause})
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Length', '0'); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(('127.0.0.1', port), Answer).serve_forever()
"""


@pytest.mark.parametrize("way", ["over HTTP", "by signs of life"])
def test_a_child_that_lives_and_says_nothing_is_started_again(supervise: Supervise, way: str) -> None:
    """`up` saw a living process, and the server never answered again."""
    tell = f"{SAY}; notice._every = 0.1; import os; print('pid', os.getpid(), flush=True)"
    signs = f"{tell}; notice.send(); asyncio.run(notice.keep_saying())"
    code = SERVER.format(port=free_port(), pause=0) if way == "over HTTP" else signs
    supervised = supervise({"child": code}, patience=3)
    supervised.wait_for("all ready")
    first = int(supervised.output.split("pid ")[1].split()[0])

    os.kill(first, signal.SIGSTOP)
    eventually(lambda: supervised.output.count("pid ") == 2, within=60)

    assert "child | lives and did not answer for 3 seconds; starting it again in 0.5 s" in supervised.output
    assert not lives(first)
    assert supervised.stop() == 0
    assert supervised.left() == []


def test_a_child_that_is_slow_to_start_is_given_its_time_whenever_it_starts(supervise: Supervise) -> None:
    supervised = supervise({"slow": SERVER.format(port=free_port(), pause=2.5)}, patience=0.5)
    supervised.wait_for("all ready")
    os.kill(int(supervised.output.split("pid ")[1].split()[0]), signal.SIGKILL)
    eventually(lambda: supervised.output.count("pid ") == 2)

    with pytest.raises(NotInTime):
        eventually(lambda: supervised.output.count("pid ") == 3, within=4)

    assert "did not answer" not in supervised.output
    assert supervised.stop() == 0


def test_a_child_that_gives_no_signs_of_life_is_not_asked_for_any(supervise: Supervise) -> None:
    supervised = supervise({"quiet": f"{READY}; {SLEEP}"}, patience=0.2)
    supervised.wait_for("all ready")

    with pytest.raises(NotInTime):
        eventually(lambda: "again" in supervised.output, within=1.5)


def test_nothing_a_child_prints_can_drive_the_terminal(supervise: Supervise) -> None:
    hostile = r"print('\x1b]0;owned\x07 \x1b[2J\r gone', flush=True)"
    supervised = supervise({"child": f"{hostile}; {READY}; {SLEEP}"})
    supervised.wait_for("all ready")
    supervised.stop()

    assert "\x1b" not in supervised.output
    assert r"child | \x1b]0;owned\x07 \x1b[2J\x0d gone" in supervised.output


def test_a_line_without_end_is_shown_in_pieces(supervise: Supervise) -> None:
    endless = "import sys; sys.stdout.write('x' * 200_000); sys.stdout.flush()"
    supervised = supervise({"child": f"{endless}; {READY}; {SLEEP}"})
    supervised.wait_for("all ready")
    supervised.stop()

    assert supervised.output.count("x") == 200_000 + supervised.output.count("exit")
