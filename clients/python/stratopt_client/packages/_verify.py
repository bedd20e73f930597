"""What makes a package or a revocation one that may be believed: its signature, over every field."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from stratopt.v1.parameter_package_pb2 import ParameterPackage
from stratopt_client.packages._extras import absent

PUBLIC_KEY_BYTES = 32
UNSIGNED = ("signature", "signed_payload", "key_id")
"""Fields that speak about the signed ones."""


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
    signed = signed_package(message, public_key)
    if is_expired(signed, at or datetime.now(UTC)):
        raise InvalidPackage("EXPIRED", f"it was valid until {signed['valid_until']}")
    return signed


def verify_revocation(message: bytes | str | Mapping[str, Any], public_key: bytes | str) -> dict[str, Any]:
    """Return what a revocation says, from the signed bytes themselves; raise InvalidPackage.

    `message` is its JSON as it is published under optimizer.pool.revoked, or a dictionary read from it.
    """
    signed = _signed_words(message, public_key)
    if "revoked_by" not in signed or "parameters" in signed:
        raise InvalidPackage("MALFORMED", "it is signed, and no revocation")
    return signed


def signed_package(message: bytes | str | Mapping[str, Any], public_key: bytes | str) -> dict[str, Any]:
    """Return what a package says, whatever its time; raise InvalidPackage.

    What the server signs that is no package, such as a revocation, cannot be passed off as one.
    """
    signed = _signed_words(message, public_key)
    if "parameters" not in signed or "valid_until" not in signed:
        raise InvalidPackage("MALFORMED", "it is signed, and no package")
    return signed


def _signed_words(message: bytes | str | Mapping[str, Any], public_key: bytes | str) -> dict[str, Any]:
    """Return what was signed, whatever its time; raise InvalidPackage if anything of it was not."""
    document = dict(message) if isinstance(message, Mapping) else read(message)
    payload, signature = (_base64(document, name) for name in ("signed_payload", "signature"))
    _check_signature(payload, signature, key_bytes(public_key), document.get("key_id"))
    signed = read(payload)
    _check_fields(document, signed)
    return signed


def is_expired(signed: Mapping[str, Any], at: datetime) -> bool:
    """Tell whether the time of a package is over; raise InvalidPackage if it has none."""
    try:
        return datetime.fromisoformat(signed["valid_until"]) < at
    except (KeyError, TypeError, ValueError):
        raise InvalidPackage("MALFORMED", "valid_until is not there, or no moment with a zone") from None


def document_of(package: ParameterPackage) -> dict[str, Any]:
    """Return a package from the API as the document that is published, which `verify` takes."""
    return {
        **json.loads(package.signed_payload),
        "signature": base64.b64encode(package.signature).decode(),
        "signed_payload": base64.b64encode(package.signed_payload).decode(),
        "key_id": package.key_id,
    }


def read(text: bytes | str) -> dict[str, Any]:
    """Read JSON that is one object, strictly; raise InvalidPackage."""
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


def key_bytes(public_key: bytes | str) -> bytes:
    """Return the 32 bytes of an Ed25519 public key; raise ValueError if it is none."""
    try:
        key = bytes.fromhex(public_key) if isinstance(public_key, str) else public_key
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an Ed25519 public key is {PUBLIC_KEY_BYTES} bytes, or their hex")
    return key


def key_id_of(key: bytes) -> str:
    """Return the name that packages give a key: its SHA-256, in hex."""
    return hashlib.sha256(key).hexdigest()


def _check_signature(payload: bytes, signature: bytes, key: bytes, key_id: object) -> None:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError as error:
        absent("cryptography", error)
    ours = key_id_of(key)
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
