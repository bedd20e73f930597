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


@njit()
def _add_nb(sums: FloatColumn, value: float) -> None:
    """Add to a running sum: sums[0] as rounded, sums[1] what the rounding lost (Knuth)."""
    before = sums[0]
    after = before + value
    part = after - before
    sums[0] = after
    sums[1] += (before - (after - part)) + (value - part)


@njit()
def _prefix_nb(close: FloatColumn, head: FloatColumn, tail: FloatColumn) -> None:
    """Fill the prefix sums of the closes."""
    sums = np.zeros(2)
    head[0] = tail[0] = 0.0
    for i in range(close.size):
        _add_nb(sums, close[i])
        head[i + 1] = sums[0] + sums[1]
        tail[i + 1] = (sums[0] - head[i + 1]) + sums[1]
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
