"""The Prefect server that `prefect-jobs up` starts: `python -m prefect_jobs.embedded_server prefect server start …`.

Prefect's server is made for a machine behind a firewall of its own, and here it stands on a desk:

- On SQLite it answers 100 requests at a time, and counts an open socket as a request that never ends. A hundred
  watched logs, and it never answers again. Here sockets do not count.
- It answers every web page and takes any name for its own, so a page of any site could start flows through a visitor's
  browser. Here it is for its own pages, and for programs, which send no `Origin`.

Both are put right around Prefect's command, in this process only; the command itself runs as it is.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from prefect_jobs.api.origin import OriginGuard

CORS_ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
"""Prefect's setting, separated by commas. Pages of these origins may use the server; `*` opens it to all."""
LOOPBACK = "127.0.0.1"


def main() -> None:
    """Run the command line behind this module's name as Prefect would, with a server that is set right."""
    os.umask(0o077)  # the database is made by a thread of SQLite, with whatever mode this leaves
    let_sockets_pass()
    uvicorn.run = with_closed_doors(uvicorn.run)
    from prefect.cli import app

    sys.argv = sys.argv[1:]
    app()


def let_sockets_pass() -> None:
    """Count requests only. A Prefect that has no such limit needs nothing."""
    from prefect.server.api import server

    limiter: Any = getattr(server, "RequestLimitMiddleware", None)
    if limiter is None:
        return
    limited: Callable[[Any, Scope, Receive, Send], Awaitable[None]] = limiter.__call__

    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await limited(self, scope, receive, send)

    limiter.__call__ = call


def with_closed_doors(run: Callable[..., None]) -> Callable[..., None]:
    """Uvicorn's `run`, for an application that may be used by its own pages only."""

    def guarded(app: ASGIApp, **options: Any) -> None:
        origins = [origin.strip() for origin in os.environ.get(CORS_ORIGINS, "").split(",") if origin.strip()]
        # Around the application and not in it: Prefect asks itself under a host name of its own.
        run(app if "*" in origins else OriginGuard(app, bound_host=LOOPBACK, allowed_origins=origins), **options)

    return guarded


if __name__ == "__main__":
    main()
