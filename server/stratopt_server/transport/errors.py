"""The one place where exceptions become statuses; servicers hold no try/except at all."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from grpc import aio

from stratopt_server.domain.errors import Code, StratoptError
from stratopt_server.transport.status import to_status

log = logging.getLogger(__name__)

INTERNAL = StratoptError(
    "the server failed unexpectedly; its log has the details", code=Code.INTERNAL, reason="INTERNAL"
)


Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class ErrorInterceptor(aio.ServerInterceptor):
    """Answers a StratoptError with its status, and any other exception with INTERNAL and no text."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the method's handler, unary or streaming."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = handler_call_details.method
        kinds: dict[tuple[bool, bool], tuple[str, Any, Any]] = {
            (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler, _guard_unary),
            (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler, _guard_stream),
            (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler, _guard_unary),
            (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler, _guard_stream),
        }
        attribute, make, guard = kinds[handler.request_streaming, handler.response_streaming]
        guarded = guard(getattr(handler, attribute), method)
        wrapped: Handler = make(guarded, handler.request_deserializer, handler.response_serializer)
        return wrapped


def _guard_unary(behaviour: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    async def guarded(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await behaviour(request, context)
        except Exception as error:  # noqa: BLE001 - every exception becomes a status
            await _abort(error, method, context)

    return guarded


def _guard_stream(
    behaviour: Callable[..., AsyncIterator[Any]], method: str
) -> Callable[..., AsyncIterator[Any]]:
    async def guarded(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            async for response in behaviour(request, context):
                yield response
        except Exception as error:  # noqa: BLE001 - every exception becomes a status
            await _abort(error, method, context)

    return guarded


async def _abort(error: Exception, method: str, context: aio.ServicerContext[Any, Any]) -> None:
    if isinstance(error, aio.AbortError):
        raise error
    if not isinstance(error, StratoptError):
        log.error("%s failed", method, exc_info=error)
        error = INTERNAL
    await context.abort_with_status(to_status(error))
