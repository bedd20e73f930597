"""From rows as they were written to bars in order: what is dropped, what is mended, and the counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, TimeColumn
from stratopt_server.market.rows import RawRows, refusal

BARS_MIN = 2
"""One bar has no distance to another, hence no timeframe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanCounts:
    """What cleaning did; the fields are those of the quality report."""

    rows_read: int
    rows_unsorted: int
    duplicates_dropped: int
    conflicts_dropped: int
    bad_prices_dropped: int
    bad_volumes: int


def clean(rows: RawRows) -> tuple[Bars, CleanCounts]:
    """Drop, mend and sort until the rows are bars.

    Rows are sorted by time; those with an unusable price go; an unusable volume becomes 0; of the rows
    that are left of one time the last in the file stays. Of those that go, exact copies of another row
    count as duplicates, and every further set of values as a conflict, so A A B is one of each.

    A row counts as unsorted if its time is below that of the row before it in the file: one row out of
    place counts once, and a descending file counts all its rows but the first.
    """
    unsorted = int(np.count_nonzero(rows.time[1:] < rows.time[:-1]))
    # Large files are mostly in order and whole: they are not copied for nothing.
    in_order = rows.take(np.argsort(rows.time, kind="stable")) if unsorted else rows
    priced = _has_prices(in_order)
    priced_rows = in_order if priced.all() else in_order.take(priced)
    volume_bad = ~(np.isfinite(priced_rows.volume) & (priced_rows.volume >= 0))
    ordered = _with_volumes(priced_rows, volume_bad)
    is_last = np.append(ordered.time[1:] != ordered.time[:-1], [True] * bool(len(ordered)))
    duplicates, conflicts = _count_repeats(ordered, is_last)
    kept = ordered if is_last.all() else ordered.take(is_last)
    if len(kept) < BARS_MIN:
        message = f"of {len(rows)} rows {len(kept)} are usable bars: at least {BARS_MIN} are needed"
        raise refusal("file", "TOO_FEW_BARS", message, rows=len(rows), bars=len(kept), bars_min=BARS_MIN)
    counts = CleanCounts(
        rows_read=len(rows),
        rows_unsorted=unsorted,
        duplicates_dropped=duplicates,
        conflicts_dropped=conflicts,
        bad_prices_dropped=len(rows) - len(priced_rows),
        bad_volumes=int(np.count_nonzero(volume_bad[is_last])),
    )
    return Bars(kept.time, kept.open, kept.high, kept.low, kept.close, kept.volume), counts


def _has_prices(rows: RawRows) -> NDArray[np.bool_]:
    """Tell which rows have four prices that are finite and above 0."""
    usable = np.ones(len(rows), np.bool_)
    for prices in (rows.open, rows.high, rows.low, rows.close):
        usable &= np.isfinite(prices) & (prices > 0)
    return usable


def _with_volumes(rows: RawRows, bad: NDArray[np.bool_]) -> RawRows:
    """Set bad volumes to 0; adding 0 turns -0, which compares equal but hashes otherwise, into 0."""
    volume = np.where(bad, 0.0, rows.volume) + 0.0
    return RawRows(rows.time, rows.open, rows.high, rows.low, rows.close, volume)


def _count_repeats(ordered: RawRows, is_last: NDArray[np.bool_]) -> tuple[int, int]:
    """Count the rows that go as duplicates and as conflicts."""
    dropped = len(ordered) - int(np.count_nonzero(is_last))
    if not dropped:
        return 0, 0
    shares_time = ~is_last | np.append(False, ~is_last[:-1])
    repeats = ordered.take(shares_time)
    values = np.column_stack(
        [_group_numbers(repeats.time), repeats.open, repeats.high, repeats.low, repeats.close, repeats.volume]
    )
    distinct = len(np.unique(values, axis=0))
    times = int(np.count_nonzero(is_last & shares_time))
    conflicts = distinct - times
    return dropped - conflicts, conflicts


def _group_numbers(time: TimeColumn) -> NDArray[np.float64]:
    """Number the times from 0, small enough to stand exactly beside the prices."""
    return np.cumsum(np.append(0.0, time[1:] != time[:-1]))
