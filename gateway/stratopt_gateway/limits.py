"""A limit on the size of bodies, kept before anything reads them."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stratopt_gateway.problems import ProblemResponse, problem

DRAINED_BYTES_MAX = 64 * 1024 * 1024
"""How much of a refused body is still read, so that its sender gets to see the answer."""


class BodyLimit:
    """ASGI middleware that answers 413 to a body over the limit."""

    def __init__(self, app: ASGIApp, *, bytes_max: int) -> None:
        """Bodies of up to `bytes_max` pass."""
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body up to the limit, then let the app have it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(receive)
        if body is None:
            await self._refuse(scope, receive, send)
            return
        passed = False

        async def receive_again() -> Message:
            nonlocal passed
            if passed:
                return await receive()
            passed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_again, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, or None if it is too large; what is left of it is drained."""
        body, size, more = bytearray(), 0, True
        while more and size <= DRAINED_BYTES_MAX:
            message = await receive()
            if message["type"] != "http.request":
                break
            part: bytes = message.get("body", b"")
            size += len(part)
            more = message.get("more_body", False)
            if size <= self._bytes_max:
                body += part
        return bytes(body) if size <= self._bytes_max else None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"the body is larger than {self._bytes_max} bytes"
        said = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BODY_TOO_LARGE", text)
        # What is not drained is not read at all: the connection cannot be used again.
        await ProblemResponse(said, {"Connection": "close"})(scope, receive, send)
