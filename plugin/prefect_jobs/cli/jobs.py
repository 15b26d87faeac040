"""`prefect-jobs list`, `show` and `stats`: reading jobs from a running server."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.cli.server import JOB, JSON, URL, connected, full_id
from prefect_jobs.cli.terminal import coloured, console, print_json
from prefect_jobs.job_states import SCHEDULED_AHEAD, STATES_BY_STATUS, TABLE

if TYPE_CHECKING:
    from prefect_jobs.client import Client

STATUSES = tuple(STATES_BY_STATUS)
STATES = (SCHEDULED_AHEAD.state, *dict.fromkeys(found.state for names in TABLE.values() for found in names.values()))
SORTS = ("created_at", "started_at", "completed_at", "progress", "job_type", "status")


def list_jobs(
    job_type: Annotated[
        list[str] | None, typer.Option("--type", help="Only these types (a,b); or once for each, with its commas.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Only pending, running, completed, failed or cancelled (a,b).")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only these finer states, such as late or timed_out (a,b).")] = None,
    q: Annotated[str | None, typer.Option("-q", "--query", help="Only what matches this search.")] = None,
    since: Annotated[str | None, typer.Option(help="Only jobs created since a time, or in the last 2h or 3d.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many jobs to print at most.")] = 20,
    sort: Annotated[
        str, typer.Option(help="By created_at, started_at, completed_at, progress, job_type or status.")
    ] = "created_at",
    ascending: Annotated[bool, typer.Option("--asc", help="Smallest or oldest first.")] = False,
    json: JSON = False,
    url: URL = None,
) -> None:
    """List jobs, newest first. With --json one object a line."""
    from datetime import UTC, datetime
    from itertools import islice

    from prefect_jobs.cli.moments import past_moment
    from prefect_jobs.cli.tables import jobs_table

    words_of("--status", status, STATUSES)
    words_of("--state", state, STATES)
    words_of("--sort", sort, SORTS)
    now = datetime.now(UTC)
    created_after = past_moment("--since", since, now=now) if since else None
    with connected(url) as client:
        found = client.search(
            q,
            job_type=job_type[0] if job_type and len(job_type) == 1 else job_type,
            status=status,
            state=state,
            created_after=created_after,
            sort=sort,
            order="asc" if ascending else "desc",
            page_size=min(limit, 1000),
        )
        jobs = list(islice(found, limit))
        if not jobs and job_type:
            _require_known_types(client, job_type)
    if json:
        for job in jobs:
            print_json(job.body)
        return
    screen = console()
    if jobs:
        screen.print(jobs_table(jobs, now=now))
    else:
        console(error=True).print("No jobs match.")


def words_of(option: str, given: str | None, known: Sequence[str]) -> None:
    """See that an option gives nothing but words that there are.

    Raises:
        Refusal: it does; the sentence names those that there are.
    """
    for word in filter(None, (word.strip() for word in (given or "").split(","))):
        if word not in known:
            raise Refusal(f"{option} is one of {', '.join(known)}, not {word!r}.")


def _require_known_types(client: "Client", given: list[str]) -> None:
    from prefect_jobs.client import ClientError

    try:
        known = [found.name for found in client.types()]
    except ClientError:
        return  # a server that cannot say
    words = [*given, *(word.strip() for word in given[0].split(","))] if len(given) == 1 else given
    if not set(words) & set(known):
        raise Refusal(f"There is no job type {given[-1]!r}. The server knows {', '.join(known)}.")


def show_job(job: JOB, json: JSON = False, url: URL = None) -> None:
    """Show one job: what it does, how far it is, and all that happened to it."""
    from prefect_jobs.cli.tables import detail_table, history_tables

    with connected(url) as client:
        from prefect_jobs.client import JobNotFound

        job_id = full_id(client, job)
        detail = client.detail(job_id)
        try:
            history = client.history(job_id)
        except JobNotFound:  # a server that keeps none says so of every job
            history = None
    if json:
        print_json({"detail": detail.body, "history": history.body if history else None})
        return
    screen = console()
    screen.print(detail_table(detail))
    for table in history_tables(history) if history else []:
        screen.print()
        screen.print(table)
    if detail.error_traceback:
        screen.print()
        screen.print(coloured(detail.error_traceback))


def show_stats(json: JSON = False, url: URL = None) -> None:
    """Count jobs by status and type."""
    from prefect_jobs.cli.tables import stats_tables

    with connected(url) as client:
        stats = client.stats()
    if json:
        print_json(stats.body)
        return
    screen = console()
    for number, table in enumerate(stats_tables(stats)):
        if number:
            screen.print()
        screen.print(table)
