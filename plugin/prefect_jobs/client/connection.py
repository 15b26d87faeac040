"""One server, asked over HTTP: the only place of the client that knows httpx, and how its errors become ours.

The API key travels in a header and never in a URL, which proxies and servers write into their logs. Redirects are not
followed: the key would travel along. What changes nothing is tried again a few times; what changes something is not,
as nobody knows whether it was done, unless the server can tell by an idempotency key.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from prefect_jobs import __version__
from prefect_jobs.client.errors import ClientError, NotReachable, ServerBusy, ServerFailed, error_of
from prefect_jobs.client.pace import Pace

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Query = str | int | float | bool | datetime | Sequence[str] | None

_KEY = re.compile(r"[\x21-\x7e]+")


def job_path(job_id: str, *parts: str) -> str:
    """The path of a job, whatever its id looks like."""
    return "/".join(("/api/jobs", quote(job_id, safe=""), *parts))


def query(values: Mapping[str, Query]) -> dict[str, str | list[str]]:
    """Query parameters as the contract writes them; None is left out.

    Several words are a comma list, which every server reads. Where one of them has a comma in it, or blanks around it,
    the parameter is repeated instead: then each is one whole word, as also twice the same is.

    Raises:
        ValueError: a time has no time zone.
    """
    return {name: _text(name, value) for name, value in values.items() if value is not None}


def _words(words: Sequence[str]) -> str | list[str]:
    if all("," not in word and word == word.strip() for word in words):
        return ",".join(words)
    return [*words] if len(words) > 1 else [*words, *words]


def _text(name: str, value: Query) -> str | list[str]:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return moment(name, value)
    if isinstance(value, str | int | float):
        return str(value)
    return _words(value or ())


def moment(name: str, value: datetime) -> str:
    """A time on the wire.

    Raises:
        ValueError: it has no time zone.
    """
    if value.tzinfo is None:
        raise ValueError(f"{name} has no time zone: {value.isoformat()}")
    return value.isoformat()


class Connection:
    """A jobs API at one address."""

    def __init__(
        self, base_url: str, api_key: str | None, *, pace: Pace, transport: httpx.BaseTransport | None = None
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"The address of a jobs API begins with http:// or https://, and {base_url!r} does not")
        if api_key is not None and not _KEY.fullmatch(api_key):
            raise ValueError("An API key consists of visible ASCII characters, and the one given does not")
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self.pace = pace
        # A proxy of the machine must not come between two processes on it.
        self.through_proxy = address.hostname not in LOOPBACK
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"User-Agent": f"prefect-jobs/{__version__}", **({"X-API-Key": api_key} if api_key else {})},
            timeout=httpx.Timeout(pace.answer, connect=pace.connect),
            trust_env=self.through_proxy,
            transport=transport,
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def get(self, path: str, params: Mapping[str, Query] | None = None, *, job_id: str | None = None) -> Any:
        """The JSON body of a GET, which is tried again when nobody answers or the server is busy.

        Raises:
            ClientError: there is none.
        """
        return self._ask("GET", path, params=query(params or {}), job_id=job_id, again=True)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, Query] | None = None,
        job_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """The JSON answer to a request that changes something; tried again only under an idempotency key.

        Raises:
            ClientError: it was not done, or nobody knows.
        """
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._ask(
            method,
            path,
            params=query(params or {}),
            job_id=job_id,
            again=idempotency_key is not None,
            headers=headers,
            **({} if body is None else {"json": body}),
        )

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, Query] | None = None, *, silence: float | None = None
    ) -> Generator[httpx.Response]:
        """An open answer; ``silence`` is how many seconds it may say nothing.

        Raises:
            ClientError: the server refused, or the connection broke, also while it is read.
        """
        timeout = httpx.Timeout(silence or self.pace.answer, connect=self.pace.connect)
        with (
            self._translated(),
            self._http.stream("GET", path, params=query(params or {}), timeout=timeout) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise error_of(answer)
            yield answer

    def _ask(self, method: str, path: str, *, job_id: str | None, again: bool, **options: Any) -> Any:
        pauses = iter(self.pace.retry if again else ())
        while True:
            try:
                return self._ask_once(method, path, job_id, **options)
            except (NotReachable, ServerBusy) as error:
                pause = next(pauses, None)
                wanted = error.retry_after if isinstance(error, ServerBusy) else None
                if pause is None or (wanted or 0) > self.pace.longest_retry_after:
                    raise
            self.pace.sleep(pause if wanted is None else wanted)

    def _ask_once(self, method: str, path: str, job_id: str | None, **options: Any) -> Any:
        with self._translated():
            answer = self._http.request(method, path, **options)
        if not answer.is_success:
            raise error_of(answer, job_id)
        try:
            return answer.json()
        except ValueError as error:
            raise ServerFailed(f"What answers at {self.base_url} is no jobs API: its answer is no JSON") from error

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except ClientError:
            raise
        except httpx.TimeoutException as error:
            raise NotReachable(f"The jobs API at {self.base_url} does not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NotReachable(f"The jobs API at {self.base_url} cannot be reached: {error}") from error
