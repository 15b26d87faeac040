"""The server that a command talks to, and how its refusals become sentences and exit codes."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from prefect_jobs.cli.refusals import ExitCode, Refusal, refusing_missing_parts

if TYPE_CHECKING:
    from prefect_jobs.client import Client, ClientError

URL = Annotated[
    str | None,
    typer.Option("--url", help="Address of the jobs API; else PREFECT_JOBS_URL.", show_default="http://127.0.0.1:8000"),
]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
JOB = Annotated[str, typer.Argument(metavar="ID", help="A job's id, or the beginning of it.")]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PREFIX = re.compile(r"[0-9A-Za-z_-]+")
SHOWN = 5


@contextmanager
def connected(url: str | None) -> "Generator[Client]":
    """A client of the server at that address; the key comes from PREFECT_JOBS_API_KEY only, as all may read arguments.

    Raises:
        Refusal: with the exit code of what went wrong.
    """
    with refusing_missing_parts():
        from prefect_jobs.client import Client, ClientError
    try:
        client = Client(url)
    except ValueError as error:
        raise Refusal(f"{error}.") from error
    with client:
        try:
            yield client
        except ClientError as error:
            raise Refusal(f"{str(error).rstrip('.')}.", exit_code_of(error)) from error
        except ValueError as error:
            raise Refusal(f"{error}.") from error


def exit_code_of(error: "ClientError") -> ExitCode:
    """The exit code that an error of the client ends a command with."""
    from prefect_jobs import client

    codes: dict[type[ClientError], ExitCode] = {
        client.NotReachable: ExitCode.NOT_REACHABLE,
        client.ServerBusy: ExitCode.NOT_REACHABLE,
        client.ServerFailed: ExitCode.NOT_REACHABLE,
        client.Unauthorized: ExitCode.NOT_ALLOWED,
        client.Forbidden: ExitCode.NOT_ALLOWED,
        client.JobNotFound: ExitCode.NOT_FOUND,
        client.WaitedTooLong: ExitCode.TIMED_OUT,
    }
    return codes.get(type(error), ExitCode.REFUSED)


def full_id(client: "Client", text: str) -> str:
    """The id that begins like this.

    Raises:
        Refusal: several jobs' ids do.
        JobNotFound: none does.
    """
    from prefect_jobs.client import JobNotFound, Refused

    if _UUID.fullmatch(text):
        return text
    try:
        return client.get(text).job_id
    except (JobNotFound, Refused) as error:
        if not _PREFIX.fullmatch(text):
            raise JobNotFound(text) from error
    page = client.search_page({"q": f"id:{text}"}, limit=SHOWN + 1)
    # A server without this search language looks for the words themselves.
    found = [job.job_id for job in page.data if job.job_id.lower().startswith(text.lower())]
    if not found:
        raise JobNotFound(text)
    if len(found) > 1:
        shown = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
        raise Refusal(f"Several jobs' ids begin with {text}: {shown}.")
    return found[0]
