"""The signals of the built-in strategies: what each decides on a bar's close, from bars up to it.

Levels, not crossings: a signal stands as long as its condition holds. A price or average counts as beyond
another only where they differ by more than BAND of the price, so rounding never makes a signal. Each strategy
reads its parameters off `p`, in the order its file in `strategies/builtin` has them, and sets bits in
`codes`, which are 0 before. Periods are at least 1.
"""

import numpy as np

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.indicators import (
    SQUARES,
    SUMS,
    extremes_of_block,
    moments_of,
    rsi_of,
    smoothed,
    sums_of_block,
)
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.ma_cross import BAND, BUY, SELL, rule_nb, signal_nb
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT
from stratopt_server.engine.kernels.tables import Tables
from stratopt_server.engine.kernels.terms import Codes, Floats2, Market

(
    MA_CROSS,
    RSI_REVERSION,
    BOLLINGER_BREAKOUT,
    BOLLINGER_REVERSION,
    MACD,
    DONCHIAN_BREAKOUT,
    MOMENTUM,
    DCA,
) = range(8)
"""The strategies that `decide_nb` knows."""

UP, DOWN = LONG_ENTRY | SHORT_EXIT, LONG_EXIT | SHORT_ENTRY
"""What a strategy signals that is long while it sees one thing, and short while it sees the opposite."""


@njit(borrows=True)
def _ma_cross_nb(tables: Tables, p: FloatColumn, codes: Codes) -> None:
    """Up where SMA(fast) / SMA(slow) - 1 is above the threshold, down where it is below its negative."""
    rule = rule_nb(int(p[0]), int(p[1]), p[2])
    for bar in range(rule.slow - 1, codes.size):
        signal = signal_nb(tables, rule, bar)
        if signal == BUY:
            codes[bar] = UP
        elif signal == SELL:
            codes[bar] = DOWN


@njit(borrows=True)
def _rsi_reversion_nb(close: FloatColumn, p: FloatColumn, codes: Codes) -> None:
    """Up where the RSI of `period` bars is below `oversold`, down where it is above `overbought`."""
    period, oversold, overbought = int(p[0]), p[1], p[2]
    alpha = 1.0 / period
    gain = loss = 0.0
    for bar in range(1, codes.size):
        change = close[bar] - close[bar - 1]
        gain = smoothed(gain, max(change, 0.0), bar - 1, period, alpha)
        loss = smoothed(loss, max(-change, 0.0), bar - 1, period, alpha)
        if bar >= period:
            value = rsi_of(gain, loss, close[bar])
            if value < oversold:
                codes[bar] = UP
            elif value > overbought:
                codes[bar] = DOWN


@njit(borrows=True)
def _beyond_bands_nb(
    close: FloatColumn, anchor: float, sums: Floats2, rule: tuple[float, float, int, int], codes: Codes
) -> None:
    """Signal where a close is beyond a band or the middle; `rule` is (period, width, above, below).

    `sums` are of the windows that end with the closes, about the anchor. Distances are compared by their
    squares and nothing branches, so that several bars are decided at once.
    """
    share, reach = 1.0 / rule[0], rule[1] * rule[1]
    above, below = np.uint8(rule[2]), np.uint8(rule[3])
    # Whoever enters above the upper band leaves below the middle, and the other way about.
    over = np.uint8(SHORT_EXIT if above == LONG_ENTRY else LONG_EXIT)
    under = np.uint8(LONG_EXIT if above == LONG_ENTRY else SHORT_EXIT)
    for k in range(close.size):
        mean, variance = moments_of(sums[SUMS, k], sums[SQUARES, k], share)
        margin, distance = BAND * close[k], close[k] - anchor - mean
        past = abs(distance) - margin
        beyond = np.uint8(past * past > reach * variance)
        high, low = np.uint8(distance > margin), np.uint8(distance < -margin)
        codes[k] = high * over | low * under | (high & beyond) * above | (low & beyond) * below


@njit()
def _bollinger_nb(close: FloatColumn, p: FloatColumn, beyond: tuple[int, int], codes: Codes) -> None:
    """Signal the bits `beyond` = (above, below) where the close is beyond a band, and the exits on either
    side of the middle.
    """
    period = int(p[0])
    if period > close.size:
        return
    scratch = np.empty((2, period))
    rule = (float(period), p[1], beyond[0], beyond[1])
    for first in range(period - 1, close.size, period):
        count = min(period, close.size - first)
        sums_of_block(close, first, count, scratch)
        block = slice(first, first + count)
        _beyond_bands_nb(close[block], close[first], scratch, rule, codes[block])


