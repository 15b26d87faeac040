"""Everything that can go wrong between a program and the jobs API, each with a sentence that can be shown as it is.

ClientError
├── NotReachable    nobody answered, or the connection broke
├── Unauthorized    401: no API key, or a wrong one
├── Forbidden       403: the key's role is short
├── JobNotFound     404: no job has this id
├── Refused         400, 409 and every other 4xx: the server will not do it
├── Invalid         422: fields that the server cannot take
├── ServerBusy      503, 429: later, maybe
├── ServerFailed    5xx, or an answer that is none of the contract's
└── WaitedTooLong   the time that the caller gave has passed
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import httpx

    from prefect_jobs.client.values import Job


class ClientError(Exception):
    """What was asked of the jobs API did not happen; the message is a sentence."""


class NotReachable(ClientError):
    """Nobody answered, or the connection broke."""


class Unauthorized(ClientError):
    """The server wants an API key, or does not know the one it got."""


class Forbidden(ClientError):
    """The API key's role does not allow it."""


class JobNotFound(ClientError):
    """No job found with ID: {job_id}"""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job found with ID: {job_id}")
        self.job_id = job_id


class Refused(ClientError):
    """The server will not do it. ``detail`` is its reason, ``status`` the HTTP status."""

    def __init__(self, detail: str, status: int = 409) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


@dataclass(frozen=True, slots=True)
class InvalidField:
    """One value that the server cannot take: where it stands (``body.parameters.format``) and why."""

    field: str
    message: str
    value: str | None = None


class Invalid(ClientError):
    """The server cannot take some fields of the request; ``fields`` says which, and why."""

    def __init__(self, message: str, fields: tuple[InvalidField, ...] = ()) -> None:
        super().__init__("; ".join(f"{item.field}: {item.message}" for item in fields) or message)
        self.fields = fields


class ServerBusy(ClientError):
    """The server cannot answer now. ``retry_after`` is in seconds, None when it did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerFailed(ClientError):
    """The server failed, or gave an answer that is none of the contract's."""


class WaitedTooLong(ClientError, TimeoutError):
    """The job had not ended in the time given; ``job`` is its last known state."""

    def __init__(self, job: "Job", seconds: float) -> None:
        super().__init__(f"Job {job.job_id} has not ended within {seconds:g} s: it is {job.state}")
        self.job = job


def error_of(answer: "httpx.Response", job_id: str | None = None) -> ClientError:
    """The error that an answer of 3xx, 4xx or 5xx stands for; ``job_id`` is the job it was about."""
    status = answer.status_code
    body = _body(answer)
    detail = _sentence(body)
    said = detail or f"The server answered {status} {answer.reason_phrase}".rstrip()
    if status == 401:
        return Unauthorized(said)
    if status == 403:
        return Forbidden(said)
    if status == 422:
        return Invalid(said, _fields(body))
    if status in (429, 503):
        return ServerBusy(said, _seconds(answer.headers.get("retry-after")))
    if status >= 500:
        return ServerFailed(said)
    # A framework that has no such route says just `Not Found`; a route that misses a job says which.
    if status == 404 and job_id is not None and detail not in (None, "Not Found"):
        return JobNotFound(job_id)
    if status in (404, 405) and detail in (None, "Not Found", "Method Not Allowed"):
        asked = f"{answer.request.method} {answer.request.url.path}"
        return Refused(f"The server does not know {asked}: it is no jobs API, or an older one", status)
    if status < 400:
        return Refused(f"The server sends elsewhere ({status}): give the address it really has", status)
    return Refused(said, status)


def _body(answer: "httpx.Response") -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _sentence(body: Mapping[str, Any]) -> str | None:
    """The human text of either of the contract's error shapes (1.2)."""
    error: Any = body.get("error")
    texts = (body.get("detail"), cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else error)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _fields(body: Mapping[str, Any]) -> tuple[InvalidField, ...]:
    error: Any = body.get("error")
    items: Any = cast("dict[str, Any]", error).get("errors") if isinstance(error, dict) else None
    if not isinstance(items, list):
        return ()
    known = [cast("dict[str, Any]", item) for item in cast("list[object]", items) if isinstance(item, dict)]
    return tuple(
        InvalidField(
            str(item.get("field")), str(item.get("message")), None if (v := item.get("value")) is None else str(v)
        )
        for item in known
    )


def _seconds(text: str | None) -> float | None:
    """``Retry-After`` in seconds; its other form, a date, is not worth trusting two clocks for."""
    return float(text) if text is not None and text.strip().isdecimal() else None
