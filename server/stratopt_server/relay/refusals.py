"""Says that peers are turned away at the handshake: they speak without keys, or no ZeroMQ at all."""

import logging

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from stratopt_server.domain.clock import Clock
from stratopt_server.usecases.quiet import QuietLog

FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
"""A key that is not listed is another failure, which the doorkeeper logs by name."""


async def log_refusals(socket: zmq.asyncio.Socket, log: logging.Logger, clock: Clock) -> None:
    """Log failed handshakes of a socket that is bound, once a minute, for as long as it is."""
    quiet = QuietLog(log)
    monitor = socket.get_monitor_socket(FAILED)
    try:
        while True:
            event = parse_monitor_message(await monitor.recv_multipart())
            at = event["endpoint"].decode(errors="replace")
            quiet.warn(
                "relay",
                f"turned a peer away at {at}: it does not speak as we do, or without the keys it needs",
                now=clock.now(),
            )
    finally:
        if not socket.closed:
            socket.disable_monitor()
