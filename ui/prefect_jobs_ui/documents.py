"""Whose document it is. Bokeh gives a document to whoever names it; here it belongs to the sign-in that made it.

bokeh-fastapi takes a session's id from the address (`?bokeh_session_id=`) and from the socket's token, unsigned: two
people could be brought into one document, and what one of them sends is drawn at the other's. So ids are made and
signed here, nothing that a request names is used, and the token says for which sign-in it was made: the socket must
come with that sign-in's cookie, and ends with it. Where nobody signs in everybody may do everything; there a document
belongs to the tab that has its token, and the first socket is the only one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import time
from typing import Any, cast

from bokeh.core.types import ID
from bokeh.protocol import Protocol
from bokeh.server.protocol_handler import ProtocolHandler
from bokeh.server.session import ServerSession
from bokeh.util.token import generate_jwt_token, generate_session_id, get_session_id, get_token_payload
from bokeh_fastapi import BokehFastAPI  # pyright: ignore[reportMissingTypeStubs]  # it has none
from bokeh_fastapi.handler import WSHandler  # pyright: ignore[reportMissingTypeStubs]  # it has none
from fastapi import WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse
from panel.io.document import extra_socket_handlers
from panel.io.fastapi import dispatch_fastapi  # pyright: ignore[reportUnknownVariableType]  # its types are partial
from panel.io.server import server_html_page_for_session
from tornado.ioloop import IOLoop

from prefect_jobs_ui.browser_messages import LONGEST_FRAGMENT, NotOurs, check
from prefect_jobs_ui.hub import Hub
from prefect_jobs_ui.viewers import VISIT

TOKEN_SECONDS = 300
"""How long after the page its socket may come: scripts over a slow line."""
GOODBYE_SECONDS = 0.2
"""How long a tab whose sign-in is over is still told so, while nothing more is taken from it."""
POLICY_VIOLATION = 1008

logger = logging.getLogger(__name__)


class Documents:
    """The two doors to Bokeh's documents: the page, and the socket of a tab. `secret` signs what they hand out."""

    def __init__(self, bokeh: BokehFastAPI, path: str, secret: bytes) -> None:
        self._bokeh: Any = bokeh
        self._context: Any = self._bokeh._applications[path]  # it has no public way to them
        self._secret = secret

    @property
    def count(self) -> int:
        """How many documents there are, of open tabs and of those just closed."""
        return len(self._context.sessions)

    async def page(self) -> HTMLResponse:
        """A new document for this visit, as a page."""
        session_id = generate_session_id(self._secret, signed=True)
        # Nothing of the address is in the token: it travels in a header, and headers have their limits.
        said: dict[str, Any] = {"sign_in": self._mark(), "headers": {}, "cookies": {}, "arguments": {}}
        token = generate_jwt_token(session_id, self._secret, signed=True, extra_payload=said, expiration=TOKEN_SECONDS)
        session = await self._session(session_id, token)
        render: Any = server_html_page_for_session
        document: Any = session.document
        page: str = render(
            session,
            resources=self._bokeh.resources(),
            title=document.title,
            template=document.template,
            template_variables=document.template_variables,
        )
        return HTMLResponse(page)

    async def socket(self, websocket: WebSocket) -> None:
        """The socket of a tab. One whose token was not made here, for this sign-in, is refused before it opens."""
        token = self._token(websocket)
        if token is None:
            return await websocket.close(POLICY_VIOLATION)
        # A slow browser comes when its document was released: it gets a new one of the same id.
        session = await self._session(get_session_id(token), token)
        if session.connection_count:
            return await websocket.close(POLICY_VIOLATION)
        await _TabSocket(self._bokeh, self._context, websocket).serve(session, VISIT.get().hub)

    async def _session(self, session_id: ID, token: str) -> ServerSession:
        if self._context.io_loop is None:
            self._context._loop = IOLoop.current()
        # Panel asks whether there is a request, and Bokeh takes its parts from the token.
        return await self._context.create_session_if_needed(session_id, object(), token)

    def _token(self, websocket: WebSocket) -> str | None:
        offered = websocket.scope["subprotocols"]
        if len(offered) != 2 or offered[0] != "bokeh":
            return None
        body, _, signature = str(offered[1]).partition(".")
        if not hmac.compare_digest(self._signed(body).encode(), signature.encode(errors="replace")):
            return None  # before anything of it is read
        said = get_token_payload(offered[1])
        if said["session_expiry"] <= time.time():
            return None
        return offered[1] if hmac.compare_digest(said["sign_in"], self._mark()) else None

    def _mark(self) -> str:
        """The sign-in of this visit, in a form that tells nothing of it. A stranger's is the same as any stranger's."""
        return self._signed(f"sign-in:{VISIT.get().presented or ''}")

    def _signed(self, text: str) -> str:
        """Bokeh's own way to sign."""
        digest = hmac.new(self._secret, text.encode(errors="replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class _TabSocket(WSHandler):
    """The open socket of one tab, which Bokeh and Panel send to as to their own."""

    def __init__(self, bokeh: Any, context: Any, websocket: WebSocket) -> None:
        super().__init__(bokeh, context)
        self._socket = websocket
        self._sending = asyncio.Lock()

    async def serve(self, session: ServerSession, hub: Hub) -> None:
        """Take what the tab says until it leaves, says what the page never says, or its sign-in is over."""
        application: Any = self.application
        # No `await` between the count of connections and this one.
        self.connection = application.new_connection(Protocol(), self, self.application_context, session)
        ended = asyncio.ensure_future(hub.over.wait())
        try:
            with hub.in_use(), contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):  # gone in the meantime
                await self._socket.accept("bokeh")
                await self.send_message(self.connection.protocol.create("ACK"))
                heard = asyncio.ensure_future(self._listen({root.id for root in session.document.roots}))
                try:
                    await asyncio.wait({heard, ended}, return_when=asyncio.FIRST_COMPLETED)
                    refusal = heard.result() if heard.done() else "Signed out"
                finally:
                    heard.cancel()
                if refusal is not None:
                    await asyncio.sleep(GOODBYE_SECONDS if ended.done() else 0)
                    await self._socket.close(POLICY_VIOLATION, refusal)
        finally:
            ended.cancel()
            application.client_lost(self.connection)

    async def _listen(self, models: set[str]) -> str | None:
        """Pass on what the page says. Returns None when the tab has left, else what it said."""
        handler: Any = ProtocolHandler()
        fragments: list[str] = []
        while (said := await self._socket.receive())["type"] != "websocket.disconnect":
            fragment = said.get("text")
            try:
                if fragment is None or len(fragment) > LONGEST_FRAGMENT:
                    raise NotOurs
                fragments.append(fragment)
                if len(fragments) < 3:
                    continue
                check(fragments, models)
            except NotOurs:
                logger.warning("The socket of a tab was closed: it sent what the page never sends")
                return "Not a message of this page"
            message: Any = self.connection.protocol.assemble(*fragments)
            fragments.clear()
            if (answer := await handler.handle(message, self.connection)) is not None:
                await self.send_message(answer)
        return None

    async def send_message(self, message: Any) -> int:
        """Send one message; those of several tasks must not mix, as each is three frames."""
        async with self._sending:
            return await super().send_message(message)  # pyright: ignore[reportUnknownMemberType]  # of any content


extra_socket_handlers[_TabSocket] = cast(Any, dispatch_fastapi)
