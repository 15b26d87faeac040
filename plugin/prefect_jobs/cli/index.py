"""`prefect-jobs index`: what the job index holds, whether it is right, and how to make it anew.

All of them work beside a running server: it follows what is written here.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from prefect_jobs.cli.refusals import ExitCode, Refusal, refusing, refusing_missing_parts, refusing_with
from prefect_jobs.cli.tables import lasting
from prefect_jobs.cli.terminal import console, plain, print_json, print_text

if TYPE_CHECKING:
    from prefect_jobs.gateway import Gateway
    from prefect_jobs.store.database import Database

T = TypeVar("T")

index = typer.Typer(help="The job index: what it holds, whether it is right, and making it anew.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")]
SHOWN = 60
"""Characters of a value that a difference shows."""


@index.command()
def status(as_json: AsJson = False) -> None:
    """Say what the index holds, and how old it is."""
    _run(lambda: _status(as_json=as_json))


@index.command()
def verify(
    transitions: Annotated[
        bool, typer.Option(help="Compare each job's past too: a request to Prefect or two for each job.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Compare every field of every job with Prefect, and print each difference.

    What is only on its way is waited for, some seconds. Exit code 1 when there is a difference.
    """
    if _run(lambda: _verify(transitions=transitions, as_json=as_json)):
        raise typer.Exit(ExitCode.NOT_DONE)


@index.command()
def rebuild() -> None:
    """Read every job from Prefect again, and write what is not as today's release would write it.

    A running server goes on answering meanwhile. Ctrl-C leaves an index that is partly renewed, and usable. Logs,
    sign-ins and who did what stay as they are.
    """
    count, versions = _run(_rebuild)
    print_text(f"Read {count:,} jobs again; {versions:,} changes were written.")


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with refusing_missing_parts():
        from sqlalchemy.exc import SQLAlchemyError

        from prefect_jobs import prefect_environment

        prefect_environment.apply(prefect_environment.PRIVATE)
        from prefect_jobs.databases import DatabaseNotOpened, DatabaseNotThere
        from prefect_jobs.gateway import NoPrefectAddress, PrefectUnavailable
    try:
        with (
            refusing(NoPrefectAddress, DatabaseNotThere),
            refusing_with("The job index cannot be opened", DatabaseNotOpened, SQLAlchemyError, OSError),
        ):
            return asyncio.run(work())
    except PrefectUnavailable as error:
        raise Refusal(str(error), ExitCode.NOT_REACHABLE) from error
    except KeyboardInterrupt:
        raise Refusal("Interrupted.", ExitCode.INTERRUPTED) from None


@asynccontextmanager
async def _opened(*, make: bool = False) -> "AsyncGenerator[Database]":
    from prefect_jobs.cli.settings import load_settings
    from prefect_jobs.store import open_database

    # The limit is for those who wait for an answer of the API.
    async with open_database(load_settings().index_database, statement_limit=600.0, make=make) as database:
        yield database


@asynccontextmanager
async def _both(*, make: bool = False) -> "AsyncGenerator[tuple[Gateway, Database]]":
    from prefect_jobs.gateway.prefect import PrefectGateway, configured_api_url

    if make:
        configured_api_url()  # no index is made for a server that nobody named
    async with _opened(make=make) as database, PrefectGateway.connect(configured_api_url()) as gateway:
        yield gateway, database


@contextmanager
def _bar(text: str, total: int) -> Generator[Callable[[int], None]]:
    from rich.progress import Progress

    out = console(error=True)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as drawing:
        task = drawing.add_task(text, total=total)
        yield lambda count: drawing.advance(task, count)


