"""Times as files write them, to microseconds since 1970-01-01 UTC."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.domain.market import TimeColumn, to_microseconds
from stratopt_server.market.rows import Place, refusal, shown

ArrowColumn: TypeAlias = "pa.Array[Any]"
"""In quotes: only the type stubs know the parameter."""

FIELD = "file.timestamp"
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are mistakes of unit or of typing; inside, no conversion here can overflow."""

SECONDS_BELOW = 10**11
MILLISECONDS_BELOW = 10**14
MICROSECONDS_BELOW = 10**17
"""Epoch numbers below (in size) are seconds, milliseconds, microseconds; the rest are nanoseconds.

Each bound is the year 5138 in the one unit and March 1973 in the next: times since then have one
reading only. Each row is judged by itself, as real files mix units.
"""
NANOSECONDS_BELOW = 10**19
MICROSECONDS_IN = {"s": 1_000_000, "ms": 1_000, "us": 1, "day": 86_400_000_000}

_WHOLE = r"^-?(\d{1,18}|[1-8]\d{18})$"
_DECIMAL = r"^-?\d{1,19}\.\d*$"
_ROUNDED = r"^-?\d+(\.\d*)?[eE][+-]?\d+$"
_LOCAL = r"^\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?)?$"
_ZONED = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)$"
_ALLOWED = (
    "times are ISO 8601 (2024-01-31, 2024-01-31T08:00:00Z; UTC where no zone is given)"
    " or epoch seconds, milliseconds, microseconds or nanoseconds, from 1900 to 2199"
)


def from_column(column: ArrowColumn, place: Place) -> TimeColumn:
    """Microseconds of a column of timestamps, dates, epoch numbers or text."""
    if column.null_count:
        at = place.at(_first(pc.is_null(column)))
        raise refusal(FIELD, "TIME_ABSENT", f"{at} has no time: every row needs one", at=at)
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _from_ticks(_whole(column), kind.unit, place)
    if pa.types.is_date32(kind):
        return _from_ticks(_whole(column.cast(pa.int32())), "day", place)
    if pa.types.is_date64(kind):
        return _from_ticks(_whole(column), "ms", place)
    if pa.types.is_integer(kind):
        return _checked(_by_magnitude(_whole(column)), place)
    if pa.types.is_floating(kind):
        return _checked(_by_magnitude_decimal(column.to_numpy(zero_copy_only=False)), place)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(pc.utf8_trim_whitespace(column), place)
    raise refusal(FIELD, "TIME_UNREADABLE", f"the time column holds {kind}: {_ALLOWED}", type=kind)


def _whole(column: ArrowColumn) -> TimeColumn:
    """Whole numbers of a column, as they are stored."""
    return np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _first(mask: ArrowColumn) -> int:
    """Position of the first true value."""
    return int(np.argmax(mask.to_numpy(zero_copy_only=False)))


