"""Errors as the contract writes them (1.2): a problem document for what a route refuses, and two JSON shapes."""

import errno
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from prefect_jobs.api.answer_headers import mark
from prefect_jobs.gateway import NoDeployment, PrefectUnavailable
from prefect_jobs.room import NoSpace, is_full
from prefect_jobs.store import StoreError, StoreFull

logger = logging.getLogger(__name__)

KEY_REQUIRED = "API key required. Provide via X-API-Key header or api_key query parameter."
REQUEST_ID = "prefect_jobs.request_id"
"""Where in the ASGI scope the id of the request is left."""
SECRET_FIELDS = frozenset({"api_key", "token"})
SECRET_PLACES = frozenset({("body",), ("body", "parameters")})
"""Where all parameters of a job stand together, of which some may be secret."""
VALUE_SHOWN = 100
"""Characters of a rejected value that an answer repeats."""
ERRORS_SHOWN = 100
"""Rejected fields that an answer names: ten thousand wrong ids make no answer of a megabyte."""
RETRY_AFTER = "5"


class Problem(BaseModel):
    """The body of a 4xx answer (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str


class Unauthorized(BaseModel):
    """The body of a 401 answer."""

    detail: str = Field(examples=[KEY_REQUIRED])


class FieldError(BaseModel):
    """One rejected field."""

    field: str
    message: str
    value: str | None


class ErrorBody(BaseModel):
    """What went wrong with a request, or in the server."""

    code: str
    message: str
    errors: list[FieldError] | None = None
    request_id: str | None = None
    timestamp: str


class ErrorAnswer(BaseModel):
    """The body of a 422, 500 or 503 answer."""

    error: ErrorBody


def job_not_found(job_id: str) -> HTTPException:
    """404 in the contract's words."""
    return HTTPException(404, f"No job found with ID: {job_id}")


def unauthorized(detail: str = KEY_REQUIRED) -> HTTPException:
    """401 as the contract writes it: `{"detail": …}`, no problem document (1.1)."""
    return HTTPException(401, detail)


def request_id(scope: Scope) -> str | None:
    """The id of this request, where one is known."""
    return scope.get(REQUEST_ID)


def problem_answer(scope: Scope, status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem document; for 401 the contract's plain shape."""
    if status == HTTPStatus.UNAUTHORIZED:
        return JSONResponse({"detail": detail}, status, {"WWW-Authenticate": "ApiKey", **(headers or {})})
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail, instance=scope["path"])
    return JSONResponse(problem.model_dump(), status, headers, media_type="application/problem+json")


def error_answer(
    scope: Scope, status: int, code: str, message: str, errors: list[FieldError] | None = None
) -> JSONResponse:
    """An answer in the second shape: `{"error": …}`."""
    body = ErrorBody(
        code=code,
        message=message,
        errors=errors,
        request_id=request_id(scope),
        timestamp=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    absent = {name for name in ("errors", "request_id") if getattr(body, name) is None}
    return JSONResponse({"error": body.model_dump(exclude=absent)}, status)


def invalid_answer(scope: Scope, errors: list[FieldError]) -> JSONResponse:
    """422."""
    return error_answer(scope, 422, "VALIDATION_ERROR", "Request validation failed", errors)


def busy_answer(scope: Scope, code: str, message: str) -> JSONResponse:
    """503 with the seconds after which to ask again."""
    answer = error_answer(scope, 503, code, message)
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def no_space_answer(scope: Scope, detail: str) -> JSONResponse:
    """507. It belongs to neither of the contract's kinds of errors, so a client finds the sentence in both places."""
    problem = Problem(title=HTTPStatus(507).phrase, status=507, detail=detail, instance=scope["path"])
    error = ErrorBody(
        code="NO_SPACE",
        message=detail,
        request_id=request_id(scope),
        timestamp=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    body = {**problem.model_dump(), "error": error.model_dump(exclude_none=True)}
    return JSONResponse(body, 507, media_type="application/problem+json")


def _field_error(error: Mapping[str, Any]) -> FieldError:
    value = error.get("input")
    where = [str(part) for part in error["loc"]]
    if where[:1] == ["query"] and isinstance(value, list):
        # A parameter that may be repeated, and was not.
        given = cast("list[object]", value)
        value = given[0] if len(given) == 1 else given
    # What was sent instead of a missing field is no value of it, and a key that is no good may be somebody's.
    hidden = error["type"] == "missing" or not SECRET_FIELDS.isdisjoint(where) or tuple(where) in SECRET_PLACES
    return FieldError(
        field=".".join(where),
        message=str(error["msg"]),
        value=None if value is None or hidden else str(value)[:VALUE_SHOWN],
    )


def install_error_answers(app: FastAPI) -> None:
    """Make every error of this app leave in one of the contract's shapes."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return problem_answer(request.scope, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return invalid_answer(request.scope, [_field_error(item) for item in error.errors()[:ERRORS_SHOWN]])

    @app.exception_handler(NoDeployment)
    async def no_deployment(request: Request, error: NoDeployment) -> Response:
        return problem_answer(request.scope, 409, str(error))

    @app.exception_handler(PrefectUnavailable)
    async def unavailable(request: Request, error: PrefectUnavailable) -> Response:
        logger.warning("%s", error)
        return busy_answer(request.scope, "PREFECT_UNAVAILABLE", "Prefect's API is not reachable - try again shortly")

    @app.exception_handler(StoreError)
    async def store_busy(request: Request, error: StoreError) -> Response:
        logger.warning("%s: %s", type(error).__name__, error)
        if isinstance(error, StoreFull):
            return no_space_answer(request.scope, str(error))
        return busy_answer(request.scope, error.code, str(error))

    @app.exception_handler(OSError)
    async def disk_in_trouble(request: Request, error: OSError) -> Response:
        if is_full(error):
            logger.warning("%s", error)
            detail = str(error) if isinstance(error, NoSpace) else "Not enough space to do this"
            return no_space_answer(request.scope, detail)
        if error.errno == errno.EROFS:
            logger.warning("%s", error)
            return busy_answer(request.scope, "READ_ONLY", "The disk of this server can only be read")
        raise error

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The cause goes to the server's log (Starlette raises it on) and not to the client: it may hold secrets.
        answer = error_answer(
            request.scope, 500, "INTERNAL_ERROR", "An unexpected error occurred - see the server's log"
        )
        # This answer is written outside of the middleware that names and marks every other one.
        mark(answer.headers)
        if known := request_id(request.scope):
            answer.headers["X-Request-ID"] = known
        return answer

    _ = (refused, invalid, no_deployment, unavailable, store_busy, disk_in_trouble, failed)
