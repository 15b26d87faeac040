"""The whole application in this process, in front of the shipped fake of Prefect."""

import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prefect_jobs.api.app import create_app
from prefect_jobs.gateway import Run
from prefect_jobs.gateway.fake import FakePrefect
from prefect_jobs.settings import Settings

VIEWER, OPERATOR, ADMIN = "viewers-key-000000", "operators-key-0000", "administrators-key"
KEYS = f"vera:viewer:{VIEWER} otto:operator:{OPERATOR} ada:admin:{ADMIN}"

with warnings.catch_warnings():
    # It would rather have a successor of httpx that is not among our dependencies.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient, WebSocketTestSession

__all__ = ["ADMIN", "KEYS", "OPERATOR", "VIEWER", "TestClient", "opened_socket", "served"]


@contextmanager
def served(
    folder: Path, runs: Sequence[Run] = (), *, base_url: str = "http://127.0.0.1", **settings: Any
) -> Generator[TestClient]:
    """A client of an application whose data is in `folder`."""
    fake = FakePrefect(runs)
    app = create_app(Settings(data_dir=folder, **settings), fake.connect())
    app.state.fake = fake
    with TestClient(app, base_url=base_url, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def opened_socket(client: TestClient, path: str, **options: Any) -> Generator[WebSocketTestSession]:
    """A socket; its end cancels what served it, of which the test client makes an error."""
    with suppress(CancelledError), client.websocket_connect(f"ws://127.0.0.1{path}", **options) as socket:
        yield socket
