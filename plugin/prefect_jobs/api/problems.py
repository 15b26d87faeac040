"""Errors as the contract writes them (1.2): a problem document for what a route refuses, and two JSON shapes."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from prefect_jobs.gateway import NoDeployment, PrefectUnavailable

logger = logging.getLogger(__name__)

VALUE_SHOWN = 100
"""Characters of a rejected value that an answer repeats."""
RETRY_AFTER = "5"


class Problem(BaseModel):
    """The body of a 4xx answer (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str


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


def _problem(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail, instance=request.url.path)
    return JSONResponse(problem.model_dump(), status, headers, media_type="application/problem+json")


def _error(
    request: Request, status: int, code: str, message: str, errors: list[FieldError] | None = None
) -> JSONResponse:
    body = ErrorBody(
        code=code,
        message=message,
        errors=errors,
        request_id=request.headers.get("x-request-id"),
        timestamp=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    absent = {name for name in ("errors", "request_id") if getattr(body, name) is None}
    return JSONResponse({"error": body.model_dump(exclude=absent)}, status)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    value = error.get("input")
    where = [str(part) for part in error["loc"]]
    return FieldError(
        field=".".join(where),
        message=str(error["msg"]),
        value=None if value is None or error["type"] == "missing" else str(value)[:VALUE_SHOWN],
    )


def install_error_answers(app: FastAPI) -> None:
    """Make every error of this app leave in one of the contract's shapes."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return _problem(request, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [_field_error(item) for item in error.errors()]
        return _error(request, 422, "VALIDATION_ERROR", "Request validation failed", errors)

    @app.exception_handler(NoDeployment)
    async def no_deployment(request: Request, error: NoDeployment) -> Response:
        return _problem(request, 409, str(error))

    @app.exception_handler(PrefectUnavailable)
    async def unavailable(request: Request, error: PrefectUnavailable) -> Response:
        logger.warning("%s", error)
        answer = _error(request, 503, "PREFECT_UNAVAILABLE", "Prefect's API is not reachable - try again shortly")
        answer.headers["Retry-After"] = RETRY_AFTER
        return answer

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The cause goes to the server's log (Starlette raises it on) and not to the client: it may hold secrets.
        return _error(request, 500, "INTERNAL_ERROR", "An unexpected error occurred - see the server's log")

    _ = (refused, invalid, no_deployment, unavailable, failed)
