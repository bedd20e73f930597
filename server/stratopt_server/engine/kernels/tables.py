"""Sums of closes, from which a kernel reads the moving average over any window at once.

They depend on the bars alone, so one job builds them once and every parameter set shares them.
"""

from typing import NamedTuple

import numpy as np

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.bits import BITS


class Tables(NamedTuple):
    """Prefix sums of the closes, as pairs of doubles: the rounded sum and what the rounding left over.

    Differences of them are exact to the last bits however long the history, which one double is not.
    """

    head: FloatColumn
    """head[i] + tail[i] = sum of the closes of bars 0 .. i-1; BITS - 1 NaNs follow head[n]."""
    tail: FloatColumn
    slack: float
    """More than the error of a difference that takes sums from `head` alone."""


@njit(borrows=True)
def _prefix_nb(close: FloatColumn, head: FloatColumn, tail: FloatColumn) -> None:
    """Fill the prefix sums of the closes: each addition's rounding error is kept (Knuth)."""
    head[0] = tail[0] = total = lost = 0.0
    for i in range(close.size):
        before, value = total, close[i]
        total = before + value
        part = total - before
        lost += (before - (total - part)) + (value - part)
        rounded = total + lost
        head[i + 1], tail[i + 1] = rounded, (total - rounded) + lost
    head[close.size + 1 :] = np.nan


def build_tables(close: FloatColumn) -> Tables:
    """Build the tables."""
    head, tail = np.empty(close.size + BITS), np.empty(close.size + 1)
    _prefix_nb(close, head, tail)
    # A rounded prefix sum is off by half a unit in its last place, a difference of four by two;
    # the rest is for the arithmetic on them.
    return Tables(head, tail, 8.0 * float(np.spacing(head[close.size])))


def no_tables() -> Tables:
    """Stand in for tables where a kernel reads none."""
    return Tables(np.empty(0), np.empty(0), 0.0)
