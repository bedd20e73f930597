"""The sockets of a subscriber, with the options that a bad network needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratopt_client.packages._extras import absent

PACKAGES_TOPIC = b"optimizer.pool.trading"
REVOKED_TOPIC = b"optimizer.pool.revoked"
HEARTBEAT_TOPIC = b"optimizer.heartbeat"
RECONNECT_MS_MIN, RECONNECT_MS_MAX = 100, 10_000
HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS = 5_000, 15_000
"""Of connections: a peer that does not answer is gone, whatever TCP says."""
QUEUE_MESSAGES_MAX = 10_000


class UnusableKeys(ValueError):
    """A file of CURVE keys is not there, or holds none."""


@dataclass(frozen=True, slots=True)
class CurveKeys:
    """Files of CURVE keys, as `stratopt keys zmq` makes them: our own secret, and the server's public key."""

    secret_file: str | Path
    server_key_file: str | Path

    def apply(self, socket: Any) -> None:
        """Have a socket call as us, and believe nobody but the server; raises UnusableKeys."""
        own, secret = _load(Path(self.secret_file))
        if secret is None:
            raise UnusableKeys(f"{self.secret_file} holds no secret key: name our .key_secret file")
        socket.curve_publickey, socket.curve_secretkey = own, secret
        socket.curve_serverkey = _load(Path(self.server_key_file))[0]


def subscriber(context: Any, address: str, curve: CurveKeys | None, *topics: bytes) -> Any:
    """Make a SUB socket that hears these topics."""
    zmq = zmq_asyncio()
    socket = _socket(context, zmq.SUB, curve)
    # In this order: who hears the heartbeat, which comes last, hears the others too.
    for topic in topics:
        socket.subscribe(topic)
    socket.connect(address)
    return socket


def asker(context: Any, address: str, curve: CurveKeys | None) -> Any:
    """Make a DEALER socket that asks there."""
    zmq = zmq_asyncio()
    socket = _socket(context, zmq.DEALER, curve)
    socket.connect(address)
    return socket


def split(frames: list[bytes]) -> tuple[bytes, bytes]:
    """Return topic and body of a message: of two frames, or of one with a space between."""
    if len(frames) == 1:
        topic, _, body = frames[0].partition(b" ")
        return topic, body
    return frames[0], frames[-1]


def zmq_asyncio() -> Any:
    """Load pyzmq."""
    try:
        import zmq.asyncio  # noqa: PLC0415 - an extra
    except ImportError as error:
        absent("pyzmq", error)
    return zmq


def _socket(context: Any, kind: int, curve: CurveKeys | None) -> Any:
    zmq = zmq_asyncio()
    socket = context.socket(kind)
    for option, value in (
        (zmq.LINGER, 0),
        (zmq.TCP_KEEPALIVE, 1),
        (zmq.RECONNECT_IVL, RECONNECT_MS_MIN),
        (zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX),
        (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
        (zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS),
        (zmq.RCVHWM, QUEUE_MESSAGES_MAX),
    ):
        socket.setsockopt(option, value)
    if curve is not None:
        try:
            curve.apply(socket)
        except UnusableKeys:
            socket.close()
            raise
    return socket


def _load(path: Path) -> tuple[bytes, bytes | None]:
    zmq_asyncio()
    import zmq.auth  # noqa: PLC0415 - an extra

    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise UnusableKeys(f"{path} cannot be read as a CURVE key: {error}") from None
