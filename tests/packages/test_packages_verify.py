"""What a trader may believe: only what is signed, by the right key, in its time."""

import base64
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from stratopt_client.packages import InvalidPackage, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SAID: dict[str, Any] = {
    "schema_version": "1.0",
    "package_id": "pkg_1",
    "seq": 1,
    "symbol": "BTC/USDT",
    "parameters": {"fast_period": 5, "threshold": 0.1, "on": True, "words": ["a", None]},
    "position_size": 1.0,
    "stop_loss": None,
    "valid_until": (NOW + timedelta(days=30)).isoformat(),
}


def signed(said: dict[str, Any] = SAID, key: Ed25519PrivateKey = KEY) -> dict[str, Any]:
    """Return a package as it is published."""
    payload = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return {
        **said,
        "signature": base64.b64encode(key.sign(payload)).decode(),
        "signed_payload": base64.b64encode(payload).decode(),
        "key_id": hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest(),
    }


def refusal(message: Any, key: bytes | str = PUBLIC, at: datetime = NOW) -> str:
    """Return the reason a package is refused for."""
    with pytest.raises(InvalidPackage) as caught:
        verify(message, key, at=at)
    assert str(caught.value)
    return caught.value.reason


def test_good_package_is_what_was_signed() -> None:
    """As bytes, text or dictionary; by the key or its hex."""
    text = json.dumps(signed())
    for message in (text, text.encode(), signed()):
        for key in (PUBLIC, PUBLIC.hex()):
            assert verify(message, key, at=NOW) == SAID


def test_numbers_are_compared_as_numbers() -> None:
    """A relay that writes 1.0 as 1 changes nothing; true in place of 1 does."""
    assert verify({**signed(), "position_size": 1}, PUBLIC, at=NOW) == SAID
    assert refusal({**signed(), "position_size": True}) == "FIELD_CHANGED"
    assert refusal({**signed(), "parameters": {**SAID["parameters"], "on": 1}}) == "FIELD_CHANGED"


@pytest.mark.parametrize("name", sorted(SAID))
def test_changed_absent_and_added_fields_are_refused(name: str) -> None:
    """Each field stands for itself; one that was not signed must not be there."""
    without = {field: value for field, value in signed().items() if field != name}
    assert refusal(without) == "FIELD_CHANGED"
    assert refusal({**signed(), name: "other"}) == "FIELD_CHANGED"
    assert refusal({**signed(), "extra": name}) == "FIELD_CHANGED"


def test_wrong_keys_and_signatures_are_told_apart() -> None:
    """Another server's package, and one that nobody signed."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert refusal(signed(key=other)) == "WRONG_KEY"
    pretended = {**signed(key=other), "key_id": signed()["key_id"]}
    assert refusal(pretended) == "WRONG_SIGNATURE"
    changed = signed({**SAID, "symbol": "ETH/USDT"})
    assert refusal({**changed, "signature": signed()["signature"]}) == "WRONG_SIGNATURE"


def test_time_is_judged() -> None:
    """At the moment given, or now; whoever audits the past says when."""
    late = NOW + timedelta(days=31)
    assert refusal(signed(), at=late) == "EXPIRED"
    old = signed({**SAID, "valid_until": "2020-01-01T00:00:00+00:00"})
    with pytest.raises(InvalidPackage, match="2020-01-01"):
        verify(old, PUBLIC)
    assert verify(old, PUBLIC, at=datetime(2019, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        "[]",
        "{}",
        '{"signature": "!", "signed_payload": "!"}',
        '{"a": NaN}',
        "[" * 100_000,
        signed({**SAID, "valid_until": "soon"}),
        signed({**SAID, "valid_until": None}),
        signed({**SAID, "valid_until": "2026-01-01T00:00:00"}),
        {**signed(), "signature": 7},
        json.dumps(signed())[:-1] + ', "symbol": "ETH/USDT"}',
    ],
    ids=range(12),
)
def test_what_is_no_package_is_refused(message: Any) -> None:
    """Never another exception; a name that stands twice could be read in two ways."""
    assert refusal(message) == "MALFORMED"


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise_is_refused(message: bytes | str) -> None:
    """Whatever comes over the wire."""
    assert refusal(message) == "MALFORMED"


@pytest.mark.parametrize("key", ["", "zz", "00" * 31, b"short"])
def test_key_that_is_none_is_a_mistake_of_ours(key: bytes | str) -> None:
    """It says nothing about the package."""
    with pytest.raises(ValueError, match="32 bytes"):
        verify(signed(), key)


def test_absent_extras_are_told_with_what_to_install() -> None:
    """The module itself needs the base install only."""
    program = (
        "import sys; sys.modules['cryptography'] = sys.modules['zmq'] = None\n"
        "import asyncio, json\n"
        "from stratopt_client.packages import subscribed, verify\n"
        "async def hear():\n"
        "    async with subscribed('tcp://127.0.0.1:9'): pass\n"
        f"for use in (lambda: verify({signed()!r}, {PUBLIC!r}), lambda: asyncio.run(hear())):\n"
        "    try: use()\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'stratopt[packages]'") == 2
