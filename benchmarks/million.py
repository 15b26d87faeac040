"""A million jobs: how long each question takes over HTTP, on SQLite and on PostgreSQL, beside Prefect's own answers.

Seeds ten thousand and a million made-up runs into job indexes and into Prefect databases (benchmarks.seed), starts a
real Prefect server and `prefect-jobs serve` on them, and asks. The client is a process apart with one connection that
stays open. First nothing else happens but what the adapter does by itself; then the same while a hundred changes a
second pass through the index's own write path (benchmarks.busy_adapter).

    python -m benchmarks.million [--quick] [--data FOLDER]    # the folder keeps what was seeded for the next time
"""

import argparse
import asyncio
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.postgres_server import create_database, postgres_server
from benchmarks.prefect_server import prefect_server
from benchmarks.questions import PREFECT_QUESTIONS, Known, Question, questions
from benchmarks.sample_runs import default_moment
from benchmarks.seed import Past, check, seed
from tests.postgres_server import programs
from tests.stack import clean_environment, eventually, free_port

SMALL = 10_000
GROWTH_GOAL = 1.5
BUSY_GOAL = 3.0
START_GOAL_SECONDS = 15
IDLE_SECONDS = 30.0
"""How long the adapter is watched while nobody asks it anything."""
PREFECT_BUDGET = 20.0
"""Seconds for each question to Prefect, which may take many for one."""
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Times:
    """How long the answers to one question took, in milliseconds."""

    all: tuple[float, ...]

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.all)

    @property
    def p95(self) -> float:
        """What 95 % did not exceed."""
        return sorted(self.all)[max(0, -(-len(self.all) * 95 // 100) - 1)]

    @property
    def text(self) -> str:
        """Both, as the tables show them."""
        return f"{number(self.p50)} / {number(self.p95)}"


def say(text: str) -> None:
    """Tell who watches; the tables go to standard output."""
    print(text, file=sys.stderr, flush=True)


def number(value: float) -> str:
    """Two digits that count."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


class Client:
    """One connection that stays open: the standard library's, as it adds least of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        address = urlsplit(url)
        self._base = address.path.rstrip("/")
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)

    def ask(self, path: str, body: Any = None) -> tuple[float, bytes]:
        """Milliseconds to the end of the answer, and the answer."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if data else {}
        began = time.perf_counter()
        self._connection.request("POST" if data else "GET", self._base + path, data, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {content[:300]!r}")
        return took, content

    def close(self) -> None:
        """Let the connection go; the next question makes a new one."""
        self._connection.close()

    def json(self, path: str) -> Any:
        """The answer to a GET, read."""
        return json.loads(self.ask(path)[1])


@dataclass(frozen=True, slots=True)
class Adapter:
    """A running `prefect-jobs serve`."""

    process: psutil.Process
    client: Client
    started_in: float
    log: Path

    def change_jobs(self, *, begin: bool) -> None:
        """Begin or end the changes."""
        self.process.send_signal(signal.SIGUSR1 if begin else signal.SIGUSR2)


@contextmanager
def serving(folder: Path, index_url: str, prefect_api_url: str) -> Generator[Adapter]:
    """Start the adapter on this index."""
    port = free_port()
    log_path = folder / "adapter.log"
    environment = {
        **clean_environment(),
        "PREFECT_API_URL": prefect_api_url,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_JOBS_DATA_DIR": str(folder / "data"),
        "PREFECT_JOBS_INDEX_URL": index_url,
    }
    command = [sys.executable, "-m", "benchmarks.busy_adapter", "--port", str(port)]
    began = time.perf_counter()
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the adapter ended with {process.returncode}: {log_path.read_text()[-2000:]}")
        Client(f"http://127.0.0.1:{port}").ask("/healthz")
        return True

    def look() -> bool:
        try:
            return answers()
        except OSError:
            return False

    try:
        eventually(look, within=300, what="the adapter")
        client = Client(f"http://127.0.0.1:{port}")
        yield Adapter(psutil.Process(process.pid), client, time.perf_counter() - began, log_path)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def what_is_there(client: Client, past: Past) -> Known:
    """Ids and words of jobs all over the past."""
    dice = random.Random(3)
    ids: list[str] = []
    words: set[str] = set()
    for _ in range(20):
        page = client.json(f"/api/jobs?limit=50&offset={dice.randrange(past.jobs - 2_000)}")
        for job in page["items"]:
            ids.append(job["job_id"])
            if isinstance(job["result"], dict) and "file_path" in job["result"]:
                words.add(job["result"]["file_path"].rpartition("-")[2].partition(".")[0])
    return Known(past.jobs, past.now, ids, sorted(words))


def idling(adapter: Adapter) -> float:
    """How much of a core the adapter takes by itself, in percent; its first readings are over by then."""
    adapter.client.close()  # the server would, after some seconds
    time.sleep(IDLE_SECONDS / 2)
    before, began = adapter.process.cpu_times(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after = adapter.process.cpu_times()
    return 100 * (after.user + after.system - before.user - before.system) / (time.monotonic() - began)


def asked(adapter: Adapter, every: Sequence[Question], count: int) -> dict[str, Times]:
    """Ask each question so many times, each with values of its own."""
    found: dict[str, Times] = {}
    for question in every:
        dice = random.Random(question.name)
        cpu = adapter.process.cpu_times()
        took = tuple(adapter.client.ask(question.path(dice))[0] for _ in range(count))
        after = adapter.process.cpu_times()
        found[question.name] = times = Times(took)
        spent = (after.user + after.system - cpu.user - cpu.system) * 1000 / count
        load = os.getloadavg()[0]
        say(
            f"   {question.name:45} {times.text:>15} ms, at most {number(max(took)):>5}; "
            f"processor {spent:.1f} ms, load {load:.1f}"
        )
    return found


def asked_of_prefect(api_url: str, known: Known, count: int) -> dict[str, Times]:
    """The same of Prefect, as often as its time allows."""
    client = Client(api_url)
    found: dict[str, Times] = {}
    for question in PREFECT_QUESTIONS:
        dice = random.Random(question.name)
        took: list[float] = []
        began = time.perf_counter()
        while len(took) < count and (len(took) < 3 or time.perf_counter() - began < PREFECT_BUDGET):
            if question.path:
                took.append(client.ask(question.path, question.body(dice))[0])
            else:
                took.append(client.ask(f"/flow_runs/{dice.choice(known.ids)}")[0])
        found[question.name] = times = Times(tuple(took))
        say(f"   {question.name:45} {times.text:>15} ms ({len(took)})")
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one database at one size."""

    quiet: dict[str, Times]
    busy: dict[str, Times]
    changes: str
    idle: float
    """Share of a core that the adapter takes while nobody asks, in percent."""
    active: int
    """Jobs that have not ended, which it reads from Prefect again and again."""
    started_in: float
    rss: float
    uss: float
    known: Known


def measure(folder: Path, index_url: str, prefect_api_url: str, past: Past, count: int, *, busy: bool) -> Measured:
    """Ask one adapter everything."""
    with serving(folder, index_url, prefect_api_url) as adapter:
        known = what_is_there(adapter.client, past)
        every = questions(known)
        say(f"{past.jobs:,} jobs, {index_url.split(':')[0]}, up in {adapter.started_in:.1f} s")
        idle = idling(adapter)
        stats = adapter.client.json("/api/jobs/stats")
        active = sum(one["count"] for one in stats["by_status"] if one["status"] in ("pending", "running"))
        say(f"   {active} active jobs, and nobody asks: {idle:.1f} % of a core")
        quiet = asked(adapter, every, count)
        memory = adapter.process.memory_full_info()
        changed, told = {}, ""
        if busy:
            say("   while jobs change:")
            adapter.change_jobs(begin=True)
            changed = asked(adapter, every, count)
            adapter.change_jobs(begin=False)
            told = eventually(lambda: _changes(adapter.log.read_text()), what="the count of the changes")
        return Measured(
            quiet, changed, told or "", idle, active, adapter.started_in, memory.rss / 1e6, memory.uss / 1e6, known
        )


def _changes(log: str) -> str | None:
    lines = [line.removeprefix("CHANGED ") for line in log.splitlines() if line.startswith("CHANGED ")]
    return lines[-1] if lines else None


# -- the page -------------------------------------------------------------------------------------------------------


def _met(value: float, goal: float | None) -> str:
    return "" if goal is None else " ✓" if value <= goal else " **✗**"


def database_table(every: Sequence[Question], small: Measured, large: Measured) -> str:
    """One database: ratios first."""
    rows = [
        "| question | p95, 1,000,000 to 10,000 jobs | p95, with changes to without | p50 / p95 ms | goal p95 | "
        "p50 / p95 ms with changes | p50 / p95 ms at 10,000 |",
        "|---|---|---|---|---|---|---|",
    ]
    for question in every:
        quiet, busy, before = (part[question.name] for part in (large.quiet, large.busy, small.quiet))
        growth, slower = quiet.p95 / before.p95, busy.p95 / quiet.p95
        goal = question.goal_ms
        rows.append(
            f"| {question.name} | {growth:.1f}{_met(growth, GROWTH_GOAL if question.is_list else None)} "
            f"| {slower:.1f}{_met(slower, BUSY_GOAL)} "
            f"| {quiet.text}{_met(quiet.p95, goal)} | {'' if goal is None else f'≤ {goal:g}'} | {busy.text} "
            f"| {before.text} |"
        )
    return "\n".join(rows)


def prefect_table(prefect: dict[str, Times], measured: dict[str, Measured]) -> str:
    """Prefect beside us: ratios of the medians first."""
    names = [DATABASES[name] for name in measured]
    rows = [
        f"| Prefect's own | {' | '.join(f'times ours on {name}' for name in names)} | p50 / p95 ms | asked | ours |",
        "|---|" + "---|" * (len(names) + 3),
    ]
    for question in PREFECT_QUESTIONS:
        times = prefect[question.name]
        ratios = [times.p50 / one.quiet[question.beside].p50 for one in measured.values()]
        shown = " | ".join(f"{ratio:.1f}" for ratio in ratios)
        rows.append(f"| {question.name} | {shown} | {times.text} | {len(times.all)} | {question.beside} |")
    return "\n".join(rows)


def report(
    every: Sequence[Question],
    past: Past,
    small: dict[str, Measured],
    large: dict[str, Measured],
    prefect: dict[str, Times],
    took: dict[str, float],
    count: int,
    load: float,
) -> str:
    """The Markdown of everything."""
    parts = [
        f"Each question {count} times, with other values each time; one client on one connection that stays open. "
        f"{past.jobs:,} jobs, asked while the adapter reads every job at work from Prefect every few seconds. "
        f"Load of the machine at the start: {load:.1f}.",
        prefect_table(prefect, large),
    ]
    for name, measured in large.items():
        parts += [
            f"### On {DATABASES[name]}",
            database_table(every, small[name], measured),
            f"Changes: {measured.changes}. From the start of `prefect-jobs serve` to its first answer "
            f"{measured.started_in:.1f} s (at {SMALL:,} jobs {small[name].started_in:.1f} s; the goal is "
            f"{START_GOAL_SECONDS} s for reading the index). Memory: {measured.rss:,.0f} MB resident, "
            f"{measured.uss:,.0f} MB its own (at {SMALL:,} jobs {small[name].uss:,.0f} MB). With {measured.active:,} "
            f"active jobs and nobody asking it takes {measured.idle:.0f} % of a core.",
        ]
    if took:
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items())
        parts.append(f"Seeding {past.jobs:,} runs: {times}.")
    return "\n\n".join(parts)


def main() -> None:
    """Seed, ask, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="20,000 jobs, each question 40 times")
    parser.add_argument("--count", type=int, default=200, help="times each question is asked")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one; repeatable")
    parser.add_argument("--data", type=Path, help="keep what is seeded in this folder, and use what is there")
    options = parser.parse_args()
    jobs, count = (20_000, 40) if options.quick else (options.jobs, options.count)
    databases = options.database or [*DATABASES]
    if "postgresql" in databases and programs() is None:
        raise SystemExit("This measures PostgreSQL too: apt-get install postgresql, or --database sqlite")
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prefect-jobs-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(postgres_server(folder / "postgres")) if "postgresql" in databases else ""
        took: dict[str, float] = {}
        found: dict[int, dict[str, Measured]] = {}
        prefect: dict[str, Times] = {}
        for size in (SMALL, jobs):
            place = folder / str(size)
            urls = {name: url_of_index(name, place, server) for name in databases}
            past, took = seeded(place, size, urls, server)
            with prefect_server(place / "prefect.db") as api_url:
                if took:
                    for url in urls.values():
                        asyncio.run(check(url, api_url, past))
                found[size] = {
                    name: measure(place, url, api_url, past, count, busy=size == jobs) for name, url in urls.items()
                }
                if size == jobs:
                    prefect = asked_of_prefect(api_url, found[size][databases[0]].known, count)
        every = questions(Known(jobs, past.now, [""], [""]))
        print(report(every, past, found[SMALL], found[jobs], prefect, took, count, load))


def url_of_index(name: str, place: Path, server: str) -> str:
    """The URL of the index in this folder, or on this PostgreSQL server."""
    return f"sqlite+aiosqlite:///{place / 'index.db'}" if name == "sqlite" else f"{server}jobs_{place.name}"


def seeded(place: Path, size: int, urls: dict[str, str], server: str) -> tuple[Past, dict[str, float]]:
    """The past in this folder, made when it is not there, and the seconds that this took."""
    noted = place / "past.json"
    if noted.exists():
        return Past(size, datetime.fromisoformat(json.loads(noted.read_text())["now"])), {}
    place.mkdir(parents=True, exist_ok=True)
    past = Past(size, default_moment())
    if "postgresql" in urls:
        create_database(server, f"jobs_{place.name}")
    took = seed(past, [*urls.values()], place / "prefect.db")
    noted.write_text(json.dumps({"now": past.now.isoformat()}))
    return past, took


if __name__ == "__main__":
    main()
