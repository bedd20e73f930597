"""What goes out: documents, and the frames that carry them."""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stratopt_server.domain.packages import ParameterPackage, Place, Revocation

PACKAGES_TOPIC = "optimizer.pool.trading"
PROTOBUF_TOPIC = "optimizer.pool.trading.pb"
REVOKED_TOPIC = "optimizer.pool.revoked"
HEARTBEAT_TOPIC = "optimizer.heartbeat"
PROGRESS_TOPIC = "optimizer.progress"


def framed(topic: str, document: Mapping[str, Any], *, as_string: bool) -> list[bytes]:
    """Two frames, the topic and JSON; or one, `topic JSON`."""
    body = json.dumps(document, ensure_ascii=False)
    return [f"{topic} {body}".encode()] if as_string else [topic.encode(), body.encode()]


def package_document(package: ParameterPackage) -> dict[str, Any]:
    """Return all that the signed payload says, the payload and its signature."""
    return _signed(package.signed_payload, package.signature, package.key_id)


def revocation_document(revocation: Revocation) -> dict[str, Any]:
    """Return likewise what a revocation says."""
    return _signed(revocation.signed_payload, revocation.signature, revocation.key_id)


def heartbeat_document(packages: Place, revocations: Place, *, now: datetime) -> dict[str, Any]:
    """Say which package and which revocation are the newest, so that a subscriber sees a gap."""
    return {
        "epoch": packages.epoch,
        "last_seq": packages.seq,
        "last_revocation_seq": revocations.seq,
        "timestamp": now.isoformat(),
    }


def _signed(payload: bytes, signature: bytes, key_id: str) -> dict[str, Any]:
    return {
        **json.loads(payload),
        "signature": base64.b64encode(signature).decode(),
        "signed_payload": base64.b64encode(payload).decode(),
        "key_id": key_id,
    }
