"""A bare subscription: what is published while it lasts, and nothing that was missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stratopt_client.packages._sockets import HEARTBEAT_TOPIC, PACKAGES_TOPIC, split, subscriber, zmq_asyncio

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
    context = zmq_asyncio().asyncio.Context()
    socket = subscriber(context, address, None, PACKAGES_TOPIC, HEARTBEAT_TOPIC)
    try:
        early: list[bytes] = []
        try:
            async with asyncio.timeout(within_seconds):
                while (heard := split(await socket.recv_multipart()))[0] != HEARTBEAT_TOPIC:
                    early.append(heard[1])
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
        topic, message = split(await socket.recv_multipart())
        if topic == PACKAGES_TOPIC:
            yield message
