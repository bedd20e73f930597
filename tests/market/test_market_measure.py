"""Measures: what is counted in clean bars."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_files import DAY, HOUR, MONDAY, bars_at, hourly

from stratopt_server.domain.market import Bars
from stratopt_server.market.measure import Measures, measure
from stratopt_server.market.timeframe import LENGTHS, Calendar

ALWAYS_1H = Calendar("1h", 8_760)
SESSIONS_1H = Calendar("1h", 252 * 7)
ALWAYS_1D = Calendar("1d", 365)
SESSIONS_1D = Calendar("1d", 252)
WEEKLY = Calendar("1w", 52)


def gaps(times: list[int], calendar: Calendar) -> tuple[int, int, int]:
    """Gap count, missing bars and the longest gap."""
    found = measure(bars_at(times), calendar)
    return found.gap_count, found.missing_bars, found.longest_gap_bars


def test_nothing_remarkable() -> None:
    """Perfect bars measure 0 throughout."""
    assert measure(bars_at(hourly(10)), ALWAYS_1H) == Measures(
        ohlc_violations=0,
        zero_volume_bars=0,
        longest_stale_run=0,
        off_grid_bars=0,
        gap_count=0,
        missing_bars=0,
        longest_gap_bars=0,
        price_jumps=0,
    )


def test_gaps_of_a_market_that_never_closes() -> None:
    """Every bar absent between the first and the last counts."""
    times = [time for index, time in enumerate(hourly(100)) if index not in {5, 6, 7, 50}]
    assert gaps(times, ALWAYS_1H) == (2, 4, 3)


def test_daily_gaps_of_a_market_that_closes() -> None:
    """Absent weekdays count, weekends do not."""
    absent = {2, 4, 7, 8, 10}  # a Wednesday, a Friday with the Monday and Tuesday after it, a Thursday
    times = [MONDAY + day * DAY for day in range(14) if day % 7 < 5 and day not in absent]
    assert gaps(times, SESSIONS_1D) == (3, 5, 3)
    assert gaps(times, ALWAYS_1D) == (3, 7, 5)


def test_weekend_bar_of_a_market_that_closes() -> None:
    """A rare session on a weekend neither is a gap nor hides one."""
    assert gaps([MONDAY + day * DAY for day in (0, 1, 2, 3, 4, 5, 7)], SESSIONS_1D) == (0, 0, 0)
    assert gaps([MONDAY + day * DAY for day in (3, 5, 8)], SESSIONS_1D) == (2, 2, 1)


def test_two_bars_of_one_day() -> None:
    """A second, off-grid bar on a day is no gap, whichever market."""
    times = [MONDAY, MONDAY + 16 * HOUR, MONDAY + DAY]
    assert gaps(times, SESSIONS_1D) == gaps(times, ALWAYS_1D) == (0, 0, 0)


def test_intraday_gaps_of_a_market_that_closes() -> None:
    """Only bars absent between two bars of one UTC day count."""
    times = [MONDAY + day * DAY + hour * HOUR for day in range(3) for hour in (14, 15, 17, 18)]
    assert gaps(times, SESSIONS_1H) == (3, 3, 1)


def test_weekly_gaps_and_grid() -> None:
    """Weeks begin when most of them do: others are off the grid, and every absent week is a gap."""
    friday = MONDAY + 4 * DAY
    times = [friday + week * 7 * DAY for week in range(10) if week not in {3, 4}]
    assert gaps(times, WEEKLY) == (1, 2, 2)
    times[1] += DAY
    assert measure(bars_at(times), WEEKLY).off_grid_bars == 1


def test_off_grid_bars() -> None:
    """Bars off the multiples of the timeframe count, and are not taken for gaps."""
    times = [time + (60_000_000 if index in {3, 7} else 0) for index, time in enumerate(hourly(10))]
    assert measure(bars_at(times), ALWAYS_1H).off_grid_bars == 2
    assert gaps(times, ALWAYS_1H) == (0, 0, 0)


@pytest.mark.parametrize(
    ("column", "price", "violations"),
    [("high", 100.9, 1), ("high", 101.0, 0), ("low", 101.1, 1), ("low", 101.0, 0), ("high", 500.0, 0)],
)
def test_ohlc_violations(column: str, price: float, violations: int) -> None:
    """A high under, or a low over, the open or close contradicts them; touching does not."""
    bars = bars_at(hourly(3))
    changed = getattr(bars, column).copy()
    changed[1] = price
    assert measure(replace(bars, **{column: changed}), ALWAYS_1H).ohlc_violations == violations


def test_price_jumps() -> None:
    """A close more than half away from the one before counts, exactly half does not."""
    closes = np.array([100.0, 150.0, 226.0, 113.0, 56.0, 5e-324, 1e308])
    flat = replace(bars_at(hourly(7)), open=closes, high=closes, low=closes, close=closes)
    assert measure(flat, ALWAYS_1H).price_jumps == 4


def still(closes: list[float], volumes: list[float]) -> Bars:
    """Bars whose four prices are one."""
    prices = np.array(closes)
    bars = bars_at(hourly(len(closes)))
    return replace(bars, open=prices, high=prices, low=prices, close=prices, volume=np.array(volumes))


def test_stale_run_ends_with_price_or_volume() -> None:
    """A run ends where there is volume, movement, or another price."""
    bars = still([5, 5, 5, 6, 6, 6, 6, 6], [0, 0, 0, 0, 0, 1, 0, 0])
    assert measure(bars, ALWAYS_1H).longest_stale_run == 3
    assert measure(bars, ALWAYS_1H).zero_volume_bars == 7
    moving = replace(bars, high=bars.close + np.array([0, 1, 0, 0, 0, 0, 0, 0]))
    assert measure(moving, ALWAYS_1H).longest_stale_run == 2


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1)), min_size=2, max_size=40))
def test_stale_run_is_the_plain_one(values: list[tuple[int, int]]) -> None:
    """The longest stale run is what grouping equal neighbours finds."""
    bars = still([float(price) for price, _ in values], [float(volume) for _, volume in values])
    runs = [len(list(run)) for (_, volume), run in groupby(values) if volume == 0]
    assert measure(bars, ALWAYS_1H).longest_stale_run == max(runs, default=0)


@given(st.sets(st.integers(0, 300), min_size=2))
def test_missing_bars_are_the_plain_ones(slots: set[int]) -> None:
    """For a market that never closes, present and missing bars make up the whole span."""
    times = [MONDAY + slot * LENGTHS["1h"] for slot in sorted(slots)]
    gap_count, missing, longest = gaps(times, ALWAYS_1H)
    absent = [slot not in slots for slot in range(min(slots), max(slots) + 1)]
    runs = [len(list(run)) for is_absent, run in groupby(absent) if is_absent]
    assert (gap_count, missing, longest) == (len(runs), sum(runs), max(runs, default=0))
