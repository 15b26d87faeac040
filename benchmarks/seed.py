"""Write the same made-up past into a job index and into a Prefect database, a million runs in minutes.

Through their APIs it would take days. So the rows are written in bulk: the index's by its own row maker, Prefect's as
its server writes them, into the schema that Prefect's own migrations made; afterwards a real server is started on them
and asked. Both sides draw the same runs from the same seed, each in a process of its own.

    python -m benchmarks.seed --jobs 1000000 --index sqlite+aiosqlite:////tmp/index.db --prefect /tmp/prefect.db
"""

import argparse
import asyncio
import json
import multiprocessing
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from rich.progress import Progress
from sqlalchemy import JSON, make_url

from benchmarks.prefect_rows import bare_of_indexes, prefect_rows, write_deployments
from benchmarks.prefect_server import create_database, prefect_server
from benchmarks.sample_runs import default_moment, sample_runs
from prefect_jobs.gateway import Bookmark
from prefect_jobs.gateway.prefect import PrefectGateway
from prefect_jobs.jobs import job_from_run
from prefect_jobs.store import JobIndex, open_database
from prefect_jobs.store.rows import row_of
from prefect_jobs.store.tables import Moment, jobs, to_microseconds

Report = Callable[[int], None]
COLUMNS = [column for column in jobs.columns if column.name != "slot"]
NAMES = [column.name for column in COLUMNS]


@dataclass(frozen=True, slots=True)
class Past:
    """Which past: the same values make the same runs."""

    jobs: int
    now: datetime
    seed: int = 1


# -- the index ------------------------------------------------------------------------------------------------------


async def _prepare(url: str) -> None:
    async with open_database(url):
        pass


def seed_index(url: str, past: Past, report: Report = lambda _count: None) -> None:
    """Fill an empty job index at this SQLAlchemy URL."""
    asyncio.run(_prepare(url))
    _fill(url, _index_rows(past), report)


def copy_index(file: Path, url: str, report: Report = lambda _count: None) -> None:
    """Fill an empty job index at this URL with what the SQLite index in this file holds."""
    asyncio.run(_prepare(url))

    def rows() -> Iterator[list[Sequence[Any]]]:
        with closing(sqlite3.connect(file)) as source:
            found = source.execute(f"SELECT {', '.join(NAMES)} FROM jobs ORDER BY slot")
            yes_or_no = NAMES.index("uses_kit")
            while chunk := found.fetchmany(10_000):
                yield [[*row[:yes_or_no], bool(row[yes_or_no]), *row[yes_or_no + 1 :]] for row in chunk]

    _fill(url, rows(), report)


def _fill(url: str, chunks: Iterable[list[Sequence[Any]]], report: Report) -> None:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(address.database), isolation_level=None)) as database:
            _fill_sqlite(database, chunks, report)
    else:
        plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as database:
            _fill_postgres(database, chunks, report)


