"""Panel on FastAPI serves a page in ten lines, and leaves five things to close. They are closed here.

bokeh-fastapi 0.1.8 lets a request choose whose document it opens and never releases that of a closed tab; its static
files are asked from the host's root, which breaks under a prefix; `BOKEH_RESOURCES=cdn` would send the browser to other
hosts; Panel's component route imports whichever module its address names; and 2 MB of scripts are served from the head.
So of the routes that they add only the static files stay. The page and its socket are in `documents.py`, and what
stands before them is in `guard.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import jinja2
import panel
from bokeh.resources import Resources
from bokeh.server.views.static_handler import StaticHandler
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from markupsafe import Markup
from panel.io.fastapi import add_applications  # pyright: ignore[reportUnknownVariableType]  # its types are partial
from starlette.middleware import Middleware
from starlette.routing import Mount

from prefect_jobs_ui.adapter import Adapter
from prefect_jobs_ui.cards import type_label
from prefect_jobs_ui.components import BUNDLE, PARTS
from prefect_jobs_ui.documents import Documents
from prefect_jobs_ui.first_rows import count_text, first_row, first_tabs, phase_of
from prefect_jobs_ui.guard import PageGuard, content_security_policy
from prefect_jobs_ui.session import LONGEST_JOB_ID, PageSession, who
from prefect_jobs_ui.texts import TEXTS, text
from prefect_jobs_ui.viewers import VISIT, Viewers, Visit

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
# A document nobody uses is kept this long: enough to open the socket after the page was read. Later openers get a new
# one by their token, so nothing is lost on a slow line.
_UNUSED_SESSION_MS = 5000
_SWEEP_MS = 1000

_COMPONENTS = "/components/prefect_jobs_ui.components"

_templates = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True)


class MountedPage:
    """A page that was added to an application, for whoever counts what it holds."""

    def __init__(self, viewers: Viewers, documents: Documents) -> None:
        self._viewers = viewers
        self._documents = documents

    @property
    def sessions(self) -> int:
        """How many sessions the server holds, of open tabs and of those just closed."""
        return self._documents.count

    @property
    def tabs(self) -> int:
        """How many tabs are told of changes."""
        return self._viewers.tabs


def mount(
    app: FastAPI, *, api_url: str, path: str, allowed_origins: Sequence[str], frame_origins: Sequence[str] = ()
) -> MountedPage:
    """Add the page to `app`; see `prefect_jobs_ui.mount_page`."""
    path = "/" + path.strip("/")
    if "/" in path[1:] or path == "/":
        raise ValueError(f"The page's path is one segment, such as `/jobs`; got {path!r}.")
    adapter = Adapter.at(api_url)
    viewers = Viewers(adapter)
    before = list(app.routes)
    app.mount(f"{path}/assets", StaticFiles(directory=_STATIC), name="jobs-page-assets")
    secret = secrets.token_bytes(32)
    bokeh = add_applications(
        cast(Any, {path: lambda: _open_session(path)}),
        app=app,
        title=text("title"),
        location=False,
        check_unused_sessions_milliseconds=_SWEEP_MS,
        unused_session_lifetime_milliseconds=_UNUSED_SESSION_MS,
        secret_key=secret,
        sign_sessions=True,
    )
    bokeh.resources = _resources
    documents = Documents(bokeh, path, secret)
    app.router.routes[:] = [route for route in app.routes if route in before or isinstance(route, Mount)]
    app.add_api_route(path, documents.page, methods=["GET"], include_in_schema=False)
    app.add_api_websocket_route(f"{path}/ws", documents.socket)
    app.add_api_route(f"{path}/alive", _alive, methods=["GET"], include_in_schema=False)
    for part in PARTS:
        app.add_api_route(f"{_COMPONENTS}/{part}/_bundle_path/{BUNDLE}", _bundle, include_in_schema=False)
    # Innermost: what the application demands of every request, it demands of the page's too.
    app.user_middleware.append(
        Middleware(
            PageGuard,
            path=path,
            viewers=viewers,
            sign_in_form=lambda expired: _sign_in_form(path, expired=expired),
            allowed_origins=allowed_origins,
            policy=content_security_policy(frame_origins),
        )
    )
    _follow_while_serving(app, adapter, viewers)
    return MountedPage(viewers, documents)


def _open_session(path: str) -> None:
    visit = VISIT.get()
    session = PageSession(visit.hub, visit.viewer)
    document: Any = panel.state.curdoc
    config: Any = panel.config
    # Panel counts `../` from the path as it arrived, prefix included; the page's statics are always its neighbours.
    panel.state.rel_path = ""
    with config.set(browser_info=False):  # three more models that nobody reads
        for part in (session.toolbar, session.list, session.detail):
            part.server_doc(document, text("title"), location=False)

    def close(_context: object) -> None:
        session.close()

    document.on_session_destroyed(close)
    # A lost socket means a new session: the browser reloads by itself and says so (js/page_server.js).
    document.config.reconnect_session = False
    document.config.notify_connection_status = False
    document.template = _templates.get_template("page.html")
    document.template_variables.update(_first_paint(visit, path))


def _frame(path: str) -> dict[str, Any]:
    """What the head of every page of ours needs."""
    style = b"".join(path.read_bytes() for path in sorted(_STATIC.glob("*.css")))
    return {
        # Relative to the page's own address, so that any prefix in front of it holds for these too.
        "assets": f"{path.rsplit('/', 1)[-1]}/assets",
        "style_version": hashlib.sha256(style).hexdigest()[:12],
        "texts": TEXTS,
        "sprite": Markup((_STATIC / "sprite.svg").read_text(encoding="utf-8")),  # our own file
    }


def _sign_in_form(path: str, *, expired: bool) -> str:
    return _templates.get_template("sign_in.html").render(**_frame(path), expired=expired)


def _first_paint(visit: Visit, path: str) -> dict[str, Any]:
    hub, shown, arguments = visit.hub, visit.shown, visit.arguments
    page = visit.first if shown.is_active else hub.page
    now = datetime.now(UTC)
    embedded = arguments.get("embed") == "1"
    selected = arguments.get("job", "")
    return {
        **_frame(path),
        "who": who(visit.viewer),
        "may_start": visit.viewer.role in ("operator", "admin"),
        "shown": shown,
        "shown_type": type_label(shown.job_type) if shown.job_type else TEXTS["filter.all"],
        "tabs": first_tabs(hub.page, shown, embedded=embedded),
        "phase": phase_of(page, hub.failure, shown, complete=hub.health.complete),
        "failure": hub.failure,
        "searchable": shown.is_active or (hub.failure is None if hub.page is None else bool(hub.page.cards)),
        "count": "" if page is None else count_text(page.total, exact=page.exact),
        "rows": []
        if page is None
        else [first_row(card, now=now, shown=shown, embedded=embedded) for card in page.cards],
        "selected": selected,
        "first_log": _first_log(selected),
        "view": "stats" if arguments.get("view") == "stats" else "jobs",
        "embedded": embedded,
    }


def _first_log(job_id: str) -> str:
    """What the log viewer asks first (`LogPages.newest`): asked with the page, it is there when the viewer is."""
    return f"api/jobs/{quote(job_id, safe='')}/logs?order=desc&limit=400" if 0 < len(job_id) <= LONGEST_JOB_ID else ""


async def _bundle() -> Response:
    return FileResponse(_HERE / BUNDLE)


async def _alive() -> Response:
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _resources(absolute_url: str | None = None) -> Resources:
    """Bokeh's own files from this host, asked relative to the page, whatever the environment says."""
    del absolute_url
    return Resources(
        mode="server",
        root_url="./",
        path_versioner=StaticHandler.append_version,
        components=["bokeh", "bokeh-widgets", "bokeh-tables"],
    )


def _follow_while_serving(app: FastAPI, adapter: Adapter, viewers: Viewers) -> None:
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(served: Any) -> AsyncGenerator[Any]:
        async with inner(served) as state, viewers.serving():
            yield state
        await adapter.aclose()

    app.router.lifespan_context = lifespan
