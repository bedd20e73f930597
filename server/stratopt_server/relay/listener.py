"""Hears one kind of neighbour on a SUB socket, in batches, for as long as the server lives."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from stratopt_server.relay.life import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN, Life, together
from stratopt_server.relay.sockets import Sockets
from stratopt_server.usecases.threads import StorageThread

log = logging.getLogger(__name__)

BATCH_MESSAGES, BATCH_BYTES = 500, 8_388_608
"""Messages taken at a time; a batch ends with the one that passes either."""
WATCHED_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)

Take = Callable[[Sequence[list[bytes]]], int]
"""Takes messages in, on the thread of the database; returns how many led to something."""


class Listener:
    """One SUB socket, connected to each of its neighbours."""

    def __init__(
        self,
        sockets: Sockets,
        take: Take,
        *,
        peer: str,
        addresses: Sequence[str],
        topics: Sequence[str],
        thread: StorageThread,
        on_taken: Callable[[], None],
    ) -> None:
        """`peer` names the neighbour and its key; no addresses turn the listener off."""
        if addresses:
            sockets.check_peer(peer)
        self._sockets = sockets
        self._take = take
        self._peer = peer
        self._addresses = addresses
        self._topics = topics
        self._thread = thread
        self._on_taken = on_taken
        self._refused = False
        self.life = Life(peer, self._listen, where=", ".join(addresses))

    async def _listen(self) -> None:
        with self._sockets.subscriber(self._peer) as socket:
            monitor = socket.get_monitor_socket(WATCHED_EVENTS)
            try:
                for topic in self._topics:
                    socket.subscribe(topic)
                for address in self._addresses:
                    socket.connect(address)
                await together(self._follow_connections(monitor), self._hear(socket))
            finally:
                socket.disable_monitor()

    async def _hear(self, socket: zmq.asyncio.Socket) -> None:
        # Without asyncio while there is something to read: it would make a future of every message.
        plain: zmq.Socket[bytes] = zmq.Socket.shadow(socket.underlying)
        while True:
            await socket.poll()
            batch = _batch(plain)
            if batch and await self._take_surely(batch):
                self._on_taken()

    async def _take_surely(self, batch: Sequence[list[bytes]]) -> int:
        """Hand a batch on, however often the database does not take it: it is nowhere else."""
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                return await self._thread.run(self._take, batch)
            except Exception:
                log.exception("%s: %d messages could not be stored; trying again", self._peer, len(batch))
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_SECONDS_MAX)

    async def _follow_connections(self, monitor: zmq.asyncio.Socket) -> None:
        connected: set[str] = set()
        self._say(connected)
        while True:
            event = parse_monitor_message(await monitor.recv_multipart())
            endpoint = event["endpoint"].decode(errors="replace")
            if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._refused = False
                connected.add(endpoint)
            elif event["event"] == zmq.EVENT_DISCONNECTED:
                connected.discard(endpoint)
            elif not self._refused:
                self._refused = True
                log.warning("%s: %s refused us, or is not who its key says", self._peer, endpoint)
            self._say(connected)

    def _say(self, connected: set[str]) -> None:
        missing = [address for address in self._addresses if address not in connected]
        if not missing:
            self.life.well(f"hears {', '.join(sorted(connected))}")
        else:
            self.life.ill(f"not connected to {', '.join(missing)}; trying again")


def _batch(socket: "zmq.Socket[bytes]") -> list[list[bytes]]:
    batch: list[list[bytes]] = []
    size = 0
    while len(batch) < BATCH_MESSAGES and size < BATCH_BYTES:
        try:
            frames = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            break
        batch.append(frames)
        size += sum(map(len, frames))
    return batch
