"""One connection to one server: deadlines, and the place where RPC errors become ours."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

import grpc

from stratopt_client._channel import open_channel
from stratopt_client._errors import told_apart, unreachable

DEADLINE_SECONDS = 30.0
"""How long a plain call may take."""
TRANSFER_DEADLINE_SECONDS = 600.0
"""How long the upload of a file, the download of a report or the gathering of evidence may take."""

CALLER_KEY = "stratopt-caller"
"""Metadata key under which callers name themselves, so that they take turns in the queue."""
REQUEST_ID_KEY = "x-request-id"
"""Metadata key of an id under which the server logs a call."""

Metadata = tuple[tuple[str, str], ...]
Request = TypeVar("Request")
Response = TypeVar("Response")


class Connection:
    """A channel and the deadlines of the calls made on it."""

    def __init__(
        self,
        target: str,
        *,
        deadline_seconds: float,
        transfer_deadline_seconds: float,
        caller: str,
        request_id: Callable[[], str] | None,
    ) -> None:
        """Connect at the first call; `caller` is who calls, empty for nobody in particular.

        `request_id` is asked at each call for an id to log it under; empty lets the server make one.
        """
        self.target = target
        self.deadline_seconds = deadline_seconds
        self.transfer_deadline_seconds = transfer_deadline_seconds
        self.channel = open_channel(target)
        self._caller = caller
        self._request_id = request_id

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        deadline_seconds: float | None = None,
        caller: str | None = None,
    ) -> Response:
        """Make a plain call; one that works long on the server brings its own deadline."""
        name = self._caller if caller is None else caller
        with told_apart(self.target):
            return await method(
                request,
                timeout=deadline_seconds or self.deadline_seconds,
                metadata=(*self.metadata(), *(((CALLER_KEY, name),) if name else ())),
            )

    def metadata(self) -> Metadata:
        """Return what every call says of itself."""
        request_id = "" if self._request_id is None else self._request_id()
        return ((REQUEST_ID_KEY, request_id),) if request_id else ()

    async def download(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncGenerator[Response]:
        """Yield what a finite stream sends."""
        call = method(request, timeout=self.transfer_deadline_seconds, metadata=self.metadata())
        try:
            with told_apart(self.target):
                async for message in call:
                    yield message
        finally:
            call.cancel()

    async def ready(self, timeout_seconds: float) -> None:
        """Return once the server accepts connections; raise Unavailable if it does not in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.channel.channel_ready()
        except TimeoutError:
            raise unreachable(self.target, f"tried for {timeout_seconds:g} s") from None

    async def close(self) -> None:
        """End every call and close the channel."""
        await self.channel.close()
