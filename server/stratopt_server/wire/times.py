"""Moments <-> Timestamps, to the microsecond."""

from contextlib import suppress
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.market import from_microseconds, to_microseconds

MICROSECONDS = 1_000_000
NANOSECONDS = 1_000_000_000


def to_timestamp(moment: datetime) -> Timestamp:
    """Write a moment."""
    seconds, microseconds = divmod(to_microseconds(moment), MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=microseconds * 1000)


def microseconds_to_timestamp(microseconds: int) -> Timestamp:
    """Write a moment counted in microseconds."""
    return to_timestamp(from_microseconds(microseconds))


def optional_moment(
    message: Message, field: str, violations: Violations, *, at: str | None = None
) -> datetime | None:
    """Read a Timestamp field that may be unset; note one that is no moment of the years 1 to 9999.

    `at` is the field's path in the request, where that is more than its name.
    """
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    with suppress(OverflowError):
        if 0 <= stamp.nanos < NANOSECONDS:
            return from_microseconds(stamp.seconds * MICROSECONDS + stamp.nanos // 1000)
    allowed = "must be a moment of the years 1 to 9999"
    violations.add(at or field, "INVALID_TIME", allowed, seconds=stamp.seconds, nanos=stamp.nanos)
    return None
