"""Market data: symbols, timeframes, bars, and what is known about a dataset."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import numpy as np
from numpy.typing import NDArray

SYMBOL = re.compile(r"[A-Z0-9]{1,12}/[A-Z0-9]{1,7}")
"""BASE/QUOTE, at most 20 characters as the tables have it."""
EXCHANGE = re.compile(r"[a-z0-9._-]{1,30}")

TIMEFRAMES = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "4h": timedelta(hours=4),
    "6h": timedelta(hours=6),
    "8h": timedelta(hours=8),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "1w": timedelta(weeks=1),
}
"""Length of a bar by its name."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """The moment that many microseconds after 1970-01-01 UTC, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


FloatColumn = NDArray[np.float64]
TimeColumn = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Consecutive bars, a column each, all of one length, ascending and unique in time.

    Prices are finite and above 0, volumes finite and not negative: an import sees to it.
    """

    time: TimeColumn
    """Open time of each bar, microseconds since 1970-01-01 UTC."""
    open: FloatColumn
    high: FloatColumn
    low: FloatColumn
    close: FloatColumn
    volume: FloatColumn
    """In the base currency."""

    def __len__(self) -> int:
        """Count the bars."""
        return len(self.time)

    def slice(self, first: int, stop: int) -> "Bars":
        """Bars first <= i < stop, as views of the same memory."""
        part = slice(first, stop)
        prices = (self.open[part], self.high[part], self.low[part], self.close[part])
        return Bars(self.time[part], *prices, self.volume[part])

    def between(self, start: datetime, end: datetime) -> "Bars":
        """Bars that open at or after `start` and at or before `end`."""
        first = int(np.searchsorted(self.time, to_microseconds(start), side="left"))
        stop = int(np.searchsorted(self.time, to_microseconds(end), side="right"))
        return self.slice(first, stop)


class DataGrade(Enum):
    """How far a dataset can be trusted."""

    GOOD = "GOOD"
    USABLE = "USABLE"
    BAD = "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """What was found in the file the bars came from; the fields are those of the proto message."""

    grade: DataGrade
    reasons: tuple[str, ...]
    """Why it is not GOOD, a sentence each."""
    rows_read: int
    rows_unsorted: int
    duplicates_dropped: int
    conflicts_dropped: int
    bad_prices_dropped: int
    ohlc_violations: int
    bad_volumes: int
    zero_volume_bars: int
    longest_stale_run: int
    off_grid_bars: int
    gap_count: int
    missing_bars: int
    longest_gap_bars: int
    price_jumps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The bars of one exchange, symbol and timeframe; the columns lie in files named by the hash."""

    id: str
    exchange: str
    symbol: str
    timeframe: str
    bar_count: int
    first_bar_time: datetime
    last_bar_time: datetime
    content_hash: str
    """SHA-256 over the stored columns, in hex."""
    bars_per_year: float
    """Bars a year of the real market, for annual figures."""
    quality: QualityReport
    created_at: datetime
    updated_at: datetime
