"""The one place where exceptions become statuses; servicers hold no try/except at all."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from stratopt_server.domain.errors import Code, StratoptError, no_room
from stratopt_server.transport.limits import CallLimit
from stratopt_server.transport.status import to_status
from stratopt_server.transport.wrapping import OURS, Continuation, Handler, Stream, Unary, wrapped
from stratopt_server.wire.reading import caller_of

log = logging.getLogger(__name__)

INTERNAL = StratoptError(
    "the server failed unexpectedly; its log has the details", code=Code.INTERNAL, reason="INTERNAL"
)

Check = Callable[[Any], Awaitable[None]]


class ErrorInterceptor(aio.ServerInterceptor):
    """Answers a StratoptError with its status, and any other exception with INTERNAL and no text.

    A call beyond its caller's limit is such an error before it begins.
    """

    def __init__(self, limit: CallLimit) -> None:
        self._limit = limit

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of a method of ours, unary or streaming."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OURS):
            return handler
        check = self._check
        return wrapped(
            handler,
            lambda behaviour: _guard_unary(behaviour, method, check),
            lambda behaviour: _guard_stream(behaviour, method, check),
        )

    async def _check(self, context: Any) -> None:
        """Count the call for its caller: by name, or by the host it comes from."""
        caller = caller_of(context.invocation_metadata())
        await self._limit.check(caller or str(context.peer()).rpartition(":")[0])


def _guard_unary(behaviour: Unary, method: str, check: Check) -> Unary:
    async def guarded(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        try:
            await check(context)
            return await behaviour(request, context)
        except Exception as error:  # noqa: BLE001 - every exception becomes a status
            await _abort(error, method, context)

    return guarded


def _guard_stream(behaviour: Stream, method: str, check: Check) -> Stream:
    async def guarded(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            await check(context)
            async for response in behaviour(request, context):
                yield response
        except Exception as error:  # noqa: BLE001 - every exception becomes a status
            await _abort(error, method, context)

    return guarded


async def _abort(error: Exception, method: str, context: aio.ServicerContext[Any, Any]) -> None:
    if isinstance(error, aio.AbortError):
        raise error
    if isinstance(error, OSError):
        error = no_room(error) or error
    if not isinstance(error, StratoptError):
        log.error("%s failed", method, exc_info=error)
        error = INTERNAL
    await context.abort_with_status(to_status(error))
