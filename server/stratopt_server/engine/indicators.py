"""Technical indicators: prices in, an array of the same length out, NaN where it is not defined yet.

The value on a bar is made of that bar and earlier ones alone. Periods are in bars and at least 1. A value
that is not finite leaves undefined what it is part of: a window until it has left it, a running mean until
as many values have followed as it takes to begin anew.

Windows are summed as the end of one block of bars and the beginning of the next, and about a price inside
the window: no sum is carried along and subtracted from, so nothing remains of prices that the window has
left, and equal prices have exactly their mean and no deviation.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit

__all__ = [
    "BollingerBands",
    "Macd",
    "average_true_range",
    "bollinger",
    "ema",
    "highest",
    "lowest",
    "macd",
    "rate_of_change",
    "rsi",
    "sma",
    "standard_deviation",
    "true_range",
]

UNMOVED = 2.0**-60
"""A mean move this small against the price is none: the memory of moves has decayed below all rounding."""

SUMS, SQUARES = range(2)
"""Rows of the scratch space of `sums_of_block`, each as long as the window."""


class BollingerBands(NamedTuple):
    """The three lines of `bollinger`."""

    middle: FloatColumn
    upper: FloatColumn
    lower: FloatColumn


class Macd(NamedTuple):
    """The three lines of `macd`."""

    line: FloatColumn
    signal: FloatColumn
    histogram: FloatColumn


@njit(borrows=True)
def check_period(period: int) -> None:
    """Raise ValueError for a period that is none."""
    if period < 1:
        raise ValueError("a period is at least 1 bar")


@njit(borrows=True)
def smoothed(mean: float, value: float, seen: int, period: int, alpha: float) -> float:
    """Take one more value into a mean of `seen` values: plain up to `period` of them, exponential after.

    Each step moves the mean by a share of its distance from the value, so equal values leave it as it is.
    """
    weight = alpha if seen >= period else 1.0 / (seen + 1)
    return mean + weight * (value - mean)


@njit(borrows=True)
def rsi_of(gain: float, loss: float, price: float) -> float:
    """Relative strength from the mean gain and loss; NaN where nothing has moved."""
    moved = gain + loss
    if moved <= UNMOVED * abs(price):
        return math.nan
    return 100.0 * gain / moved


@njit(borrows=True)
def sums_of_block(values: FloatColumn, first: int, count: int, scratch: NDArray[np.float64]) -> None:
    """Sum up each window that ends with one of the `count` values from `first` on, and its squares.

    A window is as long as the rows of `scratch`; count is no more, and first is period - 1 or later. All
    these windows hold values[first], so sums are taken about it: a variance loses no more to rounding than
    the spread of its own window makes it. Column k of the rows tells of the window that ends with first + k.
    """
    period = scratch.shape[1]
    anchor = values[first]
    total = squares = 0.0
    for k in range(period - 1, 0, -1):
        scratch[SUMS, k], scratch[SQUARES, k] = total, squares
        part = values[first - period + k] - anchor
        total += part
        squares += part * part
    scratch[SUMS, 0], scratch[SQUARES, 0] = total, squares
    total = squares = 0.0
    for k in range(count):
        part = values[first + k] - anchor
        total += part
        squares += part * part
        scratch[SUMS, k] += total
        scratch[SQUARES, k] += squares


@njit(borrows=True)
def moments_of(total: float, squares: float, share: float) -> tuple[float, float]:
    """Find mean and variance of a window of 1 / `share` values from its sums, both about the same price."""
    mean = share * total
    return mean, max(share * squares - mean * mean, 0.0)  # in this order, so that NaN stays NaN


@njit(borrows=True)
def extremes_of_block(values: FloatColumn, first: int, count: int, sign: float, tail: FloatColumn) -> None:
    """Find the greatest sign * value of each window that ends with the `count` values from `first` on.

    It is written to `tail`, which is as long as a window; count is no more, and first is period - 1 or
    later. A sign of -1 finds the least values, upside down. (van Herk 1992, Gil and Werman 1993: three
    comparisons a value, whatever the window and the values.) NaN is passed over.
    """
    greatest = -math.inf
    for k in range(tail.size - 1, -1, -1):
        tail[k] = greatest
        if k:
            greatest = max(greatest, sign * values[first - tail.size + k])
    greatest = -math.inf
    for k in range(count):
        greatest = max(greatest, sign * values[first + k])
        tail[k] = max(tail[k], greatest)


@njit()
def _moments(values: FloatColumn, period: int) -> tuple[FloatColumn, FloatColumn]:
    """Find mean and standard deviation of every window."""
    check_period(period)
    means, deviations = np.full(values.size, np.nan), np.full(values.size, np.nan)
    if period > values.size:
        return means, deviations
    scratch = np.empty((2, period))
    for first in range(period - 1, values.size, period):
        count = min(period, values.size - first)
        sums_of_block(values, first, count, scratch)
        for k in range(count):
            mean, variance = moments_of(scratch[SUMS, k], scratch[SQUARES, k], 1.0 / period)
            means[first + k] = values[first] + mean
            deviations[first + k] = math.sqrt(variance)
    return means, deviations


@njit()
def _extremes(values: FloatColumn, period: int, sign: float) -> FloatColumn:
    """Find the greatest (sign 1) or the least (sign -1) value of every window."""
    check_period(period)
    found = np.full(values.size, np.nan)
    if period > values.size:
        return found
    tail = np.empty(period)
    for first in range(period - 1, values.size, period):
        count = min(period, values.size - first)
        extremes_of_block(values, first, count, sign, tail)
        for k in range(count):
            found[first + k] = sign * tail[k]
    undefined = 0  # bars for which an undefined value stays in the window
    for i in range(values.size):
        undefined = undefined - 1 if np.isfinite(values[i]) else period
        if undefined > 0:
            found[i] = np.nan
    return found


@njit()
def _smoothed_all(values: FloatColumn, period: int, alpha: float) -> FloatColumn:
    """Find the plain mean of the first `period` values and the exponential mean from there on."""
    check_period(period)
    found = np.full(values.size, np.nan)
    mean, seen = 0.0, 0
    for i in range(values.size):
        if not np.isfinite(values[i]):
            mean, seen = 0.0, 0
            continue
        mean = smoothed(mean, values[i], seen, period, alpha)
        seen += 1
        if seen >= period:
            found[i] = mean
    return found


@njit()
def sma(values: FloatColumn, period: int) -> FloatColumn:
    """Find the simple moving average: the mean of the last `period` values.

    Defined from bar period - 1 on. TA-Lib's SMA.
    """
    return _moments(values, period)[0]


@njit()
def ema(values: FloatColumn, period: int) -> FloatColumn:
    """Find the exponential moving average: e += 2 / (period + 1) * (value - e) on each bar.

    It begins as the plain mean of the first `period` values, on bar period - 1. TA-Lib's EMA; pandas' ewm
    with adjust=False begins with the first value instead.
    """
    return _smoothed_all(values, period, 2.0 / (period + 1))


@njit()
def rsi(values: FloatColumn, period: int) -> FloatColumn:
    """Find Wilder's relative strength index: 100 * gain / (gain + loss), from 0 to 100.

    gain and loss are the means of the rises and falls from bar to bar: plain over the first `period` of them,
    then m += (move - m) / period (Wilder, New Concepts in Technical Trading Systems, 1978). Defined from bar
    `period` on. TA-Lib's RSI, but NaN, not 0, where nothing has moved.
    """
    check_period(period)
    found = np.full(values.size, np.nan)
    gain, loss, seen = 0.0, 0.0, 0
    for i in range(1, values.size):
        change = values[i] - values[i - 1]
        if not np.isfinite(change):
            gain, loss, seen = 0.0, 0.0, 0
            continue
        gain = smoothed(gain, max(change, 0.0), seen, period, 1.0 / period)
        loss = smoothed(loss, max(-change, 0.0), seen, period, 1.0 / period)
        seen += 1
        if seen >= period:
            found[i] = rsi_of(gain, loss, values[i])
    return found


@njit()
def standard_deviation(values: FloatColumn, period: int) -> FloatColumn:
    """Find the standard deviation of the last `period` values about their mean, of a population (ddof 0).

    Defined from bar period - 1 on. TA-Lib's STDDEV, numpy's std; pandas' rolling std divides by period - 1.
    """
    return _moments(values, period)[1]


@njit()
def bollinger(values: FloatColumn, period: int, width: float) -> BollingerBands:
    """Find Bollinger bands: the simple moving average and the lines `width` standard deviations from it.

    The deviation is that of `standard_deviation` (Bollinger on Bollinger Bands, 2001: 20 bars, 2 deviations).
    Defined from bar period - 1 on. TA-Lib's BBANDS with a simple average, which names upper first.
    """
    middle, deviation = _moments(values, period)
    return BollingerBands(middle, middle + width * deviation, middle - width * deviation)


@njit()
def macd(values: FloatColumn, fast_period: int, slow_period: int, signal_period: int) -> Macd:
    """Find moving average convergence/divergence: line = ema(fast) - ema(slow), its ema, their difference.

    Each average begins as `ema` says, with the first values there are (Appel, 12, 26 and 9 bars). The line is
    defined from bar max(fast, slow) - 1 on, the signal line and the histogram signal - 1 bars later. TA-Lib's
    MACD begins its fast average later, so its first figures differ; they come together as the start fades.
    """
    line = ema(values, fast_period) - ema(values, slow_period)
    signal = ema(line, signal_period)
    return Macd(line, signal, line - signal)


@njit()
def highest(values: FloatColumn, period: int) -> FloatColumn:
    """Find the greatest of the last `period` values.

    Defined from bar period - 1 on. TA-Lib's MAX. The time it takes does not depend on the period.
    """
    return _extremes(values, period, 1.0)


@njit()
def lowest(values: FloatColumn, period: int) -> FloatColumn:
    """Find the least of the last `period` values.

    Defined from bar period - 1 on. TA-Lib's MIN. The time it takes does not depend on the period.
    """
    return _extremes(values, period, -1.0)


@njit()
def rate_of_change(values: FloatColumn, period: int) -> FloatColumn:
    """Find by which fraction each value is above the one `period` bars earlier: value / earlier - 1.

    Defined from bar `period` on. TA-Lib's ROCP; its ROC is in percent.
    """
    check_period(period)
    found = np.full(values.size, np.nan)
    for i in range(period, values.size):
        found[i] = (values[i] - values[i - period]) / values[i - period]
    return found


@njit()
def true_range(high: FloatColumn, low: FloatColumn, close: FloatColumn) -> FloatColumn:
    """Find the range of each bar, from the close before it where that lies outside.

    max(high, close before) - min(low, close before) (Wilder 1978). Defined from bar 1 on. TA-Lib's TRANGE.
    """
    if high.size != close.size or low.size != close.size:
        raise ValueError("high, low and close are of one length")
    found = np.full(close.size, np.nan)
    for i in range(1, close.size):
        found[i] = max(high[i], close[i - 1]) - min(low[i], close[i - 1])
    return found


@njit()
def average_true_range(high: FloatColumn, low: FloatColumn, close: FloatColumn, period: int) -> FloatColumn:
    """Find the mean of the true ranges: plain over the first `period`, then a += (range - a) / period.

    (Wilder 1978: 14 bars.) Defined from bar `period` on. TA-Lib's ATR.
    """
    return _smoothed_all(true_range(high, low, close), period, 1.0 / period)
