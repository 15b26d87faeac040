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
JOB = Annotated[
    str, typer.Argument(metavar="ID", help="A job's id, the beginning of it, or the six characters on its card.")
]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PREFIX = re.compile(r"[0-9A-Za-z_-]+")
_CARD = re.compile(r"[0-9a-f]{6}", re.IGNORECASE)
"""What a card of the page shows of an id: its end."""
SHOWN = 5
ASKED = 100
"""Jobs that are looked through for one whose id ends like this, where the server cannot be asked for it."""


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
    """The id that begins like this, or ends so as a card shows it.

    Raises:
        Refusal: several jobs' ids do.
        JobNotFound: none does.
    """
    from prefect_jobs.client import JobNotFound, Refused

    if _UUID.fullmatch(text):
        return text
    short = text.removeprefix("#")
    try:
        if short == text:
            return client.get(text).job_id
    except (JobNotFound, Refused) as error:
        if not _PREFIX.fullmatch(text):
            raise JobNotFound(text) from error
    if not _PREFIX.fullmatch(short):
        raise JobNotFound(text)
    found = _ids_like(client, short)
    if not found:
        raise JobNotFound(text)
    if len(found) > 1:
        shown = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
        raise Refusal(f"Several jobs are called {text}: {shown}. Write more of the id.")
    return found[0]


def _ids_like(client: "Client", short: str) -> list[str]:
    on_card = _CARD.fullmatch(short) is not None

    def asked(limit: int, **params: str) -> dict[str, None]:
        # A server without this search language looks for the words themselves.
        ids = [job.job_id for job in client.search_page(params, limit=limit).data]
        word = short.lower()
        return dict.fromkeys(
            job_id for job_id in ids if job_id.lower().startswith(word) or (on_card and job_id.lower().endswith(word))
        )

    # What a schedule prepared is found by its state only.
    found = asked(SHOWN + 1, q=f"id:{short}") | asked(SHOWN + 1, q=f"id:{short}", state="scheduled")
    if not found and on_card:
        found = asked(ASKED, q=short)
    return list(found)
