"""What goes over the wire for one package: everything it says, with the bytes that were signed."""

import base64
import json

from stratopt_server.domain.packages import ParameterPackage, Place

PACKAGES_TOPIC = b"optimizer.pool.trading"
HEARTBEAT_TOPIC = b"optimizer.heartbeat"


def package_frames(package: ParameterPackage) -> list[bytes]:
    """Two frames: the topic, and JSON with all the signed payload says, the payload and its signature."""
    document = {
        **json.loads(package.signed_payload),
        "signature": base64.b64encode(package.signature).decode(),
        "signed_payload": base64.b64encode(package.signed_payload).decode(),
        "key_id": package.key_id,
    }
    return [PACKAGES_TOPIC, json.dumps(document, ensure_ascii=False).encode()]


def heartbeat_frames(place: Place) -> list[bytes]:
    """Two frames: the topic, and which package is the newest, so that a subscriber sees a gap."""
    return [HEARTBEAT_TOPIC, json.dumps({"epoch": place.epoch, "last_seq": place.seq}).encode()]
