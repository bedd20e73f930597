"""The indicators against TA-Lib, against exact sums, and by the laws all of them keep."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import NamedTuple

import numpy as np
import pytest
import talib
from engine_samples import market_files, random_bars, read_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.engine import indicators

Lines = Sequence[FloatColumn]
PERIODS = (2, 3, 14, 20, 200)


class Indicator(NamedTuple):
    """One indicator: what it makes of bars, what TA-Lib does, and from which bar its last line is defined."""

    ours: Callable[[Bars, int], Lines]
    talib: Callable[[Bars, int], Lines]
    first: Callable[[int], int]


def talib_macd(bars: Bars, period: int) -> Lines:
    """Make MACD of TA-Lib's averages; its own begins the fast one later than the first value it has."""
    line = talib.EMA(bars.close, period) - talib.EMA(bars.close, 2 * period)
    signal = talib.EMA(line, period)
    return line, signal, line - signal


def talib_bands(bars: Bars, period: int) -> Lines:
    """Order TA-Lib's bands as ours."""
    upper, middle, lower = talib.BBANDS(bars.close, period, 2.5, 2.5)
    return middle, upper, lower


def hlc(bars: Bars) -> tuple[FloatColumn, FloatColumn, FloatColumn]:
    """Give the columns that a true range needs."""
    return bars.high, bars.low, bars.close


INDICATORS = {
    "sma": Indicator(
        lambda bars, n: [indicators.sma(bars.close, n)],
        lambda bars, n: [talib.SMA(bars.close, n)],
        lambda n: n - 1,
    ),
    "ema": Indicator(
        lambda bars, n: [indicators.ema(bars.close, n)],
        lambda bars, n: [talib.EMA(bars.close, n)],
        lambda n: n - 1,
    ),
    "rsi": Indicator(
        lambda bars, n: [indicators.rsi(bars.close, n)],
        lambda bars, n: [talib.RSI(bars.close, n)],
        lambda n: n,
    ),
    "standard_deviation": Indicator(
        lambda bars, n: [indicators.standard_deviation(bars.close, n)],
        lambda bars, n: [talib.STDDEV(bars.close, n)],
        lambda n: n - 1,
    ),
    "bollinger": Indicator(
        lambda bars, n: indicators.bollinger(bars.close, n, 2.5), talib_bands, lambda n: n - 1
    ),
    "macd": Indicator(
        lambda bars, n: indicators.macd(bars.close, n, 2 * n, n), talib_macd, lambda n: 3 * n - 2
    ),
    "highest": Indicator(
        lambda bars, n: [indicators.highest(bars.high, n)],
        lambda bars, n: [talib.MAX(bars.high, n)],
        lambda n: n - 1,
    ),
    "lowest": Indicator(
        lambda bars, n: [indicators.lowest(bars.low, n)],
        lambda bars, n: [talib.MIN(bars.low, n)],
        lambda n: n - 1,
    ),
    "rate_of_change": Indicator(
        lambda bars, n: [indicators.rate_of_change(bars.close, n)],
        lambda bars, n: [talib.ROCP(bars.close, n)],
        lambda n: n,
    ),
    "true_range": Indicator(
        lambda bars, _: [indicators.true_range(*hlc(bars))],
        lambda bars, _: [talib.TRANGE(*hlc(bars))],
        lambda _: 1,
    ),
    "average_true_range": Indicator(
        lambda bars, n: [indicators.average_true_range(*hlc(bars), n)],
        lambda bars, n: [talib.ATR(*hlc(bars), n)],
        lambda n: n,
    ),
}
every_indicator = pytest.mark.parametrize("indicator", INDICATORS.values(), ids=INDICATORS)
each_window = pytest.mark.parametrize("name", ["sma", "standard_deviation", "highest", "lowest"])


def assert_agrees(indicator: Indicator, bars: Bars, period: int) -> None:
    """Hold all lines to TA-Lib's: defined on the same bars, and equal but for rounding.

    A difference of prices is as exact as the prices, which is what the absolute tolerance says. TA-Lib
    calls the RSI 0 where nothing has moved; ours is undefined there.
    """
    rounding = 1e-12 * float(bars.close.max())
    for ours, theirs in zip(indicator.ours(bars, period), indicator.talib(bars, period), strict=True):
        compared = ~(np.isnan(ours) & (theirs == 0.0))
        np.testing.assert_allclose(ours[compared], theirs[compared], rtol=1e-9, atol=rounding)


