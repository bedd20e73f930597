"""Rows as a file gives them, before anything is known of their quality, and how files are refused."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.errors import RequestRefused, Violation, Violations
from stratopt_server.domain.market import FloatColumn, TimeColumn

TIME_NAMES = ("timestamp", "open_time", "unix", "time", "datetime", "date")
"""Names a time column may have; the first of them that a file has is taken.

What machines write stands before what people read: beside `unix`, a `date` is often local or rounded.
"""
VALUE_NAMES = ("open", "high", "low", "close", "volume")
NAMES_SHOWN_MAX = 20
TEXT_SHOWN_MAX = 120


@dataclass(frozen=True, slots=True, eq=False)
class RawRows:
    """Rows of a file in its order, a column each; absent values are NaN."""

    time: TimeColumn
    """Open time of each bar, microseconds since 1970-01-01 UTC."""
    open: FloatColumn
    high: FloatColumn
    low: FloatColumn
    close: FloatColumn
    volume: FloatColumn

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.time)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Rows chosen by a mask or by their positions, in that order."""
        return type(self)(*(getattr(self, column.name)[which] for column in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["RawRows"]) -> Self:
        """All rows of the parts, one part after the other."""
        if not parts:
            return cls(np.empty(0, np.int64), *(np.empty(0) for _ in VALUE_NAMES))
        return cls(
            *(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls))
        )


@dataclass(frozen=True, slots=True)
class Place:
    """How to tell a person where a row stands in the file."""

    noun: str
    """`line` in a text file, `row` in a table."""
    first: int
    """Number of the first row of the part at hand."""

    def at(self, index: int) -> str:
        """Words for the row with that index in the part."""
        return f"{self.noun} {self.first + index}"


@dataclass(frozen=True, slots=True)
class ColumnPositions:
    """Which columns of a file hold what."""

    time: int
    values: tuple[int, ...]
    """Positions of open, high, low, close, volume, in this order."""


def refusal(field_path: str, reason: str, message: str, **facts: object) -> RequestRefused:
    """Refuse for one fault; the keyword arguments are the values its message names."""
    texts = {name: str(value) for name, value in facts.items()}
    return RequestRefused([Violation(field_path, reason, message, facts=texts)])


def too_many_rows(rows_max: int) -> RequestRefused:
    """Refuse a file that holds more rows than one import may."""
    message = f"the file holds more than {rows_max} rows: split it, or use a longer timeframe"
    return refusal("file", "TOO_MANY_ROWS", message, rows_max=rows_max)


def shown(text: Any) -> str:
    """Quote what stood in the file, cut to a length that fits a message."""
    words = str(text)
    return repr(words if len(words) <= TEXT_SHOWN_MAX else words[:TEXT_SHOWN_MAX] + "...")


def locate_columns(names: Sequence[str]) -> ColumnPositions:
    """Find the six columns by name, or refuse the file naming every one that is absent or twice there."""
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name.strip().lower(), []).append(position)
    times = [name for name in TIME_NAMES if name in found]
    if not times and not any(name in found for name in VALUE_NAMES):
        raise _nothing_known(names)
    violations = Violations()
    if not times:
        _add_absent(violations, "timestamp", names)
    for name in VALUE_NAMES:
        if name not in found:
            _add_absent(violations, name, names)
    for name in (*times[:1], *VALUE_NAMES):
        if len(found.get(name, [])) > 1:
            message = f"more than one column is called {name}: leave only the one to import"
            violations.add(f"file.{name}", "COLUMN_AMBIGUOUS", message, column=name)
    violations.refuse_if_any()
    return ColumnPositions(found[times[0]][0], tuple(found[name][0] for name in VALUE_NAMES))


def _wanted() -> str:
    """Words for the columns a file must have."""
    others = ", ".join(TIME_NAMES[1:])
    return f"timestamp (or {others}), {', '.join(VALUE_NAMES)}"


def _given(names: Sequence[str]) -> str:
    """Words for the columns a file has."""
    listed = ", ".join(shown(name) for name in names[:NAMES_SHOWN_MAX])
    return listed + (", ..." if len(names) > NAMES_SHOWN_MAX else "")


def _nothing_known(names: Sequence[str]) -> RequestRefused:
    """Refuse a file none of whose columns is known: most often the header is not the first line."""
    message = (
        f"no column has a known name: a CSV file begins with a header line, a Parquet file has columns,"
        f" named {_wanted()}; found {_given(names)}"
    )
    return refusal("file", "HEADER_ABSENT", message, found=_given(names))


def _add_absent(violations: Violations, name: str, names: Sequence[str]) -> None:
    """Note that a column is not there."""
    message = f"there is no column {name}: the columns must be {_wanted()}; found {_given(names)}"
    violations.add(f"file.{name}", "COLUMN_ABSENT", message, column=name, found=_given(names))
