"""The server's signing key: Ed25519, made on first run, readable by its owner only."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

OWNER_ONLY = 0o600


class UnusableKey(RuntimeError):
    """The key file is there, and is no key of ours."""


class SigningKey:
    """Signs packages."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def open(cls, path: Path) -> "SigningKey":
        """Read the key, or make it and write it for its owner only; two servers make one key."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_new(path, Ed25519PrivateKey.generate())
        path.chmod(OWNER_ONLY)
        return cls.of(path.read_bytes(), path)

    @classmethod
    def of(cls, pem: bytes, name: object) -> "SigningKey":
        """Read the key of a file of that name; raises UnusableKey."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (TypeError, ValueError) as error:  # TypeError: it is encrypted
            raise UnusableKey(f"{name} cannot be read as a key: restore it, or move it away") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableKey(f"{name} holds another kind of key than Ed25519: move it away")
        return cls(key)

    @property
    def public_bytes(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key, in hex."""
        return hashlib.sha256(self.public_bytes).hexdigest()

    def sign(self, payload: bytes) -> bytes:
        """Sign the bytes; 64 bytes."""
        return self._key.sign(payload)


def _write_new(path: Path, key: Ed25519PrivateKey) -> None:
    """Write the key under another name and link it into place, unless someone was faster."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # made for its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
