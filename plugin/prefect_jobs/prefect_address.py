"""Which Prefect server a command works with, asked before the command starts: a mistyped address, or credentials that
the server does not take, show as a sentence now and not as a stack of retries later."""

import base64
import ssl
from http import HTTPStatus

import httpx
from prefect.settings import get_current_settings

TIMEOUT = 10.0  # seconds
ASKED = "/admin/version"
"""A small answer that takes credentials where any does; `/health` never does."""
STRANGER = "http://another-site.invalid"
"""The origin of a web page that has nothing to do with the server."""


class PrefectUnreachable(Exception):
    """There is no Prefect server to work with; the message says what to do."""


def reachable_prefect() -> str:
    """The API address of the Prefect server that Prefect's settings name, once it has answered.

    Raises:
        PrefectUnreachable: they name none, it does not answer, or it does not take the credentials.
    """
    url = get_current_settings().api.url
    if not url:
        raise PrefectUnreachable(
            "There is no Prefect server to work with: set PREFECT_API_URL, such as http://127.0.0.1:4200/api, "
            "or start one together with everything else by `prefect-jobs up`."
        )
    status = _ask(f"{url}/health", _credentials()).status_code
    if status == HTTPStatus.OK:
        status = _ask(f"{url}{ASKED}", _credentials()).status_code
        if status == HTTPStatus.NOT_FOUND:  # Prefect Cloud has no such route, and took the key for its `/health`
            return url
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise PrefectUnreachable(
            f"Prefect at {url} asks for credentials and does not take ours: set PREFECT_API_AUTH_STRING or "
            "PREFECT_API_KEY. That of the server that `prefect-jobs up` starts is in its data folder, in prefect-auth."
        )
    if status != HTTPStatus.OK:
        raise PrefectUnreachable(f"Prefect is not well at {url}: it answered {status}.")
    return url


def open_prefect(url: str, *, with_keys: bool) -> str | None:
    """What to say of a server that opens to others what our API keys close; None when there is nothing to say.

    Args:
        url: its API address.
        with_keys: whether our API asks for keys.
    """
    try:
        answer = _ask(f"{url}{ASKED}", {"Origin": STRANGER})
    except PrefectUnreachable:
        return None
    if answer.status_code != HTTPStatus.OK:
        return None
    if answer.headers.get("access-control-allow-origin") in ("*", STRANGER):
        return (
            f"Prefect at {url} answers every web page without credentials: any site that somebody visits who reaches "
            "it can start and delete flows there. Set PREFECT_SERVER_API_AUTH_STRING and "
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS for the server."
        )
    if with_keys:
        return (
            f"Prefect at {url} answers without credentials: whoever reaches it may do there what an admin may here. "
            "Set PREFECT_SERVER_API_AUTH_STRING for the server, and PREFECT_API_AUTH_STRING here."
        )
    return None


def _credentials() -> dict[str, str]:
    settings = get_current_settings()
    api, headers = settings.api, dict(settings.client.custom_headers)
    if api.auth_string:
        token = base64.b64encode(api.auth_string.get_secret_value().encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    elif api.key:
        headers["Authorization"] = f"Bearer {api.key.get_secret_value()}"
    return headers


def _ask(url: str, headers: dict[str, str]) -> httpx.Response:
    api = get_current_settings().api
    try:
        verify: ssl.SSLContext | bool = not api.tls_insecure_skip_verify
        if verify and api.ssl_cert_file:  # as Prefect's client does
            verify = ssl.create_default_context(cafile=api.ssl_cert_file)
        return httpx.get(url, timeout=TIMEOUT, headers=headers, verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise PrefectUnreachable(f"Prefect does not answer at {api.url} ({type(error).__name__}).") from error
