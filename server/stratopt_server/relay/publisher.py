"""Publishes the outbox and what jobs do on a PUB socket, for as long as the server lives.

What was approved or revoked while the address was taken, or while nobody listened, is published when the
socket is back, in order; a row is marked once it has been handed over.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import zmq
import zmq.asyncio

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.packages import PackageStore, ParameterPackage, Place, RevocationStore
from stratopt_server.domain.ports import LeaseLost
from stratopt_server.relay.life import Life, together
from stratopt_server.relay.message import (
    HEARTBEAT_TOPIC,
    PACKAGES_TOPIC,
    PROGRESS_TOPIC,
    PROTOBUF_TOPIC,
    REVOKED_TOPIC,
    framed,
    heartbeat_document,
    package_document,
    revocation_document,
)
from stratopt_server.relay.progress import ProgressFeed
from stratopt_server.relay.refusals import log_refusals
from stratopt_server.relay.sockets import Sockets
from stratopt_server.usecases.tenure import Tenure
from stratopt_server.usecases.threads import StorageThread

log = logging.getLogger(__name__)

OUTBOX = "outbox"
"""What the hub is told when a package or a revocation was added, here or by another server."""
BATCH = 200
"""Rows read from the outbox, and marked, at a time."""
LOOK_SECONDS = 1.0
"""Pause between two looks into the outbox where several servers fill it."""
SETTLE_SECONDS = 0.5
"""Pause after binding: subscribers that waited for us connect again, and PUB drops what nobody hears."""
PROGRESS_SECONDS = 0.25
"""Least pause between two rounds of news about jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How messages are written."""

    framing: Literal["frames", "string"]
    event_bytes: Callable[[ParameterPackage], bytes] | None
    """Writes a package for the protobuf topic; None where there is none."""


class Publisher:
    """One PUB socket over the outbox."""

    def __init__(
        self,
        sockets: Sockets,
        packages: PackageStore,
        revocations: RevocationStore,
        progress: ProgressFeed,
        *,
        thread: StorageThread,
        clock: Clock,
        wording: Wording,
        tenure: Tenure,
        bind: str,
        heartbeat_seconds: float,
    ) -> None:
        """`bind` is a ZeroMQ address, `*` for a free port; empty turns the publisher off.

        `tenure` is of the one server that publishes.
        """
        sockets.check(bind, "STRATOPT_RELAY_BIND")
        self._sockets = sockets
        self._packages = packages
        self._revocations = revocations
        self._progress = progress
        self._thread = thread
        self._clock = clock
        self._wording = wording
        self._tenure = tenure
        self._bind = bind
        self._heartbeat_seconds = heartbeat_seconds
        self._news = asyncio.Event()
        self.life = Life("relay", self._publish, where=bind)
        self.address: str | None = None
        """Address that others are told; None while no socket is bound."""
        self.counts: Counter[str] = Counter()
        """Messages handed to the socket, by topic."""

    def wake(self) -> None:
        """Say that a package or a revocation was added."""
        self._news.set()

    async def _publish(self) -> None:
        """Publish while this server is the one that does; come back when another has taken over."""
        try:
            await self._tenure.win(self._sockets.told(self._bind), standby=self._stand_by)
            await self._publish_alone()
        except LeaseLost:
            log.warning("relay: another server may publish now")
        finally:
            await self._tenure.give_back()

    def _stand_by(self) -> None:
        self.life.stand_by("another server publishes")
        self._progress.forget()

    async def _publish_alone(self) -> None:
        with self._sockets.bound(zmq.PUB, self._bind) as socket:
            bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            self.address = self._sockets.told(bound)
            # A PUB socket never waits: what a subscriber has no room for is dropped.
            out: zmq.Socket[bytes] = zmq.Socket.shadow(socket.underlying)
            try:
                self.life.well(self.address)
                log.info("relay: publishing on %s", bound)
                await asyncio.sleep(SETTLE_SECONDS)
                await together(
                    log_refusals(socket, log, self._clock),
                    self._tell_of_jobs(out),
                    self._drain_for_ever(out),
                    self._tenure.keep(self.address),
                )
            finally:
                self.address = None

    async def _drain_for_ever(self, out: "zmq.Socket[bytes]") -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time()
        while True:
            self._news.clear()
            await self._drain_packages(out)
            await self._drain_revocations(out)
            if loop.time() >= beat_at:
                packages, revocations = await self._thread.run(self._last_places)
                beat = heartbeat_document(packages, revocations, now=self._clock.now())
                self._send(out, HEARTBEAT_TOPIC, beat)
                beat_at = loop.time() + self._heartbeat_seconds
            pause = beat_at - loop.time()
            # What another server approves is told through Redis, or found here.
            await self._hear(min(pause, LOOK_SECONDS) if self._tenure.is_needed else pause)

    async def _drain_packages(self, out: "zmq.Socket[bytes]") -> None:
        """Hand every package that waits to the socket, in order, and note it."""
        while waiting := await self._thread.run(self._packages.unpublished, BATCH):
            for package in waiting:
                self._send(out, PACKAGES_TOPIC, package_document(package))
                if self._wording.event_bytes is not None:
                    out.send_multipart([PROTOBUF_TOPIC.encode(), self._wording.event_bytes(package)])
                    self.counts[PROTOBUF_TOPIC] += 1
            ids = [package.id for package in waiting]
            await self._thread.run(self._packages.mark_published, ids, now=self._clock.now())

    async def _drain_revocations(self, out: "zmq.Socket[bytes]") -> None:
        while waiting := await self._thread.run(self._revocations.unpublished, BATCH):
            for revocation in waiting:
                self._send(out, REVOKED_TOPIC, revocation_document(revocation))
            ids = [revocation.package_id for revocation in waiting]
            await self._thread.run(self._revocations.mark_published, ids, now=self._clock.now())

    async def _tell_of_jobs(self, out: "zmq.Socket[bytes]") -> None:
        """Say what jobs and pipelines do; what nobody hears is gone."""
        while True:
            for document in await self._progress.next():
                self._send(out, PROGRESS_TOPIC, document)
            await asyncio.sleep(PROGRESS_SECONDS)

    def _send(self, out: "zmq.Socket[bytes]", topic: str, document: dict[str, Any]) -> None:
        self._tenure.check()
        out.send_multipart(framed(topic, document, as_string=self._wording.framing == "string"))
        self.counts[topic] += 1

    def _last_places(self) -> tuple[Place, Place]:
        now = self._clock.now()
        return self._packages.last_place(now=now), self._revocations.last_place(now=now)

    async def _hear(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._news.wait()
