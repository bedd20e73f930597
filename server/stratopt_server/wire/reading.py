"""Reading the fields of requests; what is wrong with one is noted, not raised."""

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.message import Message

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.ports import RequestKey
from stratopt_server.usecases.idempotency import REQUEST_ID_LENGTH_MAX
from stratopt_server.usecases.requests import Call

E = TypeVar("E", bound=Enum)


def call_of(request: Message, caller_method: str) -> Call:
    """Tell which call this is: its request_id, and a digest of everything else."""
    request_id: str = getattr(request, "request_id", "")
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("request_id")
    digest = hashlib.sha256(rest.SerializeToString(deterministic=True)).hexdigest()
    return Call(RequestKey(caller_method, request_id) if request_id else None, digest)


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
