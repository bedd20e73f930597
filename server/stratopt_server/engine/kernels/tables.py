"""Tables over the bars from which a kernel reads the sums and extremes of any range at once.

They depend on the bars alone, so one job builds them once and every parameter set shares them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.bits import highest_bit_nb

Floats2 = NDArray[np.float64]
Floats3 = NDArray[np.float64]

MASK_BARS = 64
"""Bars whose signals are looked for at a time: one bit each of a machine word."""
BLOCK_SHIFT = 5
BLOCK = 1 << BLOCK_SHIFT
"""Bars in a block of the tables of extremes."""

RETURN, SQUARE, LOSS = 0, 2, 4
"""Columns of `Tables.rows`: prefix sums of r, r^2 and min(r, 0)^2, r being close / previous close - 1.
The column after each holds what the rounding of the sum left over."""
CLOSE, FILL, NEXT_FILL, SUFFIX_MIN, SUFFIX_MAX, PREFIX_MIN, PREFIX_MAX = range(6, 13)
"""More columns: the close; the price at which orders fill on the bar, and on the next; the least and
greatest close from the bar to the end of its block, and from the block's start to the bar."""
ROW = 16
"""Length of a row: two cache lines, so that a trade, which reads two rows, waits for memory twice."""


class Tables(NamedTuple):
    """What a kernel knows of the bars.

    Prefix sums are pairs of doubles, the rounded sum and what the rounding left over: differences of
    them are exact to the last bits however long the history, which one double is not.
    """

    head: FloatColumn
    """head[i] + tail[i] = sum of the closes of bars 0 .. i-1; MASK_BARS - 1 NaNs follow head[n]."""
    tail: FloatColumn
    rows: Floats2
    """What a trade needs of the bars it begins and ends with, a row each: see the columns above."""
    levels: Floats3
    """levels[k, b] = least and greatest close of the 2**k blocks from b on."""
    falls: FloatColumn
    """Largest fall from an earlier peak inside each block, as a fraction."""
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


@njit()
def _rows_nb(fill: FloatColumn, close: FloatColumn, rows: Floats2) -> None:
    """Fill the prefix sums of the returns, and the prices beside them."""
    sums = np.zeros((3, 2))
    for i in range(close.size):
        # The difference of neighbours is nearly exact, close / previous - 1 is not.
        change = (close[i] - close[i - 1]) / close[i - 1] if i else 0.0
        loss = min(change, 0.0)
        _add_nb(sums[0], change)
        _add_nb(sums[1], change * change)
        _add_nb(sums[2], loss * loss)
        for k in range(3):
            rows[i, 2 * k] = sums[k, 0]
            rows[i, 2 * k + 1] = sums[k, 1]
        rows[i, CLOSE] = close[i]
        rows[i, FILL] = fill[i]
        rows[i, NEXT_FILL] = fill[min(i + 1, close.size - 1)]


@njit()
def _edges_nb(close: FloatColumn, rows: Floats2, falls: FloatColumn) -> None:
    """Fill the extremes towards both ends of each block, and the largest fall inside it."""
    for block in range(falls.size):
        first = block * BLOCK
        stop = min(first + BLOCK, close.size)
        low = high = close[first]
        fall = 0.0
        for i in range(first, stop):
            low = min(low, close[i])
            high = max(high, close[i])
            fall = max(fall, (high - close[i]) / high)
            rows[i, PREFIX_MIN] = low
            rows[i, PREFIX_MAX] = high
        falls[block] = fall
        low = high = close[stop - 1]
        for i in range(stop - 1, first - 1, -1):
            low = min(low, close[i])
            high = max(high, close[i])
            rows[i, SUFFIX_MIN] = low
            rows[i, SUFFIX_MAX] = high


@njit()
def _levels_nb(rows: Floats2, levels: Floats3) -> None:
    """Fill the extremes of runs of 1, 2, 4, ... blocks."""
    blocks = levels.shape[1]
    for block in range(blocks):
        levels[0, block, 0] = rows[block * BLOCK, SUFFIX_MIN]
        levels[0, block, 1] = rows[block * BLOCK, SUFFIX_MAX]
    for k in range(1, levels.shape[0]):
        half = 1 << (k - 1)
        for block in range(blocks - 2 * half + 1):
            levels[k, block, 0] = min(levels[k - 1, block, 0], levels[k - 1, block + half, 0])
            levels[k, block, 1] = max(levels[k - 1, block, 1], levels[k - 1, block + half, 1])


def build_tables(fill: FloatColumn, close: FloatColumn) -> Tables:
    """Build the tables; `fill` is the price an order gets on each bar."""
    count = close.size
    blocks = -(-count // BLOCK)
    head, tail = np.empty(count + MASK_BARS), np.empty(count + 1)
    rows = np.empty((count, ROW))
    levels, falls = np.empty((blocks.bit_length(), blocks, 2)), np.empty(blocks)
    _prefix_nb(close, head, tail)
    _rows_nb(fill, close, rows)
    _edges_nb(close, rows, falls)
    _levels_nb(rows, levels)
    # A rounded prefix sum is off by half a unit in its last place, a difference of four by two;
    # the rest is for the arithmetic on them.
    slack = 8.0 * float(np.spacing(head[count]))
    return Tables(head, tail, rows, levels, falls, slack)


@njit(borrows=True)
def extremes_nb(tables: Tables, first: int, last: int) -> tuple[float, float]:
    """Find the least and the greatest close of bars first .. last."""
    rows, levels = tables.rows, tables.levels
    start, end = first >> BLOCK_SHIFT, last >> BLOCK_SHIFT
    if start == end:
        low = high = rows[first, CLOSE]
        for i in range(first + 1, last + 1):
            low = min(low, rows[i, CLOSE])
            high = max(high, rows[i, CLOSE])
        return low, high
    low = min(rows[first, SUFFIX_MIN], rows[last, PREFIX_MIN])
    high = max(rows[first, SUFFIX_MAX], rows[last, PREFIX_MAX])
    between = end - start - 1
    if between > 0:
        k = highest_bit_nb(between)
        other = end - (1 << k)
        low = min(low, levels[k, start + 1, 0], levels[k, other, 0])
        high = max(high, levels[k, start + 1, 1], levels[k, other, 1])
    return low, high


@njit(borrows=True)
def largest_fall_nb(tables: Tables, first: int, last: int) -> float:
    """Find the largest fall of the close from an earlier peak inside bars first .. last, as a fraction."""
    rows, levels, falls = tables.rows, tables.levels, tables.falls
    peak = rows[first, CLOSE]
    fall = 0.0
    i = first
    while i <= last:
        block = i >> BLOCK_SHIFT
        if i == block * BLOCK and i + BLOCK <= last + 1:
            # Against the earlier peak the block's least close falls furthest; its own peaks are in `falls`.
            fall = max(fall, falls[block], (peak - levels[0, block, 0]) / peak)
            peak = max(peak, levels[0, block, 1])
            i += BLOCK
        else:
            close = rows[i, CLOSE]
            peak = max(peak, close)
            fall = max(fall, (peak - close) / peak)
            i += 1
    return fall