async def _status(*, as_json: bool) -> None:
    from prefect_jobs.store import FeedLease
    from prefect_jobs.store.feed_state import PATIENCE, known_dead
    from prefect_jobs.store.row_check import StoredRows

    async with _opened() as database:
        size, feed = await StoredRows(database).size(), await FeedLease(database).read()
    now = datetime.now(UTC)

    def age(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (now - moment).total_seconds())

    holder = feed.holder if feed else None
    if feed is None or holder is None or known_dead(holder) or (age(feed.beaten_at) or 0) > PATIENCE:
        holder = None
    facts: dict[str, Any] = {
        **asdict(size),
        "feed_held_by": holder,
        "feed": dict(feed.status) if feed and holder else None,
        "active_jobs_read_seconds_ago": age(feed.right_at) if feed else None,
        "everything_read_seconds_ago": age(feed.swept_at) if feed else None,
    }
    if as_json:
        print_json(facts)
        return
    read, swept = facts["active_jobs_read_seconds_ago"], facts["everything_read_seconds_ago"]
    machine, pid = (holder.rsplit(" ", 3)[:2]) if holder else ("", "")
    print_text(f"jobs                  {size.jobs:,}")
    print_text(f"version               {size.version}")
    print_text(f"log lines             {size.log_lines:,}")
    print_text(f"on disk               {size.bytes / 2**20:,.1f} MiB")
    print_text("held by               " + (plain(f"process {pid} on {machine}") if holder else "no running server"))
    for name, seconds in (("active jobs read", read), ("everything read", swept)):
        print_text(f"{name:<22}" + ("never" if seconds is None else f"{_ago(seconds)} ago"))
    says: dict[str, Any] = facts["feed"] or {}
    for reason in says.get("reasons", ()):
        print_text(f"{'':<22}{plain(str(reason))}")


def _ago(seconds: float) -> str:
    from datetime import timedelta

    return lasting(timedelta(seconds=seconds))


async def _verify(*, transitions: bool, as_json: bool) -> int:
    from prefect_jobs.history import Histories
    from prefect_jobs.index_check import IndexCheck
    from prefect_jobs.secrets_of_types import SecretsOfTypes
    from prefect_jobs.store import HistoryStore, SecretSchemaStore
    from prefect_jobs.store.row_check import StoredRows

    async with _both() as (gateway, database):
        histories = Histories(gateway, HistoryStore(database)) if transitions else None
        secrets = SecretsOfTypes(gateway, SecretSchemaStore(database))
        check, count = IndexCheck(gateway, StoredRows(database), histories, secrets=secrets), 0
        with _bar("Comparing", await gateway.count_runs()) as told:
            async for difference in check.differences(told):
                count += 1
                if as_json:
                    print_json(asdict(difference))
                else:
                    says = f"index {_short(difference.index)}, Prefect {_short(difference.prefect)}"
                    print_text(f"{plain(difference.job_id)}  {difference.field}: {says}")
    if as_json:
        print_json({"jobs": check.compared, "differences": count})
    else:
        print_text(f"Compared {check.compared:,} jobs: {count:,} differences.")
    return count


def _short(value: Any) -> str:
    text = plain(repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


async def _rebuild() -> tuple[int, int]:
    from prefect_jobs.changes import ChangeHub
    from prefect_jobs.read_budget import ReadBudget
    from prefect_jobs.reading import JobReader
    from prefect_jobs.secrets_of_types import SecretsOfTypes
    from prefect_jobs.store import HistoryStore, JobIndex, LogStore, SecretSchemaStore

    async with _both(make=True) as (gateway, database):
        jobs = await JobIndex.open(database)
        before = jobs.followed
        reader = JobReader(
            gateway,
            jobs,
            LogStore(database),
            ChangeHub(before),
            past=HistoryStore(database),
            budget=ReadBudget(1.0),
            clock=lambda: datetime.now(UTC),
            secrets=SecretsOfTypes(gateway, SecretSchemaStore(database)),
            redraw=True,
        )
        count = 0
        with _bar("Reading", await gateway.count_runs()) as told:

            def read(runs: int) -> None:
                nonlocal count
                count += runs
                told(runs)

            try:
                await reader.sweep(hurried=True, told=read)
            finally:
                # Also after Ctrl-C: a running server and its readers then see what was renewed until then.
                version = await asyncio.shield(jobs.start_over())
        return jobs.everything().total, version - before - 1
