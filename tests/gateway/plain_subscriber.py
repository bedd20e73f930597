"""What another team's trader has: a plain pyzmq socket and the wire's documented fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zmq

HEARTBEAT_MS = 15_000
FIELDS = {
    "schema_version", "package_id", "seq", "epoch", "strategy_id", "strategy_name", "strategy_type", "symbol",
    "parameters", "expected_return", "max_drawdown", "risk_level", "confidence", "action", "position_size",
    "stop_loss", "take_profit", "risk_metrics", "backtest_results", "timestamp", "valid_until", "source",
    "signature", "signed_payload",
}  # fmt: skip
"""Subscribers in use refuse a message that lacks any of these."""


class Subscriber:
    """A SUB socket on the topic of packages."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        """It is connected."""
        self._socket = socket

    def receive(self) -> bytes:
        """Return the JSON of the next package; two frames, the topic first."""
        topic, message = self._socket.recv_multipart()
        while topic != b"optimizer.pool.trading":
            topic, message = self._socket.recv_multipart()
        return message


@contextmanager
def plain_subscriber(address: str) -> Iterator[Subscriber]:
    """Connect, and wait for the heartbeat that proves it."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, HEARTBEAT_MS)
        socket.subscribe(b"optimizer.pool.trading")
        socket.subscribe(b"optimizer.heartbeat")
        socket.connect(address)
        frames: list[Any] = socket.recv_multipart()
        while frames[0] != b"optimizer.heartbeat":
            frames = socket.recv_multipart()
        yield Subscriber(socket)
