"""The import of a file: read, clean, grade, and only then store."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stratopt_server.domain.market import QualityReport, from_microseconds
from stratopt_server.market.columns import ColumnStore
from stratopt_server.market.quality import assess
from stratopt_server.market.read import ROWS_MAX, FileFormat, read_rows
from stratopt_server.market.timeframe import check_given


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file turned out to hold; its bars are in the column store under the hash."""

    timeframe: str
    bars_per_year: float
    bar_count: int
    first_bar_time: datetime
    last_bar_time: datetime
    content_hash: str
    quality: QualityReport


def import_file(
    path: Path,
    *,
    columns: ColumnStore,
    file_format: FileFormat = FileFormat.AUTO,
    timeframe: str = "",
    bars_per_year: float | None = None,
    rows_max: int = ROWS_MAX,
) -> Imported:
    """Import a file into the column store, or refuse it (RequestRefused) and store nothing.

    An empty timeframe and unset bars a year are found out from the rows.
    """
    check_given(timeframe=timeframe, bars_per_year=bars_per_year)
    rows = read_rows(path, file_format=file_format, rows_max=rows_max)
    bars, calendar, quality = assess(rows, timeframe=timeframe, bars_per_year=bars_per_year)
    return Imported(
        timeframe=calendar.timeframe,
        bars_per_year=calendar.bars_per_year,
        bar_count=len(bars),
        first_bar_time=from_microseconds(int(bars.time[0])),
        last_bar_time=from_microseconds(int(bars.time[-1])),
        content_hash=columns.save(bars),
        quality=quality,
    )
