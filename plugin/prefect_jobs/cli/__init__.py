"""The command line, `prefect-jobs`.

Each command imports what it runs when it runs: Prefect and Panel take seconds to import, and help must not. A
``Refusal`` is printed as one sentence and ends with its exit code.
"""

import sys
from typing import Annotated

import typer

from prefect_jobs import __version__
from prefect_jobs.cli.events import events
from prefect_jobs.cli.index import index
from prefect_jobs.cli.job_actions import abort_jobs, cancel_jobs, delete_jobs, retry_jobs, run_job
from prefect_jobs.cli.job_logs import show_logs
from prefect_jobs.cli.jobs import list_jobs, show_job, show_stats
from prefect_jobs.cli.refusals import Refusal
from prefect_jobs.cli.serve import serve
from prefect_jobs.cli.terminal import plain
from prefect_jobs.cli.up import up
from prefect_jobs.cli.work import work

app = typer.Typer(
    name="prefect-jobs",
    help="A jobs API and a jobs page for a Prefect 3 server.",
    epilog="Settings are read from PREFECT_JOBS_* variables; the address of Prefect from PREFECT_API_URL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(up)
app.command()(serve)
app.command()(work)
app.add_typer(events, name="events")
app.add_typer(index, name="index")

EXIT_CODES = (
    "Exit codes: 0 done; 1 a job failed or was refused; 2 usage, or the server refuses; 3 the server is not reachable; "
    "4 no such job; 5 API key missing, wrong or too weak; 124 timed out; 130 Ctrl-C."
)
for name, command in {
    "list": list_jobs,
    "show": show_job,
    "logs": show_logs,
    "run": run_job,
    "cancel": cancel_jobs,
    "abort": abort_jobs,
    "retry": retry_jobs,
    "delete": delete_jobs,
    "stats": show_stats,
}.items():
    app.command(name, epilog=EXIT_CODES, rich_help_panel="Jobs of a running server")(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prefect-jobs {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]  typer calls it
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    try:
        app()
    except Refusal as refusal:
        # A server's words may stand in it, and whatever a job's author put into them.
        typer.echo(f"prefect-jobs: {plain(str(refusal))}", err=True)
        sys.exit(refusal.exit_code)