@njit(borrows=True)
def _macd_nb(close: FloatColumn, p: FloatColumn, codes: Codes) -> None:
    """Up where the MACD line is above its signal line, down where it is below."""
    fast_period, slow_period, signal_period = int(p[0]), int(p[1]), int(p[2])
    fast_alpha, slow_alpha = 2.0 / (fast_period + 1), 2.0 / (slow_period + 1)
    signal_alpha = 2.0 / (signal_period + 1)
    begins = max(fast_period, slow_period) - 1
    fast = slow = signal = 0.0
    for bar in range(codes.size):
        fast = smoothed(fast, close[bar], bar, fast_period, fast_alpha)
        slow = smoothed(slow, close[bar], bar, slow_period, slow_alpha)
        if bar < begins:
            continue
        signal = smoothed(signal, fast - slow, bar - begins, signal_period, signal_alpha)
        if bar >= begins + signal_period - 1:
            histogram, margin = fast - slow - signal, BAND * close[bar]
            if histogram > margin:
                codes[bar] = UP
            elif histogram < -margin:
                codes[bar] = DOWN


@njit()
def _beyond_nb(market: Market, period: int, side: float, bits: int, codes: Codes) -> None:
    """Signal `bits` where the close is above the highest high of the `period` bars before (side 1), or below
    their lowest low (side -1).
    """
    edges, close = market.high if side > 0.0 else market.low, market.close
    if period > close.size:
        return
    tail = np.empty(period)
    for first in range(period - 1, close.size - 1, period):
        count = min(period, close.size - 1 - first)
        extremes_of_block(edges, first, count, side, tail)
        for k in range(count):
            price = close[first + k + 1]
            codes[first + k + 1] |= bits if side * price - tail[k] > BAND * price else 0


@njit()
def _donchian_breakout_nb(market: Market, p: FloatColumn, codes: Codes) -> None:
    """Enter beyond the channel of `entry_period` bars, leave beyond the other side of `exit_period` bars'."""
    entry_period, exit_period = int(p[0]), int(p[1])
    _beyond_nb(market, entry_period, 1.0, LONG_ENTRY, codes)
    _beyond_nb(market, exit_period, -1.0, LONG_EXIT, codes)
    _beyond_nb(market, entry_period, -1.0, SHORT_ENTRY, codes)
    _beyond_nb(market, exit_period, 1.0, SHORT_EXIT, codes)


@njit(borrows=True)
def _momentum_nb(close: FloatColumn, p: FloatColumn, codes: Codes) -> None:
    """Up where the price has risen by more than `threshold` in `lookback` bars, down where it has fallen."""
    lookback, threshold = int(p[0]), p[1] + BAND
    for bar in range(lookback, codes.size):
        before = close[bar - lookback]
        change = (close[bar] - before) / before
        codes[bar] = UP if change > threshold else (DOWN if change < -threshold else 0)


@njit(borrows=True)
def _dca_nb(p: FloatColumn, codes: Codes) -> None:
    """Buy every `interval` bars, on the first bar too; what for and until when is the caller's to read."""
    for bar in range(0, codes.size, int(p[0])):
        codes[bar] = LONG_ENTRY


@njit()
def decide_nb(strategy: int, market: Market, tables: Tables, p: FloatColumn, codes: Codes) -> None:
    """Write what the strategy signals on each bar, of its parameters `p`, into `codes`, one for each bar.

    Only MA_CROSS reads the tables.
    """
    codes[:] = 0
    close = market.close
    if strategy == MA_CROSS:
        _ma_cross_nb(tables, p, codes)
    elif strategy == RSI_REVERSION:
        _rsi_reversion_nb(close, p, codes)
    elif strategy == BOLLINGER_BREAKOUT:
        _bollinger_nb(close, p, (LONG_ENTRY, SHORT_ENTRY), codes)
    elif strategy == BOLLINGER_REVERSION:
        _bollinger_nb(close, p, (SHORT_ENTRY, LONG_ENTRY), codes)
    elif strategy == MACD:
        _macd_nb(close, p, codes)
    elif strategy == DONCHIAN_BREAKOUT:
        _donchian_breakout_nb(market, p, codes)
    elif strategy == MOMENTUM:
        _momentum_nb(close, p, codes)
    elif strategy == DCA:
        _dca_nb(p, codes)
