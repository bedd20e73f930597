"""A server's sockets, written from WIRE.md: PUB and ROUTER over an outbox that the test fills."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import zmq
import zmq.asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VALID = (datetime.now(UTC) + timedelta(days=30)).isoformat()


class Signer:
    """An Ed25519 key."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, said: dict[str, Any]) -> dict[str, Any]:
        """Return the document as it is published."""
        payload = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        return {
            **said,
            "signature": base64.b64encode(self._key.sign(payload)).decode(),
            "signed_payload": base64.b64encode(payload).decode(),
            "key_id": hashlib.sha256(self.public).hexdigest(),
        }


class FeedPeer:
    """What a server publishes and answers, and how it loses things."""

    def __init__(self, signer: Signer, epoch: str = "e1", *, as_string: bool = False) -> None:
        self.signer = signer
        self.epoch = epoch
        self.packages: list[dict[str, Any]] = []
        self.revocations: list[dict[str, Any]] = []
        self.earlier: FeedPeer | None = None
        """Whose database this one was restored from a backup of."""
        self.lost: set[int] = set()
        """Places of packages that are never published, only replayed."""
        self.asked: list[str] = []
        self._as_string = as_string
        self._pub: zmq.asyncio.Socket | None = None
        self.published = self.requests = ""

    def package(self, **more: Any) -> dict[str, Any]:
        """Add the next package."""
        seq = len(self.packages) + 1
        said = {
            "package_id": f"{self.epoch}_{seq}",
            "epoch": self.epoch,
            "seq": seq,
            "parameters": {"n": seq},
        }
        self.packages.append(self.signer.sign({**said, "valid_until": VALID, **more}))
        return self.packages[-1]

    def revocation(self, package_id: str) -> dict[str, Any]:
        """Add the next revocation."""
        seq = len(self.revocations) + 1
        said = {"package_id": package_id, "epoch": self.epoch, "seq": seq, "reason": "x", "revoked_by": "y"}
        self.revocations.append(self.signer.sign(said))
        return self.revocations[-1]

    async def say(self, topic: str, document: Any) -> None:
        """Publish a message."""
        assert self._pub is not None
        body = json.dumps(document)
        frames = [f"{topic} {body}".encode()] if self._as_string else [topic.encode(), body.encode()]
        await self._pub.send_multipart(frames)

    async def publish(self, count: int = 1, **more: Any) -> None:
        """Add packages, and publish those that are not lost."""
        for _ in range(count):
            document = self.package(**more)
            if document["seq"] not in self.lost:
                await self.say("optimizer.pool.trading", document)

    async def beat(self) -> None:
        """Say which are the newest."""
        places = {"last_seq": len(self.packages), "last_revocation_seq": len(self.revocations)}
        await self.say("optimizer.heartbeat", {"epoch": self.epoch, **places})

    @asynccontextmanager
    async def up(self) -> AsyncIterator["FeedPeer"]:
        """Be there for the time of the block, at the same addresses each time."""
        with zmq.asyncio.Context() as context:
            self._pub, router = context.socket(zmq.PUB), context.socket(zmq.ROUTER)
            for socket in (self._pub, router):
                socket.setsockopt(zmq.LINGER, 0)
            self.published = _bind(self._pub, self.published)
            self.requests = _bind(router, self.requests)
            answering = asyncio.create_task(self._answer(router))
            try:
                yield self
            finally:
                answering.cancel()
                router.close()
                self._pub.close()

    async def _answer(self, router: zmq.asyncio.Socket) -> None:
        while True:
            *envelope, body = await router.recv_multipart()
            request = json.loads(body)
            self.asked.append(request["method"])
            reply = {"id": request["id"], "status": "success", "result": None, "error": None, "timestamp": ""}
            name = "packages" if request["method"] == "package.replay" else "revocations"
            params = request["params"]
            lives = [self] if self.earlier is None else [self.earlier, self]
            asked = {life.epoch: life for life in lives}.get(params.get("epoch") or self.epoch)
            if asked is None:
                reply |= {"status": "error", "error": {"code": "NOT_FOUND", "message": "no such epoch"}}
            else:
                rows = getattr(asked, name)
                first, last = max(params.get("from_seq") or 1, 1), params.get("to_seq") or len(rows)
                found = rows[first - 1 : last][:500]
                reply["result"] = {"epoch": asked.epoch, "last_seq": len(rows), name: found}
                if self.earlier is not None:
                    epochs = [{"epoch": life.epoch, "last_seq": len(getattr(life, name))} for life in lives]
                    reply["result"]["epochs"] = epochs
            await router.send_multipart([*envelope, json.dumps(reply).encode()])


def _bind(socket: zmq.asyncio.Socket, address: str) -> str:
    if address:
        socket.bind(address)
        return address
    return f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
