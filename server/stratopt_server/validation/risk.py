"""Drawdowns: of an equity at another size, and of trades in another order."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MICROSECONDS_A_DAY = 86_400_000_000
SIZE_STEPS = 20
"""Halvings in the search for a position size: finer than anyone sizes."""


def daily_returns(time: NDArray[np.int64], equity: Floats, initial_cash: float) -> Floats:
    """Returns from one UTC day's last equity to the next; the first day's from the initial cash.

    `time` holds open times of bars in microseconds, `equity` the equity at their closes.
    """
    days = time // MICROSECONDS_A_DAY
    last_of_day = np.flatnonzero(np.diff(days, append=days[-1] + 1))
    closes = np.concatenate(([initial_cash], equity[last_of_day]))
    return np.diff(closes) / closes[:-1]


def max_drawdown_at(returns: Floats, size: float) -> float:
    """Largest fall from an earlier peak, a positive fraction, with that share of capital in each return.

    The start counts as a peak.
    """
    equity = np.cumprod(1 + size * returns)
    peaks = np.maximum(np.maximum.accumulate(equity), 1.0)
    return float(np.max(1 - equity / peaks, initial=0.0))


def reordered(trade_returns: Floats, *, paths: int, seed: int) -> Floats:
    """Draw the trades with replacement: `paths` rows, each as long as there are trades."""
    rng = np.random.default_rng(np.random.SeedSequence([seed]))
    return rng.choice(trade_returns, size=(paths, len(trade_returns)), replace=True)


def drawdowns(draws: Floats, size: float) -> Floats:
    """Maximum drawdown of each row at that size."""
    equity = np.cumprod(1 + size * draws, axis=1)
    peaks = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    falls: Floats = (1 - equity / peaks).max(axis=1)
    return falls


def drawdown_quantile(draws: Floats, size: float, *, quantile: float) -> float:
    """Quantile (linear) over the rows of their maximum drawdowns at that size."""
    return float(np.quantile(drawdowns(draws, size), quantile))


def largest_size(draws: Floats, returns: Floats, *, limit: float, quantile: float) -> float:
    """Largest share of capital, at most 1, at which drawdowns stay within the limit.

    Both do: that quantile of the draws', and the one that the returns had in their real order.
    """

    def fits(size: float) -> bool:
        drawn = drawdown_quantile(draws, size, quantile=quantile)
        return max(drawn, max_drawdown_at(returns, size)) <= limit

    if fits(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(SIZE_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def value_at_risk(returns: Floats, *, quantile: float) -> float:
    """Historical value at risk: the loss at that quantile (linear) of the returns, a positive fraction."""
    return max(-float(np.quantile(returns, quantile)), 0.0)
