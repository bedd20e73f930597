"""Parquet files: which are read, to what, and how the others are refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from market_files import HOUR, MONDAY

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.market.read import FileFormat, read_rows

SECONDS = MONDAY // 1_000_000


def written(folder: Path, time: Any, **changed: Any) -> Path:
    """Write a Parquet file of two bars with this time column and these other columns."""
    columns = {name: pa.array([1.0, 2.0]) for name in ("open", "high", "low", "close", "volume")} | changed
    path = folder / "bars.parquet"
    pq.write_table(pa.table({"timestamp": time, **columns}), path)
    return path


def refusal_of(
    path: Path, *, file_format: FileFormat = FileFormat.AUTO, rows_max: int = 100
) -> RequestRefused:
    """Read a file that must be refused."""
    with pytest.raises(RequestRefused) as caught:
        read_rows(path, file_format=file_format, rows_max=rows_max)
    return caught.value


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps(tmp_path: Path, unit: str, zone: str | None) -> None:
    """Timestamps of every unit mean the moment they store, whatever zone they are shown in."""
    ticks = pa.array([MONDAY, MONDAY + HOUR], pa.timestamp("us"))
    kind: Any = pa.timestamp(unit, zone)
    time = pa.array(ticks.cast(pa.timestamp(unit)).cast(pa.int64()), pa.int64()).cast(kind)
    assert read_rows(written(tmp_path, time)).time.tolist() == [MONDAY, MONDAY + HOUR]


@pytest.mark.parametrize(
    "time",
    [
        pa.array([SECONDS, SECONDS + 86_400], pa.uint32()),
        pa.array([SECONDS * 1_000, (SECONDS + 86_400) * 1_000]),
        pa.array([SECONDS * 10**9, (SECONDS + 86_400) * 10**9]),
        pa.array([float(SECONDS), float(SECONDS + 86_400)]),
        pa.array([date(2024, 1, 1), date(2024, 1, 2)], pa.date32()),
        pa.array([date(2024, 1, 1), date(2024, 1, 2)], pa.date64()),
        pa.array(["2024-01-01", "2024-01-02T00:00:00Z"]),
        pa.array(["2024-01-01", "2024-01-02"], pa.large_string()),
    ],
    ids=str,
)
def test_other_times(tmp_path: Path, time: Any) -> None:
    """Epoch numbers, dates and text are read as times too."""
    assert read_rows(written(tmp_path, time)).time.tolist() == [MONDAY, MONDAY + 24 * HOUR]


def test_numbers(tmp_path: Path) -> None:
    """Whole, decimal, short and absent numbers become floats and NaN."""
    path = written(
        tmp_path,
        pa.array([SECONDS, SECONDS + 60]),
        open=pa.array([1, 2], pa.int32()),
        high=pa.array([Decimal("1.25"), Decimal("2.50")]),
        low=pa.array([0.5, None], pa.float32()),
        volume=pa.nulls(2),
    )
    rows = read_rows(path)
    assert rows.open.tolist() == [1.0, 2.0]
    assert rows.high.tolist() == [1.25, 2.5]
    assert rows.low[0] == 0.5
    assert np.isnan([rows.low[1], *rows.volume]).all()


@pytest.mark.parametrize(
    ("time", "changed", "field", "reason"),
    [
        (pa.array([SECONDS, None]), {}, "file.timestamp", "TIME_ABSENT"),
        (pa.array([True, False]), {}, "file.timestamp", "TIME_UNREADABLE"),
        (pa.array([1.0, float("nan")]), {}, "file.timestamp", "TIME_OUT_OF_RANGE"),
        (pa.array([0, 2**62], pa.timestamp("ms")), {}, "file.timestamp", "TIME_OUT_OF_RANGE"),
        (pa.array([1, 2]), {"close": pa.array(["1", "2"])}, "file.close", "NOT_A_NUMBER"),
        (pa.array([1, 2]), {"open": pa.array([True, False])}, "file.open", "NOT_A_NUMBER"),
        (pa.array([1, 2]), {"low": pa.array([{"a": 1}, {"a": 2}])}, "file.low", "NOT_A_NUMBER"),
        (pa.array([1, 2]), {"Low": pa.array([1.0, 2.0])}, "file.low", "COLUMN_AMBIGUOUS"),
    ],
)
def test_refused(tmp_path: Path, time: Any, changed: dict[str, Any], field: str, reason: str) -> None:
    """Columns that do not hold times and numbers are refused by name."""
    refused = refusal_of(written(tmp_path, time, **changed))
    assert (refused.violations[0].field, refused.reason) == (field, reason)


def test_absent_column(tmp_path: Path) -> None:
    """An absent column is named with those there are."""
    path = tmp_path / "bars.parquet"
    pq.write_table(pa.table({"timestamp": [1], "open": [1.0]}), path)
    refused = refusal_of(path)
    assert [violation.field for violation in refused.violations] == [
        "file.high", "file.low", "file.close", "file.volume",
    ]  # fmt: skip


def test_row_limit(tmp_path: Path) -> None:
    """A file with more rows than allowed is refused before they are read."""
    path = written(tmp_path, pa.array([SECONDS, SECONDS + 60]))
    assert len(read_rows(path, rows_max=2)) == 2
    assert refusal_of(path, rows_max=1).reason == "TOO_MANY_ROWS"


def test_damaged(tmp_path: Path) -> None:
    """A file cut short anywhere is refused."""
    path = written(tmp_path, pa.array([SECONDS, SECONDS + 60]))
    whole = path.read_bytes()
    for length in range(4, len(whole), 97):
        path.write_bytes(whole[:length])
        assert refusal_of(path).reason == "PARQUET_UNREADABLE"


def test_said_to_be_csv(tmp_path: Path) -> None:
    """Parquet that is said to be CSV is refused as what it is."""
    path = written(tmp_path, pa.array([SECONDS, SECONDS + 60]))
    assert refusal_of(path, file_format=FileFormat.CSV).reason == "NOT_CSV"


def test_no_rows(tmp_path: Path) -> None:
    """A file without rows is read as such, and left to cleaning to refuse."""
    path = tmp_path / "bars.parquet"
    names = ("time", "open", "high", "low", "close", "volume")
    empty: list[Any] = [pa.array([], pa.string()), *[pa.array([], pa.float64())] * 5]
    pq.write_table(pa.table(empty, names=list(names)), path)
    assert len(read_rows(path)) == 0
