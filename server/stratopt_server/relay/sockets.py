"""Making sockets, each with the options that a neighbour on a bad network needs."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator

from stratopt_server.relay.curve import DOMAIN, Curve, Doorkeeper

HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS = 5_000, 15_000
"""Of connections: a peer that does not answer is gone, whatever TCP says."""
RECONNECT_MS_MIN, RECONNECT_MS_MAX = 100, 10_000
"""Pause before a connection is tried again: doubling, and spread by ZeroMQ itself."""
OVERSIZE_FACTOR = 2
"""A message this many times too large is not even received: its sender is disconnected."""
HEARD_QUEUE_MAX = 1_000
"""Messages of a neighbour that wait to be read: they are read by hundreds, and may be large."""
LOOPBACK = ("tcp://127.0.0.1:", "tcp://[::1]:", "tcp://localhost:", "ipc://", "inproc://")
WILDCARD = re.compile(r"^tcp://(?:\*|0\.0\.0\.0|\[::\]):")
"""Begins an address that is bound on every interface: nobody can connect to it from elsewhere."""


class PublicRelay(ValueError):
    """The relay would bind where others can reach it, without keys."""


class Sockets:
    """One context for all sockets of the relay, and one doorkeeper for those that bind."""

    def __init__(
        self,
        curve: Curve | None,
        *,
        message_bytes_max: int,
        queue_messages_max: int,
        public: bool = False,
        public_host: str = "",
    ) -> None:
        """Without `curve` only loopback is bound, unless `public`; the limits are for each connection.

        `public_host` is told in place of a wildcard.
        """
        self._public_host = public_host
        self._public = public
        self._curve = curve
        self._message_bytes_max = message_bytes_max
        self._queue_messages_max = queue_messages_max
        self._context: zmq.asyncio.Context | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let sockets be made for the time of the block."""
        context = zmq.asyncio.Context()
        doors = None if self._curve is None else _doors(context, self._curve)
        self._context = context
        try:
            yield
        finally:
            if doors is not None:
                doors.stop()
            self._context = None
            context.destroy(linger=0)

    def check(self, address: str, setting: str) -> None:
        """Raise PublicRelay for an address that needs keys that there are not."""
        needs_keys = self._curve is None and not self._public
        if address and needs_keys and not address.startswith(LOOPBACK):
            raise PublicRelay(
                f"{setting}={address}: without CURVE keys only loopback is served; 'stratopt keys zmq' makes "
                "them, STRATOPT_RELAY_CURVE_DIR names their folder. STRATOPT_PUBLIC_WITHOUT_TLS=true serves "
                "it all the same, only for a network that is closed to all others"
            )

    def told(self, address: str) -> str:
        """Return the address under which others are told of one that is bound."""
        if not self._public_host:
            return address
        return WILDCARD.sub(lambda _: f"tcp://{self._public_host}:", address)

    def check_peer(self, peer: str) -> None:
        """Raise UnusableCurveKeys for a peer whose public key is needed and not there."""
        if self._curve is not None:
            self._curve.public_key_of(peer)

    def bound(self, kind: int, address: str) -> "zmq.asyncio.Socket":
        """Make a socket that waits for peers; raises ZMQError if the address cannot be taken."""
        socket = self._socket(kind)
        try:
            if self._curve is not None:
                self._curve.guard(socket)
            if kind == zmq.ROUTER:
                socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a peer that is back takes its name over
            socket.bind(address)
        except BaseException:
            socket.close()
            raise
        return socket

    def subscriber(self, peer: str) -> "zmq.asyncio.Socket":
        """Make a socket that will hear that peer; it is not connected yet."""
        socket = self._socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, min(HEARD_QUEUE_MAX, self._queue_messages_max))
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS_MIN)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
        if self._curve is not None:
            self._curve.introduce(socket, peer)
        return socket

    def _socket(self, kind: int) -> "zmq.asyncio.Socket":
        assert self._context is not None, "sockets are made while the context is open"
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.SNDHWM, self._queue_messages_max)
        socket.setsockopt(zmq.RCVHWM, self._queue_messages_max)
        socket.setsockopt(zmq.MAXMSGSIZE, self._message_bytes_max * OVERSIZE_FACTOR)
        return socket


def _doors(context: zmq.asyncio.Context, curve: Curve) -> AsyncioAuthenticator:
    doors = AsyncioAuthenticator(context)
    doors.start()
    doors.configure_curve_callback(domain=DOMAIN, credentials_provider=Doorkeeper(curve.clients))
    return doors