def _fill_sqlite(database: sqlite3.Connection, chunks: Iterable[list[Sequence[Any]]], report: Report) -> None:
    database.execute("PRAGMA synchronous=OFF")
    database.execute("PRAGMA cache_size=-400000")
    database.execute("BEGIN")
    for rows in chunks:
        places = ", ".join("?" * len(NAMES))
        database.executemany(f"INSERT INTO jobs ({', '.join(NAMES)}) VALUES ({places})", rows)
        report(len(rows))
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill_postgres(database: psycopg.Connection, chunks: Iterable[list[Sequence[Any]]], report: Report) -> None:
    for rows in chunks:
        with database.cursor() as cursor, cursor.copy(f"COPY jobs ({', '.join(NAMES)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        report(len(rows))
    database.commit()
    # As autovacuum would within minutes.
    database.autocommit = True
    database.execute("VACUUM ANALYZE jobs")


def _index_rows(past: Past) -> Iterator[list[Sequence[Any]]]:
    """Some thousand rows, again and again. The database gives the slots.

    A new index has its clock at the time in ms: versions counted from 1 are below, and none is seen as a change.
    """
    moments = [column.name for column in COLUMNS if isinstance(column.type, Moment)]
    documents = [column.name for column in COLUMNS if isinstance(column.type, JSON)]

    def stored(row: dict[str, Any]) -> Sequence[Any]:
        for name in documents:
            row[name] = "null" if row[name] is None else json.dumps(row[name])
        for name in moments:
            if row[name] is not None:
                row[name] = to_microseconds(row[name])
        return [row[name] for name in NAMES]

    version = 0
    for chunk in sample_runs(past.jobs, seed=past.seed, now=past.now):
        rows: list[Sequence[Any]] = []
        for sample in chunk:
            version += 1
            rows.append(stored(row_of(job_from_run(sample.run, now=past.now)) | {"version": version}))
        yield rows


# -- Prefect --------------------------------------------------------------------------------------------------------


def seed_prefect(file: Path, past: Past, report: Report = lambda _count: None) -> None:
    """Fill a new Prefect database in this file."""
    create_database(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-400000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        flow_ids = write_deployments(database, past.seed, past.now)
        with bare_of_indexes(database, "flow_run", "flow_run_state"):
            for chunk in sample_runs(past.jobs, seed=past.seed, now=past.now):
                runs, states = prefect_rows(chunk, flow_ids)
                _insert(database, "flow_run", runs)
                _insert(database, "flow_run_state", states)
                report(len(runs))
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=WAL")


def _insert(database: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    columns = ", ".join(rows[0])
    places = ", ".join("?" * len(rows[0]))
    database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", (tuple(row.values()) for row in rows))


# -- both -----------------------------------------------------------------------------------------------------------


def seed(past: Past, indexes: Sequence[str], prefect: Path | None) -> dict[str, float]:
    """Fill all of these, side by side; further indexes are copied from the first, a SQLite one.

    Returns the seconds that each took.
    """
    context = multiprocessing.get_context("spawn")
    news: Any = context.SimpleQueue()
    first = {url: (seed_index, url, past) for url in indexes[:1]}
    copies = {url: (copy_index, Path(make_url(indexes[0]).database or ""), url) for url in indexes[1:]}
    last = {"prefect": (seed_prefect, prefect, past)} if prefect else {}
    took: dict[str, float] = {}
    with Progress(disable=not sys.stderr.isatty()) as progress:
        bars = {name: progress.add_task(_plain(name), total=past.jobs) for name in (*first, *copies, *last)}

        def start(targets: Mapping[str, tuple[Any, ...]]) -> None:
            for name, what in targets.items():
                context.Process(target=_seed_one, args=(name, news, *what)).start()

        start(first | last)
        while len(took) < len(bars):
            name, count, seconds = news.get()
            if count < 0:
                raise SystemExit(f"Writing to {_plain(name)} failed")
            progress.advance(bars[name], count)
            if seconds is not None:
                took[_plain(name)] = seconds
                if name in first:
                    start(copies)
    return took


def _plain(name: str) -> str:
    return make_url(name).get_backend_name() if "://" in name else name


def _seed_one(name: str, news: Any, fill: Callable[..., None], *what: Any) -> None:
    began = time.perf_counter()
    try:
        fill(*what, lambda count: news.put((name, count, None)))
    except BaseException:
        news.put((name, -1, None))
        raise
    news.put((name, 0, time.perf_counter() - began))


async def check(index_url: str, prefect_api_url: str, past: Past) -> None:
    """Stop unless the server counts every run, and the index holds of some of them just what the server says."""
    async with PrefectGateway.connect(prefect_api_url) as gateway, open_database(index_url) as database:
        answer = await gateway.count_runs()
        if answer != past.jobs:
            raise SystemExit(f"Prefect counts {answer:,} runs, expected {past.jobs:,}")
        runs = (await gateway.all_runs(at=Bookmark("since", past.now - timedelta(days=45)))).runs
        runs += (await gateway.active_runs(due_before=past.now)).runs
        changes = await JobIndex(database).apply(runs, now=past.now)
        if changes:
            raise SystemExit(f"{len(changes)} of {len(runs)} jobs differ from Prefect, such as {changes[0]}")


def main() -> None:
    """Seed what the command line names, and check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--index", action="append", default=[], help="SQLAlchemy URL of an empty index; repeatable")
    parser.add_argument("--prefect", type=Path, help="file of the Prefect database to make")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--now", type=datetime.fromisoformat, default=default_moment(), help="end of that past, with offset"
    )
    asked = parser.parse_args()
    past = Past(asked.jobs, asked.now, asked.seed)
    if asked.prefect and asked.prefect.exists():
        raise SystemExit(f"{asked.prefect} exists already")
    for name, seconds in seed(past, asked.index, asked.prefect).items():
        print(f"{past.jobs:,} jobs into {name}: {seconds:.0f} s")
    if asked.prefect and asked.index:
        with prefect_server(asked.prefect) as api_url:
            for url in asked.index:
                asyncio.run(check(url, api_url, past))
        print("Prefect lists and counts them, and the index says of them what Prefect says.")


if __name__ == "__main__":
    main()
