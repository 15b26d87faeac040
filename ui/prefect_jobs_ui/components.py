"""The three parts of the page that the browser draws. Panel keeps their parameters in step with the browser's copy.

Their code is in `js/`, bundled with Preact into `dist/jobs.bundle.js` (see docs/page.md). Nothing here may be named
`type`: Bokeh's models have one, and a parameter of that name blanks the page.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

BUNDLE = "dist/jobs.bundle.js"
PARTS = ("_Drawn", "Toolbar", "JobList", "JobDetail")
"""Whose bundle a browser may ask for: Panel names the class that says where it is."""

_JS = Path(__file__).parent / "js"
_SHARED: dict[str, str | PathLike[str]] = {
    path.stem: path for path in sorted(_JS.glob("*.js")) if path.stem not in ("toolbar", "job_list", "job_detail")
}


class _Drawn(JSComponent):
    """A part drawn in the browser, which tells `on_message` what the user does."""

    _esm_shared = _SHARED
    _bundle = BUNDLE

    __abstract = True

    def __init__(self, on_message: Callable[[object], None], **params: Any) -> None:
        super().__init__(**params)  # pyright: ignore[reportUnknownMemberType]  # Panel's params are untyped
        self._on_message = on_message

    def _handle_msg(self, data: object) -> None:
        self._on_message(data)

    def say(self, message: dict[str, Any]) -> None:
        """Send one message to the browser's drawing; it is lost if nobody draws."""
        self._send_msg(message)


class Toolbar(_Drawn):
    """The header, the search bar, the notice about the feed, and what lies over the page. Owns the URL."""

    counts = param.Dict(default=None, allow_None=True, doc="How many jobs there are, by status and type.")
    role = param.String(default="", doc="What the viewer may do; empty while nobody knows.")
    refreshing = param.Boolean(default=False)
    notice = param.String(default="")
    known_at = param.Number(default=0, doc="While the API is away: when it answered last, in milliseconds; else 0.")
    who = param.String(default="", doc="Who is signed in; empty where nobody signs in.")
    signed_out = param.Boolean(default=False)

    _esm = "js/toolbar.js"


class JobList(_Drawn):
    """The list of cards. Its cards travel as messages, one per change."""

    _esm = "js/job_list.js"


class JobDetail(_Drawn):
    """The selected job: metadata, logs, result."""

    phase = param.String(default="none")
    job_id = param.String(default="", doc="Of which job the phase speaks; the browser may have chosen another since.")
    job = param.Dict(default=None, allow_None=True)
    failure = param.String(default="")

    _esm = "js/job_detail.js"
