"""Tables written to files row group by row group: CSV and Parquet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from stratopt_server.market.formats import TableFormat

KINDS = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


class TableWriter:
    """Writes a table whose columns each hold one kind of value, or none."""

    def __init__(self, path: Path, table_format: TableFormat, columns: Mapping[str, type]) -> None:
        """`columns` are the names and kinds (int, float, str, bool), in their order."""
        self._schema = pa.schema([pa.field(name, KINDS[kind]) for name, kind in columns.items()])
        self._writer: Any
        if table_format is TableFormat.CSV:
            self._writer = pc.CSVWriter(str(path), self._schema)
        else:
            self._writer = pq.ParquetWriter(str(path), self._schema)

    def __enter__(self) -> Self:
        """Write inside the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file."""
        self._writer.close()

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows; None is an absent value."""
        columns = zip(*rows, strict=True) if rows else ([] for _ in self._schema)
        arrays = [
            pa.array(list(column), type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
