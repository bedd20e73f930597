"""Checks of the shape of arguments. What their values may be is the server's to say."""

import math
import numbers

from google.protobuf.descriptor import EnumDescriptor

from stratopt_client._errors import InvalidInput, Violation

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
UINT64 = range(2**64)


class Shape:
    """Reads arguments one by one and collects what is wrong, to refuse them all at once."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self._found: list[Violation] = []

    def wrong(self, field: str, description: str, *, reason: str = "WRONG_TYPE") -> None:
        """Note that a field has the wrong shape."""
        self._found.append(Violation(field, reason, description))

    def refuse_if_any(self) -> None:
        """Raise InvalidInput with everything that was noted."""
        if self._found:
            raise InvalidInput(self._found)

    def text(self, field: str, value: object) -> str:
        """Return a text, empty for None."""
        if value is None or isinstance(value, str):
            return value or ""
        self.wrong(field, f"must be text, not {kind_of(value)}")
        return ""

    def number(self, field: str, value: object) -> float | None:
        """Return a finite number, None for None."""
        if value is None:
            return None
        if isinstance(value, numbers.Real) and not isinstance(value, bool) and is_finite(value):
            return float(value)
        self.wrong(field, f"must be a finite number, not {shown(value)}")
        return None

    def whole(self, field: str, value: object, *, within: range = INT64) -> int | None:
        """Return a whole number that fits the wire, None for None."""
        if value is None:
            return None
        if isinstance(value, numbers.Integral) and is_whole(value) and int(value) in within:
            return int(value)
        wanted = "of 64 bits" if within is INT64 else f"from {within[0]} to {within[-1]}"
        self.wrong(field, f"must be a whole number {wanted}, not {shown(value)}")
        return None

    def flag(self, field: str, value: object) -> bool | None:
        """Return yes or no, None for None."""
        if value is None or isinstance(value, bool):
            return value
        self.wrong(field, f"must be true or false, not {shown(value)}")
        return None

    def word(self, field: str, value: object, of: EnumDescriptor) -> str:
        """Return the name of the enum's value for a word, e.g. FILL_CLOSE for `close`; None is its zero."""
        names = words_of(of)
        if value is None:
            return str(of.values_by_number[0].name)
        if isinstance(value, str) and value in names:
            return names[value]
        self.wrong(field, f"must be one of {', '.join(names)}, not {value!r}", reason="UNKNOWN_WORD")
        return str(of.values_by_number[0].name)


def words_of(enum: EnumDescriptor) -> dict[str, str]:
    """Return the enum's names by their short lower-case words; its zero has none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix).lower(): value.name for value in enum.values if value.number != 0}


def is_whole(value: object) -> bool:
    """Tell a whole number, NumPy's included, from a flag, which Python counts as one."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Tell whether the value is a real number that is not of a whole-number type."""
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)


def is_finite(value: numbers.Real) -> bool:
    """Tell whether the number is finite and fits the wire; a whole number may be too large for that."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def kind_of(value: object) -> str:
    """Return the name of the value's type."""
    return type(value).__name__


def shown(value: object) -> str:
    """Return the value itself if that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 40 else kind_of(value)
