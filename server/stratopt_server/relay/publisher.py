"""Publishes the outbox on a PUB socket, in order, for as long as the server lives.

It has its own life: where the address is taken it tries again for ever, and what was approved meanwhile is
published when it is back.
"""

import asyncio
import logging
import random
from contextlib import suppress

import zmq
import zmq.asyncio

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.packages import PackageStore
from stratopt_server.relay.message import heartbeat_frames, package_frames
from stratopt_server.usecases.system import Part, PartStatus
from stratopt_server.usecases.threads import StorageThread

log = logging.getLogger(__name__)

BATCH = 100
"""Packages read from the outbox at a time."""
HEARTBEAT_SECONDS = 5.0
SETTLE_SECONDS = 0.5
"""Pause after binding: subscribers that waited for us connect again, and PUB drops what nobody hears."""
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 10.0
LOOPBACK = ("tcp://127.0.0.1:", "tcp://[::1]:", "tcp://localhost:", "ipc://", "inproc://")


class PublicRelay(ValueError):
    """The relay would publish where others can listen, without keys."""


class Publisher:
    """One PUB socket over the outbox."""

    def __init__(self, packages: PackageStore, thread: StorageThread, clock: Clock, *, bind: str) -> None:
        """`bind` is a ZeroMQ address, `*` for a free port; empty turns the relay off."""
        if bind and not bind.startswith(LOOPBACK):
            raise PublicRelay(f"STRATOPT_RELAY_BIND={bind}: without CURVE keys only loopback is served")
        self._packages = packages
        self._thread = thread
        self._clock = clock
        self._bind = bind
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self.address: str | None = None
        """Address the socket is bound to; None while there is none."""

    def start(self) -> None:
        """Begin to publish, unless it is off."""
        if self._bind:
            self._task = asyncio.create_task(self._live(), name="relay")

    async def stop(self) -> None:
        """Publish no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Say that a package was added."""
        self._news.set()

    def part(self) -> Part:
        """How the relay is."""
        if not self._bind:
            return Part("relay", PartStatus.IDLE, "off by setting")
        if self.address is None:
            return Part("relay", PartStatus.ILL, self._trouble or "not bound yet")
        return Part("relay", PartStatus.OK, self.address)

    async def _live(self) -> None:
        """Bind and publish; after a fault begin anew, later each time."""
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                with zmq.asyncio.Context() as context:
                    await self._publish(context)
            except (zmq.ZMQError, OSError) as error:
                self._trouble = f"{self._bind}: {error}"
                log.warning("relay: %s; trying again", self._trouble)
            except Exception as error:  # the outbox cannot be read: whatever it is, it may pass
                self._trouble = f"the outbox cannot be read: {type(error).__name__}"
                log.exception("relay: trying again")
            finally:
                if self.address is not None:
                    pause = RETRY_SECONDS_MIN  # it had begun to publish: this is another trouble
                self.address = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads load, no more
            pause = min(pause * 2, RETRY_SECONDS_MAX)

    async def _publish(self, context: zmq.asyncio.Context) -> None:
        with context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            socket.bind(self._bind)
            self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            log.info("relay: publishing on %s", self.address)
            await asyncio.sleep(SETTLE_SECONDS)
            loop = asyncio.get_running_loop()
            beat_at = loop.time()
            while True:
                self._news.clear()
                await self._drain(socket)
                if loop.time() >= beat_at:
                    place = await self._thread.run(self._packages.last_place, now=self._clock.now())
                    await socket.send_multipart(heartbeat_frames(place))
                    beat_at = loop.time() + HEARTBEAT_SECONDS
                await self._hear(beat_at - loop.time())

    async def _drain(self, socket: zmq.asyncio.Socket) -> None:
        """Hand every package that waits to the socket, in order, and note it."""
        while waiting := await self._thread.run(self._packages.unpublished, BATCH):
            for package in waiting:
                await socket.send_multipart(package_frames(package))
                await self._thread.run(self._packages.mark_published, [package.id], now=self._clock.now())

    async def _hear(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._news.wait()
