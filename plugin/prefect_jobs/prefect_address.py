"""Which Prefect server a command works with, asked before the command starts: a mistyped address shows as a sentence
now and not as a stack of retries later."""

from http import HTTPStatus

import httpx
from prefect.settings import get_current_settings

TIMEOUT = 10.0  # seconds


class PrefectUnreachable(Exception):
    """There is no Prefect server to work with; the message says what to do."""


def reachable_prefect() -> str:
    """The API address of the Prefect server that Prefect's settings name, once it has answered.

    Raises:
        PrefectUnreachable: they name none, or it does not answer.
    """
    api = get_current_settings().api
    if not api.url:
        raise PrefectUnreachable(
            "There is no Prefect server to work with: set PREFECT_API_URL, such as http://127.0.0.1:4200/api, "
            "or start one together with everything else by `prefect-jobs up`."
        )
    headers = {"Authorization": f"Bearer {api.key.get_secret_value()}"} if api.key else {}
    auth = api.auth_string.get_secret_value().partition(":") if api.auth_string else None
    try:
        answer = httpx.get(
            f"{api.url}/health",
            timeout=TIMEOUT,
            headers=headers,
            auth=(auth[0], auth[2]) if auth else None,
            verify=not api.tls_insecure_skip_verify,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PrefectUnreachable(f"Prefect does not answer at {api.url} ({type(error).__name__}).") from error
    if answer.status_code != HTTPStatus.OK:
        raise PrefectUnreachable(f"Prefect is not well at {api.url}: it answered {answer.status_code}.")
    return api.url
