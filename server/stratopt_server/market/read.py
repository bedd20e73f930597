"""Read a file of bars, whatever its format."""

from enum import Enum
from pathlib import Path

from stratopt_server.market.rows import RawRows, refusal

ROWS_MAX = 20_000_000
"""38 years of minutes; 1 GB of columns."""

PARQUET_MAGIC = b"PAR1"
_OTHER_KINDS = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"ARROW1": "Feather",
    b"\x89HDF": "HDF5",
    b"[": "JSON",
    b"{": "JSON",
}
_MAGIC_BYTES_MAX = 8


class FileFormat(Enum):
    """How a file is written."""

    AUTO = "AUTO"
    """Told from the first bytes: Parquet by its magic number, anything else is read as CSV."""
    PARQUET = "PARQUET"
    CSV = "CSV"


def read_rows(path: Path, *, file_format: FileFormat = FileFormat.AUTO, rows_max: int = ROWS_MAX) -> RawRows:
    """Read all rows of a file, or refuse it with the reason; there are no partial results."""
    with path.open("rb") as file:
        start = file.read(_MAGIC_BYTES_MAX)
    is_parquet = start.startswith(PARQUET_MAGIC)
    if is_parquet and file_format is not FileFormat.CSV:
        # Here, not above: a server that imports nothing should not wait for pyarrow at its start.
        from stratopt_server.market.parquet_file import read_parquet  # noqa: PLC0415

        return read_parquet(path, rows_max=rows_max)
    if is_parquet:
        message = "the file is Parquet, not CSV: say PARQUET, or leave the format open"
        raise refusal("file", "NOT_CSV", message)
    if file_format is FileFormat.PARQUET:
        message = "the file does not begin with PAR1 as Parquet does: say CSV, or leave the format open"
        raise refusal("file", "NOT_PARQUET", message)
    for magic, kind in _OTHER_KINDS.items():
        if start.startswith(magic):
            message = f"the file is {kind}: only Parquet and plain CSV are read; unpack or convert it"
            raise refusal("file", "FORMAT_UNSUPPORTED", message, kind=kind)
    from stratopt_server.market.csv_file import read_csv  # noqa: PLC0415 - as above

    return read_csv(path, rows_max=rows_max)
