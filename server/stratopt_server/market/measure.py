"""What is remarkable about clean bars: counts only, no verdict."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars
from stratopt_server.market.timeframe import DAY, WEEK, Calendar

PRICE_JUMP = 0.5
"""A close further than this share from the one before is a jump."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What was found in the bars; the fields are those of the quality report."""

    ohlc_violations: int
    zero_volume_bars: int
    longest_stale_run: int
    off_grid_bars: int
    gap_count: int
    missing_bars: int
    longest_gap_bars: int
    price_jumps: int


def measure(bars: Bars, calendar: Calendar) -> Measures:
    """Count everything the quality report names in at least two clean bars."""
    absent = absent_before_each(bars, calendar)
    return Measures(
        ohlc_violations=_ohlc_violations(bars),
        zero_volume_bars=int(np.count_nonzero(bars.volume == 0)),
        longest_stale_run=_longest_stale_run(bars),
        off_grid_bars=int(np.count_nonzero(bars.time % calendar.step != _grid_phase(bars, calendar))),
        gap_count=int(np.count_nonzero(absent)),
        missing_bars=int(absent.sum()),
        longest_gap_bars=int(absent.max()),
        price_jumps=_price_jumps(bars),
    )


def absent_before_each(bars: Bars, calendar: Calendar) -> NDArray[np.int64]:
    """Bars that should lie between each bar and the one after it, but do not.

    A market that never closes, and any weekly bar, misses every slot of the grid without a bar. One
    that closes misses, in daily bars, only weekdays (holidays are not known, so they count), and in
    shorter ones only what lies between two bars of the same UTC day.
    """
    days = bars.time // DAY
    if calendar.closes and calendar.step == DAY:
        dates = days.astype("datetime64[D]")
        # From the day after a bar up to, not including, the next one's.
        return np.asarray(np.maximum(np.busday_count(dates[:-1] + 1, dates[1:]), 0), np.int64)
    slots = (bars.time - _grid_phase(bars, calendar)) // calendar.step
    absent = np.asarray(np.maximum(np.diff(slots) - 1, 0), np.int64)
    if calendar.closes and calendar.step < DAY:
        absent[days[1:] != days[:-1]] = 0
    return absent


def _grid_phase(bars: Bars, calendar: Calendar) -> int:
    """Distance of the grid from the epoch: weeks begin on whatever moment most of them begin on."""
    if calendar.step != WEEK:
        return 0
    phases, counts = np.unique(bars.time % WEEK, return_counts=True)
    return int(phases[np.argmax(counts)])


def _ohlc_violations(bars: Bars) -> int:
    """Bars whose high is under, or whose low is over, the open or close."""
    high_wrong = bars.high < np.maximum(bars.open, bars.close)
    low_wrong = bars.low > np.minimum(bars.open, bars.close)
    return int(np.count_nonzero(high_wrong | low_wrong))


def _longest_stale_run(bars: Bars) -> int:
    """Length of the longest run of bars without volume, all at one and the same price."""
    still = (
        (bars.volume == 0) & (bars.open == bars.close) & (bars.high == bars.close) & (bars.low == bars.close)
    )
    continues = still[1:] & still[:-1] & (bars.close[1:] == bars.close[:-1])
    # Bars that do not continue the run before them; the distance between two is a run's length.
    starts = np.flatnonzero(np.concatenate([[True], ~continues, [True]]))
    lengths = np.diff(starts)
    return int(np.max(lengths[still[starts[:-1]]], initial=0))


def _price_jumps(bars: Bars) -> int:
    """Bars whose close is far from the one before."""
    with np.errstate(over="ignore"):  # infinitely far is far
        change = np.abs(bars.close[1:] / bars.close[:-1] - 1)
    return int(np.count_nonzero(change > PRICE_JUMP))
