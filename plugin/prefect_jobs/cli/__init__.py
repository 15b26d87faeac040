"""The command line, `prefect-jobs`.

Each command imports what it runs when it runs: Prefect and Panel take seconds to import, and help must not. A
``Refusal`` is printed as one sentence and ends with exit code 2.
"""

import sys
from typing import Annotated

import typer

from prefect_jobs import __version__
from prefect_jobs.cli.events import events
from prefect_jobs.cli.refusals import EXIT_CODE, Refusal
from prefect_jobs.cli.serve import serve
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
        typer.echo(f"prefect-jobs: {refusal}", err=True)
        sys.exit(EXIT_CODE)
