"""Signing in and out of a browser (contract 16.8).

The cookie is HttpOnly (no script reads it), SameSite=Strict (no other site sends it), and Secure where the browser
came over https.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from prefect_jobs.api.adapter import TheAdapter
from prefect_jobs.api.caller import AnyCaller
from prefect_jobs.api.problems import ErrorAnswer, Problem, Unauthorized, unauthorized
from prefect_jobs.api.sign_in import TooManyAttempts, WrongKey
from prefect_jobs.api.wire import OffsetTime
from prefect_jobs.api_keys import LONGEST_KEY, Role

router = APIRouter(prefix="/api/session", tags=["session"])

COOKIE = "prefect_jobs_session"

_Token = Annotated[str | None, Cookie(alias=COOKIE, include_in_schema=False)]


class SignIn(BaseModel):
    """The key to sign in with."""

    api_key: str = Field(min_length=1, max_length=LONGEST_KEY, examples=["not-a-real-key-0123456789"])


class SignedIn(BaseModel):
    """Who asks."""

    name: str | None = Field(description="The name of the API key; null where nobody signs in.", examples=["maria"])
    role: Role = Field(examples=["operator"])
    sign_in: bool = Field(description="Whether this server asks for a key.", examples=[True])
    expires_at: OffsetTime | None = Field(
        default=None,
        description="When the session just opened will be over.",
        examples=["2026-03-04T20:15:00.120345+00:00"],
    )


@router.get("", responses={401: {"model": Unauthorized}})
async def who_am_i(adapter: TheAdapter, caller: AnyCaller) -> SignedIn:
    """Tell who asks, and what he may do."""
    if caller is None:
        raise unauthorized()
    return SignedIn(name=caller.name, role=caller.role, sign_in=adapter.sign_ins.required)


@router.post(
    "",
    responses={
        401: {"model": Unauthorized},
        409: {"model": Problem},
        422: {"model": ErrorAnswer},
        429: {"model": Problem},
    },
)
async def sign_in(
    adapter: TheAdapter, request: Request, response: Response, wanted: SignIn, former: _Token = None
) -> SignedIn:
    """Trade a key for a session, held in a cookie that HTTP, the sockets and the page accept."""
    if not adapter.sign_ins.required:
        raise HTTPException(409, "This server asks for no API key")
    adapter.room.require("sign in")
    address = request.client.host if request.client else "unknown"
    try:
        session = await adapter.sign_ins.sign_in(wanted.api_key, address=address)
    except TooManyAttempts as error:
        raise HTTPException(429, str(error), {"Retry-After": str(error.seconds)}) from error
    except WrongKey as error:
        raise unauthorized("Invalid API key") from error
    if former is not None:
        await adapter.sign_ins.sign_out(former)
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=max(1, int((session.expires_at - datetime.now(UTC)).total_seconds())),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(name=session.caller.name, role=session.caller.role, sign_in=True, expires_at=session.expires_at)


@router.delete("", status_code=204)
async def sign_out(adapter: TheAdapter, request: Request, response: Response, token: _Token = None) -> None:
    """End the session of the cookie; without one nothing happens."""
    if token is not None:
        await adapter.sign_ins.sign_out(token)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
