"""`prefect-jobs events`: the event store that the export reads."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from prefect_jobs.cli.refusals import refusing, refusing_missing_parts, refusing_with

events = typer.Typer(help="The event store: the data that the export job exports.", no_args_is_help=True)


@events.callback()
def _events() -> None:  # pyright: ignore[reportUnusedFunction]  typer calls it; without it `sample` would be no command
    pass


@events.command()
def sample(
    count: Annotated[int, typer.Option(min=0, help="How many events to write.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 0,
    append: Annotated[bool, typer.Option("--append", help="Add to a store that already holds events.")] = False,
    until: Annotated[
        str | None, typer.Option(help="Time of the newest event, in UTC unless it says another. Now, when left out.")
    ] = None,
) -> None:
    """Write sample events: cameras, what they saw, and how risky it was.

    A store that holds events already is refused, unless --append is given. Where the store is:
    PREFECT_JOBS_EVENTS_URL, else a file in PREFECT_JOBS_DATA_DIR.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from prefect_jobs.cli.settings import load_settings
    from prefect_jobs.databases import DatabaseNotOpened
    from prefect_jobs.events.sample import EventStoreNotEmpty, write_sample
    from prefect_jobs.iso_time import NoTime, read_time

    settings = load_settings()
    with refusing(NoTime):
        now = read_time(until) if until else datetime.now(UTC)
    with (
        refusing_missing_parts(),
        refusing(EventStoreNotEmpty),
        refusing_with("The event store cannot be opened", DatabaseNotOpened, SQLAlchemyError, OSError),
        typer.progressbar(length=count, label="Writing events", hidden=count < 100_000) as bar,
    ):
        done = 0

        def advance(written: int, _count: int) -> None:
            nonlocal done
            bar.update(written - done)
            done = written

        written = write_sample(settings.events_database, count, seed, now=now, append=append, on_progress=advance)
    typer.echo(f"Wrote {written:,} events.")
