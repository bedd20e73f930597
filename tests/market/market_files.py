"""What several tests of market data need: small tables of bars and the shared real files."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.domain.market import Bars, to_microseconds
from stratopt_server.market.columns import ColumnStore
from stratopt_server.market.importing import import_file
from stratopt_server.market.rows import RawRows

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "market"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared market files are not beside the project"
)

HEADER = "timestamp,open,high,low,close,volume"
HOUR = 3_600_000_000
DAY = 24 * HOUR
MONDAY = to_microseconds(datetime(2024, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Described:
    """One row of the README's tables: what its author measured of a Parquet file."""

    file: str
    timeframe: str
    bars: int
    first: datetime
    last: datetime
    gaps: int
    missing: int
    longest: int
    zero_volume: int
    jumps: int


def described_files() -> list[Described]:
    """All Parquet files the README describes; none where the folder is absent."""
    readme = SHARED / "README.md"
    if not readme.is_file():
        return []
    rows = (
        line.strip("| \n").split("|") for line in readme.read_text().splitlines() if line.startswith("| `")
    )
    cells = ([cell.strip() for cell in row] for row in rows)
    return [_described(row) for row in cells if row[0].endswith(".parquet`")]


def _described(cells: list[str]) -> Described:
    """Read one row of the table."""
    gaps, missing, longest = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+", cells[5]))
    bars, zero_volume, jumps = (int(cells[column].replace(",", "")) for column in (2, 6, 7))
    first, last = (datetime.fromisoformat(cells[column]).replace(tzinfo=UTC) for column in (3, 4))
    name = cells[0].strip("`")
    return Described(name, cells[1], bars, first, last, gaps, missing, longest, zero_volume, jumps)


def raw(times: Iterable[int], *, close: Iterable[float] | None = None, volume: float = 1.0) -> RawRows:
    """Rows at these times (microseconds): unlike bars that do not contradict themselves."""
    time = np.array(list(times), np.int64)
    closes = np.arange(100.0, 100.0 + len(time)) if close is None else np.array(list(close))
    return RawRows(time, closes, closes, closes, closes, np.full(len(time), volume))


def bars_at(times: Iterable[int]) -> Bars:
    """Clean bars at these times (microseconds)."""
    rows = raw(times)
    return Bars(rows.time, rows.open, rows.high, rows.low, rows.close, rows.volume)


def hourly(count: int, *, start: int = MONDAY) -> list[int]:
    """Times of bars one hour apart."""
    return [start + index * HOUR for index in range(count)]


def csv_text(rows: RawRows) -> str:
    """The rows as CSV with times in epoch microseconds, every number with all its digits."""
    columns = (rows.time, rows.open, rows.high, rows.low, rows.close, rows.volume)
    lines = [",".join(repr(value.item()) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([HEADER, *lines, ""])


def refused_import(path: Path, store: ColumnStore) -> RequestRefused:
    """Import a file that must be refused."""
    with pytest.raises(RequestRefused) as caught:
        import_file(path, columns=store)
    return caught.value
