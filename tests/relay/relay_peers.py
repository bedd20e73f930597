"""The neighbours, as WIRE.md has them: plain pyzmq, and nothing of ours but the server's addresses."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import zmq
import zmq.asyncio

OPPORTUNITIES = b"scanner.pool.preliminary"


def now_text() -> str:
    """The present moment, as scanners write it."""
    return datetime.now(UTC).isoformat()


def flat_a(at: str, kind: str = "breakout", **more: Any) -> dict[str, Any]:
    """An opportunity in the first flat shape; each is another one."""
    found = {
        "symbol": at,
        "timestamp": now_text(),
        "opportunity_type": kind,
        "confidence": 0.8,
        "data": {"n": uuid.uuid4().hex},
    }
    return found | more


def flat_b(at: str, kind: str = "breakout", **more: Any) -> dict[str, Any]:
    """An opportunity in the second flat shape."""
    found = {
        "symbol": at,
        "signal_type": "BUY",
        "confidence": 0.7,
        "price": 7.25,
        "volume": 1_000_000.0,
        "timestamp": now_text(),
        "source": "scanner",
        "metadata": {"n": uuid.uuid4().hex},
        "analysis_period": {"start": "2023-01-05", "end": "2023-02-28"},
        "market_context": {"trend": "up"},
        "strategy_type": kind,
    }
    return found | more


def enveloped(opportunity: Mapping[str, Any], correlation_id: str | None = None) -> dict[str, Any]:
    """The same in an envelope."""
    return {
        "message_type": "scan_result",
        "timestamp": now_text(),
        "data": opportunity,
        "source": "scanner",
        "correlation_id": correlation_id,
    }


def one_frame(document: Mapping[str, Any], topic: bytes = OPPORTUNITIES) -> list[bytes]:
    """`topic JSON`."""
    return [topic + b" " + json.dumps(document).encode()]


def two_frames(document: Mapping[str, Any], topic: bytes = OPPORTUNITIES) -> list[bytes]:
    """Topic, JSON."""
    return [topic, json.dumps(document).encode()]


def three_frames(document: Mapping[str, Any], topic: bytes = OPPORTUNITIES) -> list[bytes]:
    """Topic, envelope, payload."""
    envelope = {
        "message_type": "scan_result",
        "timestamp": now_text(),
        "source": "third",
        "correlation_id": None,
    }
    return [topic, json.dumps(envelope).encode(), json.dumps(document).encode()]


class Speaker:
    """A PUB socket that a neighbour binds: a scanner's, or a review desk's."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        secret: tuple[bytes, bytes | None] | None = None,
    ) -> None:
        """With a pair of keys it proves who it is, and asks nobody else for theirs."""
        self.socket = context.socket(zmq.XPUB)
        if secret is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey = secret
            self.socket.curve_server = True
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{port}"

    def wait_heard(self, topics: int = 1) -> None:
        """Wait until the server has subscribed to so many topics."""
        for _ in range(topics):
            assert self.socket.poll(20_000), "the server subscribes"
            assert self.socket.recv()[:1] == b"\x01"

    def say(self, frames: list[bytes]) -> None:
        """Send a message."""
        self.socket.send_multipart(frames)


@contextmanager
def asking(address: str, kind: int = zmq.REQ, identity: bytes = b"") -> Iterator["Asker"]:
    """A REQ or DEALER socket that is connected."""
    with zmq.Context() as context, context.socket(kind) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 30_000)
        if identity:
            socket.setsockopt(zmq.IDENTITY, identity)
        socket.connect(address)
        yield Asker(socket)


class Asker:
    """Asks and waits for the answer."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the whole reply, checked to be one of that request."""
        request_id = uuid.uuid4().hex
        request = {"method": method, "params": params, "timestamp": now_text(), "id": request_id}
        frames = [json.dumps(request).encode()]
        if self.socket.type == zmq.DEALER:
            frames = [b"", *frames]
        self.socket.send_multipart(frames)
        reply: dict[str, Any] = json.loads(self.socket.recv_multipart()[-1])
        assert set(reply) == {"id", "status", "result", "error", "timestamp"}
        assert reply["id"] == request_id
        assert (reply["status"] == "success") == (reply["error"] is None)
        return reply

    def result(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of what succeeds."""
        reply = self.ask(method, **params)
        assert reply["status"] == "success", reply["error"]
        result: dict[str, Any] = reply["result"]
        return result

    def error(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the error of what does not."""
        reply = self.ask(method, **params)
        assert reply["status"] == "error", reply["result"]
        error: dict[str, Any] = reply["error"]
        assert set(error) == {"code", "message", "details"}
        return error


class Hearer:
    """A SUB socket on some topics of the server, read without waiting longer than asked."""

    def __init__(self, context: zmq.asyncio.Context, address: str, *topics: bytes) -> None:
        self.socket = context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        for topic in (*topics, b"optimizer.heartbeat"):
            self.socket.subscribe(topic)
        self.socket.connect(address)

    async def hear(self, topic: bytes, *, within: float = 20.0) -> dict[str, Any]:
        """Return the next message of a topic, in either framing."""
        while True:
            assert await self.socket.poll(int(within * 1000)), f"nothing on {topic!r}"
            frames = await self.socket.recv_multipart()
            head, _, body = frames[0].partition(b" ")
            if head == topic:
                document: dict[str, Any] = json.loads(body or frames[1])
                return document
