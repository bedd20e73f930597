"""Times as callers write them, and as the wire has them: UTC."""

from datetime import UTC, date, datetime, time

from google.protobuf.timestamp_pb2 import Timestamp

from stratopt_client._shape import Shape, shown

When = str | date | datetime
"""ISO 8601 text, a day or a moment; a moment without a zone is UTC."""

_WANTED = "must be a date or time such as 2024-01-31, 2024-01-31T12:00Z, a date or a datetime"


def moment_to_proto(shape: Shape, field: str, value: object, *, whole_day: bool = False) -> Timestamp | None:
    """Return the moment, None for None; a day is its first moment, or its last where `whole_day`."""
    if value is None:
        return None
    try:
        moment = _moment(value, time.max if whole_day else time.min)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        shape.wrong(field, f"{_WANTED}, not {shown(value)}", reason="NOT_A_TIME")
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _moment(value: object, of_day: time) -> datetime | None:
    """Return the moment in UTC, None if the value is of no kind that has one."""
    if isinstance(value, str):
        value = _read(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, of_day, tzinfo=UTC)
    return None


def _read(text: str) -> date:
    """Return a date for a text without a time, else a datetime."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)
