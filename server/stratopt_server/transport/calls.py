"""Around every call: its ids for the log, and its count."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import grpc
from grpc import aio

from stratopt_server import logs
from stratopt_server.observing.meters import Meters
from stratopt_server.transport.wrapping import OURS, Continuation, Handler, Stream, Unary, wrapped
from stratopt_server.wire.reading import CALLER_KEY

log = logging.getLogger(__name__)

REQUEST_ID_KEY = "x-request-id"
"""Metadata key under which callers, the gateway among them, name a call."""
CODES = {code.value[0]: code.name for code in grpc.StatusCode}
"""Names of the codes by their numbers."""


class CallInterceptor(aio.ServerInterceptor):
    """Binds the ids of a call to what is logged meanwhile, and counts it when it has ended."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of a method of ours, unary or streaming."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(OURS):
            return handler
        method = handler_call_details.method.lstrip("/")

        def unary(behaviour: Unary) -> Unary:
            async def followed(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
                call = _Call(method, request, context)
                try:
                    return await behaviour(request, context)
                finally:
                    self._end(call, call.seconds)

            return followed

        def stream(behaviour: Stream) -> Stream:
            async def followed(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
                call = _Call(method, request, context)
                try:
                    async with aclosing(behaviour(request, context)) as responses:  # type: ignore[type-var]
                        async for response in responses:
                            yield response
                finally:
                    self._end(call, None)

            return followed

        return wrapped(handler, unary, stream)

    def _end(self, call: "_Call", seconds: float | None) -> None:
        code = call.code()
        self._meters.call(call.method, code, seconds)
        log.debug("%s: %s in %.4f s", call.method, code, call.seconds)


class _Call:
    """One call, from when its request was read. gRPC gives each call a task: its ids end with it."""

    def __init__(self, method: str, request: Any, context: aio.ServicerContext[Any, Any]) -> None:
        self.method = method
        self._context = context
        self._began = time.perf_counter()
        metadata = tuple(context.invocation_metadata() or ())
        given = _first(metadata, REQUEST_ID_KEY)
        # A stream of requests has no request_id of its own.
        own = getattr(request, "request_id", "")
        logs.bind(
            request_id=own or given or secrets.token_hex(6),
            x_request_id=given if own and given != own else "",
            method=method,
            caller=_first(metadata, CALLER_KEY),
        )

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._began

    def code(self) -> str:
        """Name the status of the call that has just ended."""
        current = asyncio.current_task()
        if self._context.cancelled() or (current is not None and current.cancelling()):
            return grpc.StatusCode.CANCELLED.name
        code: Any = self._context.code()
        if isinstance(code, grpc.StatusCode):
            return code.name
        return CODES.get(code or 0, grpc.StatusCode.UNKNOWN.name)


def _first(metadata: Iterable[tuple[str, str | bytes]], name: str) -> str:
    value = next((value for key, value in metadata if key == name), "")
    return value if isinstance(value, str) else value.decode(errors="replace")
