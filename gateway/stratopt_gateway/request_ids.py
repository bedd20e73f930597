"""The id of each request: taken from its sender or made here, logged, passed on to the server, answered."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stratopt_gateway.logs import request_id

log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
USABLE = re.compile(r"[!-~]{1,128}")
"""What may be an id: it becomes gRPC metadata and a part of log lines."""


class RequestIds:
    """ASGI middleware that gives every request an id."""

    def __init__(self, app: ASGIApp) -> None:
        """Nothing else is needed."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the sender's id, or make one where there is none that can be used."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        known = given if USABLE.fullmatch(given) else secrets.token_hex(8)
        # Not taken back: each request has a task of its own, and what handles its bugs comes after us.
        request_id.set(known)
        began = time.perf_counter()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = known
                took = time.perf_counter() - began
                log.debug("%s %s: %d in %.4f s", scope["method"], scope["path"], message["status"], took)
            await send(message)

        await self._app(scope, receive, send_named)
