"""Keys of the sockets: who we are, who may reach us, and whom we trust to speak to us."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.auth

log = logging.getLogger(__name__)

DOMAIN = "stratopt"
"""Of authentication; sockets and authenticator must name the same."""
SERVER = "server"
"""Name of our own key's files."""
KEYS_REMEMBERED_MAX = 1_000
"""Refused keys that are remembered, so that each is logged once."""


class UnusableCurveKeys(ValueError):
    """A key of the relay is not there, or is none."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, Z85-encoded."""

    public: bytes
    secret: bytes


class Curve:
    """The folder of keys: `server.key_secret`, `clients/*.key`, and a `.key` of each peer we connect to."""

    def __init__(self, folder: Path) -> None:
        """Read our own pair; raises UnusableCurveKeys."""
        self._folder = folder
        self._own = self._pair()
        self.clients = folder / "clients"

    def guard(self, socket: "zmq.Socket[Any]") -> None:
        """Have a socket that binds let in nobody but the clients that are listed."""
        socket.curve_secretkey = self._own.secret
        socket.curve_publickey = self._own.public
        socket.curve_server = True
        socket.zap_domain = DOMAIN.encode()

    def introduce(self, socket: "zmq.Socket[Any]", peer: str) -> None:
        """Have a socket that connects believe that peer alone; raises UnusableCurveKeys."""
        socket.curve_secretkey = self._own.secret
        socket.curve_publickey = self._own.public
        socket.curve_serverkey = self.public_key_of(peer)

    def public_key_of(self, peer: str) -> bytes:
        """Return the public key of a peer we connect to; raises UnusableCurveKeys."""
        return _load(self._folder / f"{peer}.key", f"the public key of the {peer}")[0]

    def _pair(self) -> KeyPair:
        path = self._folder / f"{SERVER}.key_secret"
        public, secret = _load(path, "the server's own key")
        if secret is None:
            raise UnusableCurveKeys(f"{path} holds no secret key: 'stratopt keys zmq' makes one")
        return KeyPair(public, secret)


class Doorkeeper:
    """Lets in the clients that are listed, as they are listed now; logs each other key once."""

    def __init__(self, clients: Path) -> None:
        self._clients = clients
        self._refused: set[bytes] = set()

    def callback(self, domain: str, key: bytes) -> bool:  # noqa: ARG002 - the authenticator's signature
        """Tell whether a client's public key is listed; never raises, else nobody would be let in again."""
        try:
            listed = key in zmq.auth.load_certificates(self._clients)
        except (OSError, ValueError) as error:
            log.warning("relay: the keys in %s cannot be read: %s", self._clients, error)
            return False
        if not listed and key not in self._refused and len(self._refused) < KEYS_REMEMBERED_MAX:
            self._refused.add(key)
            log.warning(
                "relay: refused a client with the key %s: it is not in %s", key.decode(), self._clients
            )
        return bool(listed)


def _load(path: Path, what: str) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise UnusableCurveKeys(
            f"{path}, {what}, cannot be read: {error}. 'stratopt keys zmq' makes keys"
        ) from None
