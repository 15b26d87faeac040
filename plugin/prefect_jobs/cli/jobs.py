"""`prefect-jobs list`, `show` and `stats`: reading jobs from a running server."""

from typing import Annotated

import typer

from prefect_jobs.cli.server import JOB, JSON, URL, connected, full_id
from prefect_jobs.cli.terminal import console, print_json


def list_jobs(
    job_type: Annotated[str | None, typer.Option("--type", help="Only these types (a,b).")] = None,
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

    now = datetime.now(UTC)
    created_after = past_moment("--since", since, now=now) if since else None
    with connected(url) as client:
        found = client.search(
            q,
            job_type=job_type,
            status=status,
            state=state,
            created_after=created_after,
            sort=sort,
            order="asc" if ascending else "desc",
            page_size=min(limit, 1000),
        )
        if json:
            for job in islice(found, limit):
                print_json(job.body)
            return
        jobs = list(islice(found, limit))
    screen = console()
    if jobs:
        screen.print(jobs_table(jobs, now=now))
    else:
        console(error=True).print("No jobs match.")


def show_job(job: JOB, json: JSON = False, url: URL = None) -> None:
    """Show one job: what it does, how far it is, and all that happened to it."""
    from prefect_jobs.cli.tables import detail_table, history_tables
    from prefect_jobs.cli.terminal import plain

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
        screen.print(plain(detail.error_traceback, one_line=False))


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
