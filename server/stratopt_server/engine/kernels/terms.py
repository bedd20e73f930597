"""What a kernel is given: the bars as arrays, the terms of trading as numbers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.kernels.tables import Tables

Codes = NDArray[np.uint8]
Whole = NDArray[np.int64]
Floats2 = NDArray[np.float64]
Floats3 = NDArray[np.float64]

ALL_IN, FRACTION, FIXED = range(3)
"""How an opening order is sized."""
TOUCH, THROUGH, VOLUME, TOUCH_PATH = range(4)
"""When a resting limit order of a grid fills."""


class Market(NamedTuple):
    """The bars of a run, and how its time is divided."""

    open: FloatColumn
    high: FloatColumn
    low: FloatColumn
    close: FloatColumn
    volume: FloatColumn
    funding: FloatColumn
    """What longs pay shorts at each close, a fraction; empty where there is none."""
    day_ends: Whole
    """The last bar of each UTC day."""
    block_first: int
    """Bars before it belong to no block."""
    block_size: int
    block_count: int
    """0 where the bars are fewer than the blocks."""


class Terms(NamedTuple):
    """What an account starts with, pays and may do. A stop that is not wanted is infinite."""

    fee: float
    maker_fee: float
    fixed_fee: float
    slippage: float
    impact: float
    initial_cash: float
    delay: int
    """Bars from a signal to its fill: 1 (at the next open) or 0 (at the same close)."""
    sides: int
    """Signals that are heeded, as a mask of `signals.LONG_ENTRY` and its like."""
    sizing: int
    amount: float
    stop_loss: float
    take_profit: float
    trailing_stop: float
    min_notional: float
    lot_size: float
    tick_size: float
    borrow_rate: float
    fill_model: int
    participation: float


class Inputs(NamedTuple):
    """What all parameter sets of a sweep have in common."""

    market: Market
    tables: Tables
    """Of ma_cross; empty for others."""
    terms: Terms


class Totals(NamedTuple):
    """What a sweep fills: a row, and the sums of its blocks, for each parameter set."""

    rows: Floats2
    blocks: Floats3
    orders: Floats2
    """The fills of the last set that ran, as many as there are rows for; none in a sweep of many."""
