"""`prefect-jobs run`, `cancel`, `abort`, `retry` and `delete`: what changes jobs on a running server.

Several jobs are handled one by one: what was refused of one does not keep the others from being done, and shows in the
exit code.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from prefect_jobs.cli.refusals import ExitCode, Refusal
from prefect_jobs.cli.server import JSON, URL, connected, full_id
from prefect_jobs.cli.terminal import plain, print_json, print_text

if TYPE_CHECKING:
    from prefect_jobs.client import Client, Job

JOBS = Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs' ids, or the beginnings of them.")]


def run_job(
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="What kind of job, such as export.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter as NAME=VALUE; JSON, or else text.")
    ] = None,
    param_file: Annotated[
        str | None, typer.Option(help="A file with a JSON object of parameters; `-` reads it from standard input.")
    ] = None,
    deployment: Annotated[str | None, typer.Option(help="Name of the deployment, where a type has several.")] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="JOB", help="A job of this type: what is not given comes from it, secrets included."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="When to run: a time, or 10m or 2h from now.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key again gives the same job, not a second one.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until the job has ended.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print its log until it has ended.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most; the job goes on.")] = None,
    json: JSON = False,
    url: URL = None,
) -> None:
    """Start a job, and print its id.

    With --wait or --follow the exit code says how it ended. --json prints the job, or with --follow its log lines.
    """
    from datetime import UTC, datetime

    from prefect_jobs.cli.moments import coming_moment

    parameters = read_parameters(param or [], param_file)
    run_at = coming_moment("--at", at, now=datetime.now(UTC)) if at else None
    with connected(url) as client:
        job_id = client.start(
            job_type,
            parameters,
            deployment=deployment,
            like=None if like is None else full_id(client, like),
            run_at=run_at,
            idempotency_key=idempotency_key,
        )
        if not (wait or follow):
            if json:
                print_json({"job_id": job_id})
            else:
                print_text(plain(job_id))
            return
        try:
            job = _to_its_end(client, job_id, follow=follow, timeout=timeout, json=json)
        except KeyboardInterrupt:
            typer.echo(f"Job {plain(job_id)} goes on.", err=True)
            raise
    if json and not follow:
        print_json(job.body)
    elif not json:
        if not follow:
            print_text(plain(job_id))
        typer.echo(f"Job {plain(job_id)} {plain(job.state)}: {plain(job.message or '')}", err=True)
    if not job.succeeded:
        raise typer.Exit(ExitCode.NOT_DONE)


def cancel_jobs(jobs: JOBS, json: JSON = False, url: URL = None) -> None:
    """Ask jobs to finish their current step and stop."""
    _each(jobs, url, json=json, act=lambda client, job_id: client.cancel(job_id).message)


def abort_jobs(jobs: JOBS, json: JSON = False, url: URL = None) -> None:
    """End running jobs at once, whatever they do."""
    _each(jobs, url, json=json, act=lambda client, job_id: client.abort(job_id).message)


def retry_jobs(jobs: JOBS, json: JSON = False, url: URL = None) -> None:
    """Queue failed jobs again, under the same ids."""
    _each(jobs, url, json=json, act=lambda client, job_id: client.retry(job_id).message or "Queued again")


def delete_jobs(
    jobs: JOBS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")] = False,
    json: JSON = False,
    url: URL = None,
) -> None:
    """Remove jobs that do not run for good, with their logs and history. Asks first."""
    if not yes:
        if not sys.stdin.isatty():
            raise Refusal("Deleting asks whether you are sure, and nobody is there to answer: pass --yes.")
        what = f"job {plain(jobs[0])}" if len(jobs) == 1 else f"{len(jobs)} jobs"
        typer.echo(f"Remove {what} for good? [y/N] ", nl=False, err=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Refusal("Nothing was deleted.")
    _each(jobs, url, json=json, act=lambda client, job_id: client.delete(job_id).message)


def read_parameters(pairs: list[str], file: str | None) -> dict[str, Any]:
    """The parameters of a file, and over them those of the command line.

    Raises:
        Refusal: one of them cannot be read.
    """
    import json

    parameters: dict[str, Any] = {}
    if file is not None:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
            known: Any = json.loads(text)
        except (OSError, ValueError) as error:
            raise Refusal(f"The parameters in {file} cannot be read: {error}.") from error
        if not isinstance(known, dict):
            raise Refusal(f"The parameters in {file} are no JSON object.")
        parameters |= cast("dict[str, Any]", known)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise Refusal(f"--param is NAME=VALUE, not {pair!r}.")
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    return parameters


def _to_its_end(client: "Client", job_id: str, *, follow: bool, timeout: float | None, json: bool) -> "Job":
    if follow:
        from prefect_jobs.cli.job_logs import print_lines

        print_lines(client.follow_logs(job_id, timeout=timeout), json=json)
        return client.get(job_id)
    from prefect_jobs.cli.progress import progress_shown

    with progress_shown(job_id) as on_progress:
        return client.wait(job_id, timeout=timeout, on_progress=on_progress)


def _each(jobs: list[str], url: str | None, *, json: bool, act: "Callable[[Client, str], str]") -> None:
    """Act on each job; say what came of it, and end with the exit code of the worst."""
    codes: list[ExitCode] = []
    with connected(url) as client:
        from prefect_jobs.client import JobNotFound, Refused

        for text in jobs:
            try:
                job_id = full_id(client, text)
                message = act(client, job_id)
            except (JobNotFound, Refused, Refusal) as error:
                codes.append(ExitCode.NOT_FOUND if isinstance(error, JobNotFound) else ExitCode.NOT_DONE)
                if json:
                    print_json({"job_id": text, "done": False, "error": str(error)})
                else:
                    typer.echo(f"{plain(text)}: {plain(str(error))}", err=True)
                continue
            if json:
                print_json({"job_id": job_id, "done": True, "message": message})
            else:
                print_text(f"{plain(job_id)}: {plain(message)}")
    if codes:
        raise typer.Exit(min(codes))
