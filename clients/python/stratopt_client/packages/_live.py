"""A bare subscription: what is published while it lasts, and nothing that was missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stratopt_client.packages._sockets import HEARTBEAT_TOPIC, PACKAGES_TOPIC, zmq_asyncio

SUBSCRIBE_SECONDS_MAX = 15.0
"""Three heartbeats of a publisher."""


@asynccontextmanager
async def subscribed(
    address: str, *, within_seconds: float = SUBSCRIBE_SECONDS_MAX
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Subscribe to the packages of a server; what is published from the beginning of the block on arrives.

    Waits for the publisher's heartbeat, which is the proof that it has heard of us; TimeoutError if none
    comes. Yields an iterator over messages; verify each.
    """
    zmq = zmq_asyncio()
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    try:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        # In this order: who hears the heartbeat hears packages too.
        socket.subscribe(PACKAGES_TOPIC)
        socket.subscribe(HEARTBEAT_TOPIC)
        socket.connect(address)
        early: list[bytes] = []
        try:
            async with asyncio.timeout(within_seconds):
                while (frames := await socket.recv_multipart())[0] != HEARTBEAT_TOPIC:
                    early.append(frames[-1])
        except TimeoutError:
            raise TimeoutError(f"no heartbeat from {address} within {within_seconds:g} s") from None
        socket.unsubscribe(HEARTBEAT_TOPIC)
        yield _messages(socket, early)
    finally:
        socket.close()
        context.term()


async def _messages(socket: Any, early: list[bytes]) -> AsyncIterator[bytes]:
    for message in early:
        yield message
    while True:
        topic, message = await socket.recv_multipart()
        if topic == PACKAGES_TOPIC:
            yield message