def _from_ticks(ticks: TimeColumn, unit: str, place: Place) -> TimeColumn:
    """Microseconds of ticks whose unit is known."""
    if unit == "ns":
        return _checked(ticks // 1_000, place)
    factor = MICROSECONDS_IN[unit]
    # Before the multiplication, which could overflow back into the range.
    _refuse_outside(ticks, to_microseconds(EARLIEST) // factor, to_microseconds(LATEST) // factor, place)
    return ticks * factor


def _by_magnitude(numbers: TimeColumn) -> TimeColumn:
    """Microseconds of epoch numbers whose unit shows in their size."""

    def below(bound: int) -> NDArray[np.bool_]:
        return (numbers > -bound) & (numbers < bound)

    units = [below(SECONDS_BELOW), below(MILLISECONDS_BELOW), below(MICROSECONDS_BELOW)]
    scaled = [numbers * MICROSECONDS_IN["s"], numbers * MICROSECONDS_IN["ms"], numbers]
    return np.select(units, scaled, numbers // 1_000)


def _by_magnitude_decimal(numbers: NDArray[np.floating]) -> TimeColumn:
    """Microseconds of epoch numbers with decimals; what is no number becomes a time that is refused."""
    size = np.abs(numbers.astype(np.float64))
    factors = np.select(
        [size < SECONDS_BELOW, size < MILLISECONDS_BELOW, size < MICROSECONDS_BELOW], [1e6, 1e3, 1.0], 1e-3
    )
    microseconds = np.rint(np.where(size < NANOSECONDS_BELOW, numbers, NANOSECONDS_BELOW) * factors)
    return np.asarray(microseconds, np.int64)


def _from_text(texts: ArrowColumn, place: Place) -> TimeColumn:
    """Microseconds of text, each row read by its own form."""
    times = np.zeros(len(texts), np.int64)
    unread = np.ones(len(texts), np.bool_)
    for form, read in _FORMS.items():
        matches = pc.match_substring_regex(texts, form).to_numpy(zero_copy_only=False)
        if not matches.any():
            continue
        try:
            times[matches] = read(texts.filter(pa.array(matches)))
        except pa.ArrowInvalid:
            index = next(at for at in np.flatnonzero(matches).tolist() if _fails(read, texts.slice(at, 1)))
            raise _unreadable(texts[index].as_py(), place.at(index)) from None
        unread &= ~matches
        if not unread.any():
            break
    if unread.any():
        index = int(np.argmax(unread))
        raise _unreadable(texts[index].as_py(), place.at(index))
    return _checked(times, place)


def _fails(read: Callable[[ArrowColumn], TimeColumn], texts: ArrowColumn) -> bool:
    """Tell whether text of the right form is no moment after all, such as a 31st of June."""
    try:
        read(texts)
    except pa.ArrowInvalid:
        return True
    return False


def _read_whole(texts: ArrowColumn) -> TimeColumn:
    """Epoch numbers without decimals."""
    return _by_magnitude(_whole(texts))


def _read_decimal(texts: ArrowColumn) -> TimeColumn:
    """Epoch numbers with decimals."""
    return _by_magnitude_decimal(texts.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _read_local(texts: ArrowColumn) -> TimeColumn:
    """ISO 8601 without a zone, which means UTC."""
    return _whole(texts.cast(pa.timestamp("ns"))) // 1_000


def _read_zoned(texts: ArrowColumn) -> TimeColumn:
    """ISO 8601 with a zone."""
    return _whole(texts.cast(pa.timestamp("ns", "UTC"))) // 1_000


_FORMS: dict[str, Callable[[ArrowColumn], TimeColumn]] = {
    _WHOLE: _read_whole,
    _DECIMAL: _read_decimal,
    _LOCAL: _read_local,
    _ZONED: _read_zoned,
}
"""How to read text by its form; no text has two."""


def _unreadable(text: str, at: str) -> RequestRefused:
    """Refuse text that is no time."""
    if pc.match_substring_regex(pa.array([text]), _ROUNDED)[0].as_py():
        message = f"the time {shown(text)} on {at} is rounded, as spreadsheets do: export all digits of it"
        return refusal(FIELD, "TIME_ROUNDED", message, at=at, text=shown(text))
    message = f"{shown(text)} on {at} is no time: {_ALLOWED}"
    return refusal(FIELD, "TIME_UNREADABLE", message, at=at, text=shown(text))


def _checked(times: TimeColumn, place: Place) -> TimeColumn:
    """Give the times back if all lie in the range that is allowed."""
    _refuse_outside(times, to_microseconds(EARLIEST), to_microseconds(LATEST), place)
    return times


def _refuse_outside(ticks: TimeColumn, earliest: int, latest: int, place: Place) -> None:
    """Refuse the file if a time lies outside the range."""
    outside = (ticks < earliest) | (ticks >= latest)
    if outside.any():
        raise _outside(place.at(int(np.argmax(outside))))


def _outside(at: str) -> RequestRefused:
    """Refuse a time that can only be a mistake."""
    message = f"the time on {at} is out of range: {_ALLOWED}"
    return refusal(FIELD, "TIME_OUT_OF_RANGE", message, at=at)
