"""`prefect-jobs logs`: a job's log, stored and live."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from prefect_jobs.cli.server import JOB, JSON, URL, connected, full_id
from prefect_jobs.cli.terminal import coloured, console, plain, print_json

if TYPE_CHECKING:
    from prefect_jobs.client import LogLine, LogState

LINE_INDENT = "    "


def show_logs(
    job: JOB,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    level: Annotated[str | None, typer.Option(help="Only DEBUG, INFO, WARNING or ERROR, and worse.")] = None,
    contains: Annotated[str | None, typer.Option(help="Only lines with these words, in any case.")] = None,
    tail: Annotated[int | None, typer.Option(min=1, max=10_000, help="Begin with the newest lines only.")] = None,
    json: JSON = False,
    url: URL = None,
) -> None:
    """Print a job's log. With --json one object a line."""
    from prefect_jobs.cli.refusals import Refusal

    if level is not None and level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise Refusal(f"--level is one of DEBUG, INFO, WARNING and ERROR, not {level!r}.")
    with connected(url) as client:
        from prefect_jobs.client.stored_log import LogFilter

        job_id = full_id(client, job)
        wanted = LogFilter(level=level, contains=contains)
        if tail is not None:
            lines = client.log_tail(job_id, tail, level=level, contains=contains)
            print_lines(lines, json=json)
            if follow:
                last = max((line.seq or 0 for line in lines), default=0)
                printed = {(line.timestamp, line.message) for line in lines if line.seq is None}
                rest = filter(wanted.passes, client.follow_logs(job_id, after=last))
                print_lines((line for line in rest if (line.timestamp, line.message) not in printed), json=json)
        elif follow:
            print_lines(filter(wanted.passes, client.follow_logs(job_id)), json=json)
        else:
            print_lines(client.logs(job_id, level=level, contains=contains), json=json)
        warn_of_missing_lines(client.log_state(job_id))


def warn_of_missing_lines(state: "LogState") -> None:
    """Say on the error output that lines may be missing, and since when: silence means that all are there."""
    from prefect_jobs.cli.tables import lasting

    if state.complete is not False:
        return
    said = "Lines may be missing: the log has not been read to its end yet."
    if state.as_of is not None:
        age = max(timedelta(), datetime.now(UTC) - state.as_of)
        said = f"Lines may be missing: the last time that none was is {lasting(age)} ago."
    console(error=True).print(said, soft_wrap=True, highlight=False, markup=False)


def print_lines(lines: "Iterable[LogLine]", *, json: bool) -> None:
    """Print lines as they come. Further lines of one message are indented, so that none can pass for another."""
    from rich.text import Text

    from prefect_jobs.cli.tables import LEVEL_COLOURS

    screen = console()
    for line in lines:
        if json:
            print_json(line.body)
            continue
        at = line.timestamp.astimezone().strftime("%H:%M:%S.%f")[:-3]
        level = plain(line.level)
        message = Text(f"\n{LINE_INDENT}").join(coloured(line.message).split("\n"))
        screen.print(
            Text.assemble((f"{at} ", "dim"), (f"{level:<7} ", LEVEL_COLOURS.get(level, "")), message), soft_wrap=True
        )
