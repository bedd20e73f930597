"""How the client talks HTTP/2: limits, keepalive, and which calls may be repeated."""

import json
from collections.abc import Iterable, Iterator

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from stratopt.v1 import (
    approval_service_pb2,
    backtest_service_pb2,
    market_data_service_pb2,
    optimization_service_pb2,
    strategy_service_pb2,
    system_service_pb2,
)

MESSAGE_RECEIVED_BYTES_MAX = 32 * 1024 * 1024
"""Largest answer taken: a page of 50 strategies with 256 KiB of code each is half of it."""
MESSAGE_SENT_BYTES_MAX = 4 * 1024 * 1024
"""Largest request sent; gRPC servers take no more unless told to."""
KEEPALIVE_MS = 300_000
"""Distance of pings on an idle connection: what gRPC servers allow unless told otherwise. Watches
notice a dead connection sooner, by the heartbeats they miss."""
RECONNECT_MS_MAX = 5_000
"""Longest pause between attempts to connect; gRPC's own, two minutes, outlasts any restart of a server."""
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def open_channel(target: str) -> grpc.aio.Channel:
    """Return a channel to the server; it connects when it is first used."""
    return grpc.aio.insecure_channel(target, options=list(_options(target)))


def services() -> Iterator[ServiceDescriptor]:
    """Yield every service the client speaks."""
    for module in (
        approval_service_pb2,
        backtest_service_pb2,
        market_data_service_pb2,
        optimization_service_pb2,
        strategy_service_pb2,
        system_service_pb2,
    ):
        yield from module.DESCRIPTOR.services_by_name.values()


def service_config(of: Iterable[ServiceDescriptor]) -> str:
    """Return the gRPC service config that repeats the calls whose schema says that it is safe."""
    names = [
        {"service": service.full_name, "method": method.name}
        for service in of
        for method in service.methods
        if may_be_repeated(method)
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": RETRY_POLICY}]})


def may_be_repeated(method: MethodDescriptor) -> bool:
    """Tell whether the same call twice does what it does once.

    IDEMPOTENT ones are because of their request_id, which the client always sends. A stream of
    requests is not: what was sent of it is gone.
    """
    level = method.GetOptions().idempotency_level
    safe = level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)
    return safe and not method.client_streaming


def _options(target: str) -> Iterator[tuple[str, int | str]]:
    yield "grpc.max_receive_message_length", MESSAGE_RECEIVED_BYTES_MAX
    yield "grpc.max_send_message_length", MESSAGE_SENT_BYTES_MAX
    yield "grpc.keepalive_time_ms", KEEPALIVE_MS
    yield "grpc.max_reconnect_backoff_ms", RECONNECT_MS_MAX
    yield "grpc.service_config", service_config(services())
    # The retry rules are those of the schema above, not of a DNS record.
    yield "grpc.service_config_disable_resolution", 1
    if target.rsplit(":", 1)[0] in ("127.0.0.1", "localhost", "[::1]"):
        # Proxies of the environment cannot see this machine's loopback.
        yield "grpc.enable_http_proxy", 0