@every_indicator
@pytest.mark.parametrize("level", [1e-4, 100.0, 1e5])
def test_random_walks_as_talib(indicator: Indicator, level: float) -> None:
    """On a random walk, whatever the price, every value is TA-Lib's to a part in 1e9."""
    bars = random_bars(5_000, seed=5, level=level)
    for period in PERIODS:
        assert_agrees(indicator, bars, period)


@pytest.mark.skipif(not market_files(), reason="real market data are not beside the project")
@pytest.mark.parametrize("path", market_files(), ids=lambda path: path.stem)
def test_real_bars_as_talib(path: Path) -> None:
    """On real bars, flat and gappy stretches included, every value is TA-Lib's to a part in 1e9."""
    bars = read_bars(path)
    for indicator in INDICATORS.values():
        assert_agrees(indicator, bars, 14)


def test_macd_meets_talibs_own() -> None:
    """TA-Lib's MACD, which begins its fast average later, is met once the beginnings have faded."""
    close = random_bars(2_000, seed=6).close
    for ours, theirs in zip(indicators.macd(close, 12, 26, 9), talib.MACD(close, 12, 26, 9), strict=True):
        np.testing.assert_allclose(ours[500:], theirs[500:], rtol=1e-9, atol=1e-12)


def wild_closes(kind: str) -> FloatColumn:
    """Make 655,120 closes at 1e5 that are hard on running sums."""
    count = 655_120
    close = random_bars(count, seed=11, level=1e5).close
    if kind == "tall then tiny":
        return close * np.where(np.arange(count) < count // 2, 1.0, 1e-8)
    if kind == "a spike":
        close[count // 2] *= 1e8
    return close


@pytest.mark.parametrize("kind", ["walk", "tall then tiny", "a spike"])
@pytest.mark.parametrize("period", [2, 20, 5_000])
def test_windows_forget_what_left_them(kind: str, period: int) -> None:
    """Mean and deviation are exact to a part in 1e9, also once a price 1e8 times as high has left."""
    close = wild_closes(kind)
    bands = indicators.bollinger(close, period, 1.0)
    middle = close.size // 2
    at = [period - 1, middle + period - 2, *range(middle + period, middle + period + 5), close.size - 1]
    for i in at:
        window = close[i + 1 - period : i + 1].tolist()
        assert bands.middle[i] == pytest.approx(math.fsum(window) / period, rel=1e-13)
        assert bands.upper[i] - bands.middle[i] == pytest.approx(pstdev(window), rel=1e-9)
        assert indicators.standard_deviation(close, period)[i] == pytest.approx(pstdev(window), rel=1e-9)


def test_equal_prices_have_exactly_their_mean() -> None:
    """Of equal prices every average is the price itself, and every spread is 0."""
    close = np.full(50_000, 99_999.99)
    for period in (3, 7, 9_999):
        for average in (indicators.sma(close, period), indicators.ema(close, period)):
            assert set(average[period - 1 :]) == {99_999.99}
        assert set(indicators.standard_deviation(close, period)[period - 1 :]) == {0.0}
        assert np.isnan(indicators.rsi(close, period)).all()
    assert set(indicators.macd(close, 12, 26, 9).histogram[33:]) == {0.0}


def test_a_long_calm_has_no_relative_strength() -> None:
    """An RSI stays where it was while the price stands still, until the memory of its moves is rounding."""
    close = np.concatenate(([100.0, 101.0, 100.5], np.full(3_000, 100.5)))
    found = indicators.rsi(close, 2)
    assert found[2] == pytest.approx(100 / 1.5)
    assert found[40] == pytest.approx(found[2], rel=1e-9)
    assert np.isnan(found[100:]).all()


@every_indicator
@pytest.mark.parametrize("period", PERIODS)
def test_defined_from_the_bar_it_says(indicator: Indicator, period: int) -> None:
    """The last line is NaN before the bar its docstring names and a number from it on; few bars will do."""
    first = indicator.first(period)
    for count in sorted({0, 1, max(first, 0), first + 1, first + 2, 3 * period + 5}):
        line = indicator.ours(random_bars(count, seed=count), period)[-1]
        assert line.size == count
        assert np.isnan(line[:first]).all()
        assert np.isfinite(line[first:]).all()


def changed(bars: Bars, change: Callable[[FloatColumn], FloatColumn]) -> Bars:
    """Change every price."""
    prices = (change(column) for column in (bars.open, bars.high, bars.low, bars.close))
    return Bars(bars.time, *prices, bars.volume)


@every_indicator
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), period=st.integers(1, 40), ticks=st.booleans(), known=st.integers(0, 150))
def test_no_look_ahead(indicator: Indicator, seed: int, period: int, ticks: bool, known: int) -> None:
    """What is found on the first bars is, to the last bit, the first of what is found on all bars."""
    bars = random_bars(150, seed=seed, step=0.01)
    bars = changed(bars, np.round) if ticks else bars
    ours, whole = indicator.ours(bars.slice(0, known), period), indicator.ours(bars, period)
    for line, all_of_it in zip(ours, whole, strict=True):
        assert np.array_equal(line, all_of_it[:known], equal_nan=True)


