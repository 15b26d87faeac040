"""The whole application in this process, in front of the shipped fake of Prefect."""

import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
from fastapi import FastAPI

from prefect_jobs.api.app import create_app
from prefect_jobs.gateway import DeployedFlow, Run
from prefect_jobs.gateway.fake import FakePrefect
from prefect_jobs.settings import Settings

with warnings.catch_warnings():
    # It would rather have a successor of httpx that is not among our dependencies.
    warnings.simplefilter("ignore")
    import starlette.testclient

VIEWER, OPERATOR, ADMIN = "viewers-key-000000", "operators-key-0000", "administrators-key"
KEYS = f"vera:viewer:{VIEWER} otto:operator:{OPERATOR} ada:admin:{ADMIN}"


class Client(httpx.Client):
    """Starlette's test client, of which pyright knows nothing, as far as tests use it."""

    app: FastAPI


class Socket(Protocol):
    """An open socket."""

    accepted_subprotocol: str | None

    def send_text(self, data: str) -> None: ...
    def receive_text(self) -> str: ...
    def receive_json(self) -> Any: ...


@contextmanager
def served(
    folder: Path,
    runs: Sequence[Run] = (),
    *,
    base_url: str = "http://127.0.0.1",
    deployed: Sequence[str | DeployedFlow] = ("export",),
    **settings: Any,
) -> Generator[Client]:
    """A client of an application whose data is in `folder`; its `app.state.fake` is the Prefect behind it."""
    fake = FakePrefect(runs, deployed=deployed)
    app = create_app(Settings(data_dir=folder, **settings), fake.connect())
    app.state.fake = fake
    opened: Any = starlette.testclient.TestClient(app, base_url=base_url, raise_server_exceptions=False)
    with opened as client:
        yield cast("Client", client)


@contextmanager
def opened_socket(client: Client, path: str, **options: Any) -> Generator[Socket]:
    """A socket; its end cancels what served it, of which the test client makes an error."""
    connect: Any = getattr(client, "websocket_connect")  # noqa: B009  the typed client has none
    with suppress(CancelledError), connect(f"ws://127.0.0.1{path}", **options) as socket:
        yield socket
