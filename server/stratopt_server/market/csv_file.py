"""Bars from comma-separated text."""

import csv
import re
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.market.rows import (
    VALUE_NAMES,
    ColumnPositions,
    Place,
    RawRows,
    locate_columns,
    refusal,
    shown,
    too_many_rows,
)
from stratopt_server.market.times import from_column

HEADER_BYTES_MAX = 65_536
FIRST_DATA_LINE = 2
_WRONG_COUNT = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_BAD_CELL = re.compile(r"CSV column #(\d+): Row #(\d+): .*?(?:invalid value '(.*)')?\Z", re.DOTALL)


def read_csv(path: Path, *, rows_max: int) -> RawRows:
    """Read a CSV file whose first line is a header; refuse it if any row cannot be read."""
    names = _read_header(path)
    positions = locate_columns(names)
    try:
        with path.open("rb") as file:  # given a path, the reader would unpack some by their suffix
            return _read_rows(file, column_count=len(names), positions=positions, rows_max=rows_max)
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except pa.ArrowException as error:
        raise _refusal_of(str(error), positions) from None


def _read_header(path: Path) -> list[str]:
    """Names on the first line."""
    with path.open("rb") as file:
        lines = file.read(HEADER_BYTES_MAX).splitlines()
    try:
        return next(csv.reader([lines[0].decode("utf-8-sig")] if lines else []), [])
    except (UnicodeDecodeError, csv.Error):
        message = "the first line is not UTF-8 text: a CSV file begins with a header line"
        raise refusal("file", "HEADER_UNREADABLE", message) from None


def _read_rows(file: BinaryIO, *, column_count: int, positions: ColumnPositions, rows_max: int) -> RawRows:
    """Read everything after the header, a block at a time, so that a limit is met before the memory is."""
    # Columns are known by position from here on: other columns may share a name.
    names = [str(position) for position in range(column_count)]
    time, values = names[positions.time], [names[position] for position in positions.values]
    reader = pacsv.open_csv(
        file,
        # One thread: with more, errors do not say which row they are about.
        read_options=pacsv.ReadOptions(use_threads=False, column_names=names, skip_rows=1),
        convert_options=pacsv.ConvertOptions(
            include_columns=[time, *values],
            column_types={time: pa.string(), **dict.fromkeys(values, pa.float64())},
            strings_can_be_null=True,
        ),
    )
    parts: list[RawRows] = []
    row_count = 0
    for batch in reader:
        place = Place("line", FIRST_DATA_LINE + row_count)
        row_count += batch.num_rows
        if row_count > rows_max:
            raise too_many_rows(rows_max)
        numbers = (batch.column(name).to_numpy(zero_copy_only=False) for name in values)
        parts.append(RawRows(from_column(batch.column(time), place), *numbers))
    return RawRows.joined(parts)


def _refusal_of(error: str, positions: ColumnPositions) -> RequestRefused:
    """Say in our words what the reader found; it numbers rows from the header, which is 1."""
    if wrong_count := _WRONG_COUNT.search(error):
        line, wanted, given = wrong_count.groups()
        message = f"line {line} has {given} fields, the header has {wanted}: every line needs as many"
        return refusal("file", "ROW_WRONG_LENGTH", message, line=line, given=given, wanted=wanted)
    if bad_cell := _BAD_CELL.search(error):
        position, line, text = int(bad_cell[1]), bad_cell[2], shown(bad_cell[3])
        if position in positions.values:
            name = VALUE_NAMES[positions.values.index(position)]
            message = f"{text} on line {line} is no number: {name} holds decimal numbers, or is left empty"
            return refusal(f"file.{name}", "NOT_A_NUMBER", message, line=line, text=text)
        message = f"the time on line {line} is not UTF-8 text"
        return refusal("file.timestamp", "TIME_UNREADABLE", message, line=line)
    message = f"the file cannot be read as comma-separated text: {shown(error)}"
    return refusal("file", "CSV_UNREADABLE", message, cause=shown(error))