@every_indicator
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), period=st.integers(1, 40), power=st.integers(-40, 40))
def test_scales_with_the_price(indicator: Indicator, seed: int, period: int, power: int) -> None:
    """Prices times a power of two give every line times that power, or the line itself, to the last bit."""
    bars, factor = random_bars(100, seed=seed, step=0.01), 2.0**power
    scaled = changed(bars, lambda column: column * factor)
    for line, other in zip(indicator.ours(bars, period), indicator.ours(scaled, period), strict=True):
        assert np.array_equal(other, line, equal_nan=True) or np.array_equal(
            other, line * factor, equal_nan=True
        )


@each_window
def test_undefined_while_in_the_window(name: str) -> None:
    """A value that is not finite makes the windows that hold it undefined, and no others."""
    close = random_bars(60, seed=7).close
    holed = close.copy()
    holed[[20, 33]] = math.nan
    expected = getattr(indicators, name)(close, 5)
    expected[20:25] = expected[33:38] = math.nan
    np.testing.assert_allclose(getattr(indicators, name)(holed, 5), expected, rtol=1e-12)


@pytest.mark.parametrize("gap", [math.nan, math.inf])
def test_means_begin_anew_behind_a_gap(gap: float) -> None:
    """Behind a value that is not finite, running means are those of the bars that follow it."""
    close = random_bars(60, seed=8).close
    holed = np.concatenate((close[:20], [gap], close[20:]))
    for indicator in (indicators.ema, indicators.rsi):
        assert np.array_equal(indicator(holed, 5)[21:], indicator(close[20:], 5), equal_nan=True)


def test_an_indicator_of_an_indicator() -> None:
    """An indicator takes another's line with its undefined beginning, as one that begins later."""
    close = random_bars(80, seed=9).close
    line = indicators.rsi(close, 14)
    for outer in (indicators.sma, indicators.ema, indicators.highest, indicators.standard_deviation):
        np.testing.assert_allclose(outer(line, 5)[14:], outer(line[14:], 5), rtol=1e-12)


def test_deviation_is_of_a_population() -> None:
    """Squares are divided by the number of values: two values deviate by half their distance."""
    found = indicators.standard_deviation(np.array([1.0, 3.0, 3.0]), 2)
    assert found[1:].tolist() == [1.0, 0.0]


def test_ema_begins_with_a_plain_mean() -> None:
    """The first value is the mean of the first values, and each later one moves by 2 / (n + 1)."""
    found = indicators.ema(np.array([1.0, 2.0, 6.0, 5.0]), 3)
    assert found[2] == pytest.approx(fmean([1, 2, 6]))
    assert found[3] == pytest.approx(found[2] + (5 - found[2]) / 2)


@pytest.mark.parametrize("period", [0, -3])
def test_a_period_is_a_bar_at_least(period: int) -> None:
    """A period that is none is a ValueError, not a loop without end."""
    close = np.ones(5)
    for name in ("sma", "ema", "rsi", "standard_deviation", "highest", "lowest", "rate_of_change"):
        with pytest.raises(ValueError, match="at least 1"):
            getattr(indicators, name)(close, period)


def test_columns_are_of_one_length() -> None:
    """Columns that do not belong together are a ValueError, not a look beyond the end of one."""
    long, short = np.ones(5), np.ones(4)
    for columns in ((short, long, long), (long, short, long), (long, long, short)):
        with pytest.raises(ValueError, match="one length"):
            indicators.average_true_range(*columns, 2)
