"""How tables are written."""

from enum import Enum


class TableFormat(Enum):
    """A file of rows and columns."""

    CSV = "csv"
    PARQUET = "parquet"
