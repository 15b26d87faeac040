"""What is found out of a Prefect server before anything is started beside it."""

import base64
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from prefect_jobs.prefect_address import PrefectUnreachable, open_prefect, reachable_prefect

SECRET = "prefect-jobs:secret"


@contextmanager
def server(*, auth: str | None = None, cors: str | None = None, version: int = 200) -> Generator[str]:
    """A server with an open `/health`, as Prefect's; its API address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = f"Basic {base64.b64encode(auth.encode()).decode()}" if auth else None
            status = 200 if self.path == "/api/health" else version
            if self.path != "/api/health" and wanted not in (None, self.headers.get("Authorization")):
                status = 401
            self.send_response(status)
            if cors and self.headers.get("Origin"):
                self.send_header("Access-Control-Allow-Origin", cors)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}/api"
        finally:
            httpd.shutdown()
            thread.join()


def test_credentials_that_the_server_does_not_take_are_found_out_at_the_start() -> None:
    """`/health` is open, so a command started, and failed at its first real question."""
    with server(auth=SECRET) as url:
        with (
            temporary_settings({PREFECT_API_URL: url}),
            pytest.raises(PrefectUnreachable, match="asks for credentials"),
        ):
            reachable_prefect()
        with (
            temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: "prefect-jobs:other"}),
            pytest.raises(PrefectUnreachable, match="PREFECT_API_AUTH_STRING"),
        ):
            reachable_prefect()
        with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: SECRET}):
            assert reachable_prefect() == url


def test_a_server_without_the_route_is_taken_at_its_word() -> None:
    with server(version=404) as url, temporary_settings({PREFECT_API_URL: url}):
        assert reachable_prefect() == url


def test_a_server_that_is_not_well_is_told() -> None:
    with (
        server(version=500) as url,
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(PrefectUnreachable, match="it answered 500"),
    ):
        reachable_prefect()


@pytest.mark.parametrize(
    ("auth", "cors", "with_keys", "said"),
    [
        (None, "*", False, "every web page"),
        (None, "*", True, "every web page"),
        (None, None, True, "answers without credentials"),
        (None, None, False, None),
        (SECRET, "*", True, None),
        (SECRET, None, False, None),
    ],
)
def test_a_server_that_opens_what_our_keys_close_is_spoken_of(
    auth: str | None, cors: str | None, with_keys: bool, said: str | None
) -> None:
    with (
        server(auth=auth, cors=cors) as url,
        temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: SECRET}),
    ):
        warning = open_prefect(url, with_keys=with_keys)

    assert (warning is None) if said is None else (warning is not None and said in warning)


def test_of_a_server_that_does_not_answer_nothing_is_said() -> None:
    with server() as url:
        pass
    assert open_prefect(url, with_keys=True) is None
