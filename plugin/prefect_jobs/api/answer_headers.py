"""What a browser may do with an answer of the API, should somebody open it there.

An answer is data: no page may frame it, no script of it runs, nothing is loaded for it, no type is guessed, and no
other site may embed it. An answer that says otherwise itself, such as the jobs page, keeps what it says. The
description at `/docs` is a page: it loads its own files, and of inline scripts those that it came with, known by their
hashes.
"""

import base64
import hashlib
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOBODY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; {_NOBODY}",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FRAMES = "X-Frame-Options"
"""For browsers too old for `frame-ancestors`; it cannot name whom the page's own policy lets in."""
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def policy_of(html: bytes) -> str:
    """What a page that describes the API may load and run."""
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(html))
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"font-src 'self' data:; connect-src 'self'; {_NOBODY}"
    )


def mark(headers: MutableHeaders) -> None:
    """Add what an answer does not say itself."""
    if "Content-Security-Policy" not in headers:
        headers.setdefault(FRAMES, "DENY")
    for name, value in HEADERS.items():
        headers.setdefault(name, value)


class AnswerHeaders:
    """ASGI middleware that marks every answer.

    Args:
        app: the application behind it.
        pages: paths of the pages that describe the API.
    """

    def __init__(self, app: ASGIApp, *, pages: Iterable[str]) -> None:
        self._app = app
        self._pages = frozenset(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        is_page = scope["path"].removeprefix(scope.get("root_path", "")) in self._pages
        held: Message | None = None
        parts: list[bytes] = []

        async def marking(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                if is_page and headers.get("content-type", "").startswith("text/html"):
                    held = message  # its policy is known when its scripts are
                    return
                mark(headers)
            elif held is not None:
                parts.append(message.get("body", b""))
                if message.get("more_body", False):
                    return
                body, started = b"".join(parts), held
                headers, held = MutableHeaders(scope=started), None
                headers["Content-Security-Policy"] = policy_of(body)
                headers[FRAMES] = "DENY"
                mark(headers)
                await send(started)
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, marking)
