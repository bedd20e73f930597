"""Bars from Apache Parquet."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stratopt_server.domain.market import FloatColumn
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
from stratopt_server.market.times import ArrowColumn, from_column

BATCH_ROWS = 1 << 20


def read_parquet(path: Path, *, rows_max: int) -> RawRows:
    """Read a Parquet file; refuse it if a column is absent, of another type, or damaged."""
    try:
        with pq.ParquetFile(path) as file:
            return _read_rows(file, rows_max=rows_max)
    except MemoryError:  # one of Arrow's own is an ArrowException too
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # The file could be opened before, so whatever goes wrong in here is its content.
        message = f"the file cannot be read as Parquet: {shown(error)}"
        raise refusal("file", "PARQUET_UNREADABLE", message, cause=shown(error)) from None


def _read_rows(file: pq.ParquetFile, *, rows_max: int) -> RawRows:
    """Read the six columns, a batch at a time: the count in the footer may lie."""
    if file.metadata.num_rows > rows_max:
        raise too_many_rows(rows_max)
    schema = file.schema_arrow
    positions = locate_columns(schema.names)
    _check_types(schema, positions)
    time, *values = (schema.names[position] for position in (positions.time, *positions.values))
    parts: list[RawRows] = []
    row_count = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[time, *values]):
        place = Place("row", row_count + 1)
        row_count += batch.num_rows
        if row_count > rows_max:
            raise too_many_rows(rows_max)
        numbers = (_numbers(batch.column(name)) for name in values)
        parts.append(RawRows(from_column(batch.column(time), place), *numbers))
    return RawRows.joined(parts)


def _check_types(schema: pa.Schema, positions: ColumnPositions) -> None:
    """Refuse price and volume columns that do not hold numbers."""
    for name, position in zip(VALUE_NAMES, positions.values, strict=True):
        kind = schema.field(position).type
        if not (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_decimal(kind)
            or pa.types.is_null(kind)
        ):
            message = f"the column {name} holds {shown(kind)}: it must hold numbers"
            raise refusal(f"file.{name}", "NOT_A_NUMBER", message, type=shown(kind))


def _numbers(column: ArrowColumn) -> FloatColumn:
    """Numbers of a column, NaN where absent; whole numbers above 2**53 are rounded."""
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
