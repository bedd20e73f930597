"""What the interceptors have in common: a method's handler, wrapped, whatever kind of method it is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc

OURS = "/stratopt."
"""Begins the name of every method of ours; others, health checks and reflection, are left as they are."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]
Unary = Callable[..., Awaitable[Any]]
"""A method with one response."""
Stream = Callable[..., AsyncIterator[Any]]
"""A method with a stream of them."""


def wrapped(
    handler: "grpc.RpcMethodHandler[Any, Any]",
    unary: Callable[[Unary], Unary],
    stream: Callable[[Stream], Stream],
) -> Handler:
    """Return the handler with its behaviour wrapped by whichever of the two fits it."""
    kinds: dict[tuple[bool, bool], tuple[str, Any, Any]] = {
        (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler, unary),
        (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler, stream),
        (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler, unary),
        (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler, stream),
    }
    attribute, make, wrap = kinds[handler.request_streaming, handler.response_streaming]
    made: Handler = make(
        wrap(getattr(handler, attribute)), handler.request_deserializer, handler.response_serializer
    )
    return made
