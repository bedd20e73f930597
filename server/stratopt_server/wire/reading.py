"""Reading the fields of requests; what is wrong with one is noted, not raised."""

import hashlib
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.message import Message

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.ports import RequestKey
from stratopt_server.usecases.idempotency import REQUEST_ID_LENGTH_MAX
from stratopt_server.usecases.requests import Call

E = TypeVar("E", bound=Enum)

CALLER_KEY = "stratopt-caller"
"""Metadata key under which callers name themselves."""
CALLER_LENGTH_MAX = 64


def call_of(request: Message, caller_method: str, *, caller: str = "") -> Call:
    """Tell which call this is: its request_id, a digest of everything else, and who calls."""
    request_id: str = getattr(request, "request_id", "")
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("request_id")
    digest = hashlib.sha256(rest.SerializeToString(deterministic=True)).hexdigest()
    return Call(RequestKey(caller_method, request_id) if request_id else None, digest, caller)


def caller_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Read, off the metadata of a call, who calls; empty where they do not say. Raises RequestRefused."""
    name = next((value for key, value in metadata or () if key == CALLER_KEY), "")
    caller = name if isinstance(name, str) else name.decode(errors="replace")
    if len(caller) > CALLER_LENGTH_MAX:
        violations = Violations()
        violations.add(
            CALLER_KEY, "CALLER_TOO_LONG", f"at most {CALLER_LENGTH_MAX} characters", max=CALLER_LENGTH_MAX
        )
        violations.refuse_if_any()
    return caller


def check_request_id(request: Any, violations: Violations) -> None:
    """Note a request_id that is too long to be kept."""
    if len(request.request_id) > REQUEST_ID_LENGTH_MAX:
        violations.add(
            "request_id",
            "REQUEST_ID_TOO_LONG",
            f"at most {REQUEST_ID_LENGTH_MAX} characters",
            length_max=REQUEST_ID_LENGTH_MAX,
        )


def optional_word(value: int, words: Mapping[E, int], *, field: str, violations: Violations) -> E | None:
    """Read an enum field; 0 is None, a number that this server does not know is noted."""
    if value == 0:
        return None
    for word, number in words.items():
        if number == value:
            return word
    allowed = ", ".join(word.name for word in words)
    violations.add(field, "UNKNOWN_ENUM_VALUE", f"must be one of {allowed}, not {value}", allowed=allowed)
    return None


def optional_number(message: Message, field: str) -> float | None:
    """Read an optional numeric field."""
    value: float | None = getattr(message, field) if message.HasField(field) else None
    return value


def optional_count(message: Message, field: str) -> int | None:
    """Read an optional whole-number field."""
    value: int | None = getattr(message, field) if message.HasField(field) else None
    return value
