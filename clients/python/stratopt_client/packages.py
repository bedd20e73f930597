"""Parameter packages on the side that trades: receive them, and believe only what is signed.

    key = bytes.fromhex("...")                 # `stratopt package key`, over a channel you trust
    async with subscribed("tcp://127.0.0.1:5556") as messages:
        async for message in messages:
            package = verify(message, key)     # raises InvalidPackage
            trade(package["symbol"], package["parameters"])

Needs `pip install 'stratopt[packages]'` (pyzmq and cryptography); they are loaded when they are used.
"""

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

from stratopt.v1.parameter_package_pb2 import ParameterPackage

__all__ = ["InvalidPackage", "document_of", "subscribed", "verify"]

PACKAGES_TOPIC = b"optimizer.pool.trading"
HEARTBEAT_TOPIC = b"optimizer.heartbeat"
PUBLIC_KEY_BYTES = 32
UNSIGNED = ("signature", "signed_payload", "key_id")
"""Fields that speak about the signed ones."""
SUBSCRIBE_SECONDS_MAX = 15.0
"""Three heartbeats of a publisher."""


class InvalidPackage(Exception):
    """A package that must not be used; `reason` is a stable word for programs.

    MALFORMED: it is no package. WRONG_KEY: another key has signed it. WRONG_SIGNATURE: nobody has.
    FIELD_CHANGED: a plain field is not what was signed. EXPIRED: its time is over.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Keep the reason apart; the message is for people."""
        super().__init__(message)
        self.reason = reason


def verify(
    message: bytes | str | Mapping[str, Any], public_key: bytes | str, *, at: datetime | None = None
) -> dict[str, Any]:
    """Return what the package says, from the signed bytes themselves; raise InvalidPackage.

    `message` is the JSON of a package as it is published, or a dictionary read from it; `public_key` is
    the server's Ed25519 key, 32 bytes or their hex. Its time is judged at `at`, now if not given.
    """
    document = dict(message) if isinstance(message, Mapping) else _read(message)
    payload, signature = (_base64(document, name) for name in ("signed_payload", "signature"))
    _check_signature(payload, signature, _key(public_key), document.get("key_id"))
    signed = _read(payload)
    _check_fields(document, signed)
    _check_time(signed, at or datetime.now(UTC))
    return signed


def document_of(package: ParameterPackage) -> dict[str, Any]:
    """Return a package from the API as the document that is published, which `verify` takes."""
    return {
        **json.loads(package.signed_payload),
        "signature": base64.b64encode(package.signature).decode(),
        "signed_payload": base64.b64encode(package.signed_payload).decode(),
        "key_id": package.key_id,
    }


@asynccontextmanager
async def subscribed(
    address: str, *, within_seconds: float = SUBSCRIBE_SECONDS_MAX
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Subscribe to the packages of a server; what is published from the beginning of the block on arrives.

    Waits for the publisher's heartbeat, which is the proof that it has heard of us; TimeoutError if none
    comes. Yields an iterator over messages; verify each.
    """
    zmq = _zmq()
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


def _zmq() -> Any:
    try:
        import zmq.asyncio  # noqa: PLC0415 - an extra
    except ImportError as error:
        _absent("pyzmq", error)
    return zmq


def _absent(what: str, error: ImportError) -> NoReturn:
    raise ImportError(f"this needs {what}: pip install 'stratopt[packages]'") from error


def _read(text: bytes | str) -> dict[str, Any]:
    try:
        document = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidPackage("MALFORMED", f"a package is JSON; this is not: {error}") from None
    if not isinstance(document, dict):
        raise InvalidPackage("MALFORMED", "a package is a JSON object")
    return document


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: two readers would see two values."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _base64(document: Mapping[str, Any], name: str) -> bytes:
    value = document.get(name)
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise InvalidPackage("MALFORMED", f"{name} is not there, or not base64")


def _key(public_key: bytes | str) -> bytes:
    try:
        key = bytes.fromhex(public_key) if isinstance(public_key, str) else public_key
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an Ed25519 public key is {PUBLIC_KEY_BYTES} bytes, or their hex")
    return key


def _check_signature(payload: bytes, signature: bytes, key: bytes, key_id: object) -> None:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError as error:
        _absent("cryptography", error)
    ours = hashlib.sha256(key).hexdigest()
    if key_id != ours:
        raise InvalidPackage("WRONG_KEY", f"it names the key {key_id}, yours is {ours}")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, payload)
    except InvalidSignature:
        raise InvalidPackage("WRONG_SIGNATURE", "the signature does not fit the signed payload") from None


def _check_fields(document: Mapping[str, Any], signed: Mapping[str, Any]) -> None:
    plain = {name: value for name, value in document.items() if name not in UNSIGNED}
    for name in sorted(plain.keys() | signed.keys()):
        if name not in plain or name not in signed or not _same(plain[name], signed[name]):
            raise InvalidPackage("FIELD_CHANGED", f"{name} is not what was signed")


def _same(left: object, right: object) -> bool:
    """Compare as JSON has it: 1 is 1.0, but true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


def _check_time(signed: Mapping[str, Any], at: datetime) -> None:
    try:
        valid_until = datetime.fromisoformat(signed["valid_until"])
        expired = valid_until < at
    except (KeyError, TypeError, ValueError):
        raise InvalidPackage("MALFORMED", "valid_until is not there, or no moment with a zone") from None
    if expired:
        raise InvalidPackage("EXPIRED", f"it was valid until {valid_until.isoformat()}")
