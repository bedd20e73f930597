"""Bars and terms made ready for the kernels."""

import math

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, FloatColumn, to_microseconds
from stratopt_server.domain.runs import (
    Carry,
    Direction,
    Fill,
    FillModel,
    RunTerms,
    SizingKind,
)
from stratopt_server.engine.kernels import signals, terms
from stratopt_server.engine.kernels.terms import Market, Terms

MICROSECONDS_A_DAY = 86_400_000_000
BLOCKS = 16
"""Blocks that the sums of the overfitting statistics are kept of."""

SIZINGS = {
    SizingKind.ALL_IN: terms.ALL_IN,
    SizingKind.FRACTION: terms.FRACTION,
    SizingKind.FIXED: terms.FIXED,
}
FILL_MODELS = {
    FillModel.TOUCH: terms.TOUCH,
    FillModel.THROUGH: terms.THROUGH,
    FillModel.VOLUME: terms.VOLUME,
    FillModel.TOUCH_PATH: terms.TOUCH_PATH,
}
SIDES = {
    Direction.LONG: signals.LONG_ONLY,
    Direction.SHORT: signals.SHORT_ONLY,
    Direction.BOTH: signals.BOTH_SIDES,
}


def check_bars(bars: Bars) -> None:
    """Raise ValueError unless there are bars, in ascending time, of finite prices above 0 and volumes."""
    if len(bars) == 0:
        raise ValueError("there are no bars to run on")
    if np.any(np.diff(bars.time) <= 0):
        raise ValueError("the bars are not in ascending time")
    for name in ("open", "high", "low", "close"):
        column = getattr(bars, name)
        if not np.all((column > 0) & (column < np.inf)):
            raise ValueError(f"the bars have a price of column {name} that is not finite and above 0")
    if not np.all((bars.volume >= 0) & (bars.volume < np.inf)):
        raise ValueError("the bars have a volume that is not finite or below 0")


def plain(column: FloatColumn) -> FloatColumn:
    """View a column as kernels are compiled for: contiguous, read-only, no subclass such as a memory map."""
    view = np.ascontiguousarray(column, dtype=np.float64).view(np.ndarray)
    view.flags.writeable = False
    return view


def day_ends(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the last bar of each UTC day."""
    days = np.asarray(time) // MICROSECONDS_A_DAY
    ends: NDArray[np.int64] = np.flatnonzero(np.diff(days, append=days[-1] + 1))
    return ends


def funding_by_bar(bars: Bars, carry: Carry) -> FloatColumn:
    """Add up the funding that falls into each bar; empty where there is none at all.

    A rate belongs to the last bar that opened before it. One at a bar's very open is owed on what was held
    until then, so it belongs to the bar that has just closed. A rate up to the first bar's open, or more than
    a bar's usual length behind the last one, belongs to none.
    """
    if not carry.funding:
        return np.empty(0)
    times = np.array([to_microseconds(point.time) for point in carry.funding])
    rates = np.array([point.rate for point in carry.funding])
    length = int(np.median(np.diff(bars.time))) if len(bars) > 1 else MICROSECONDS_A_DAY
    inside = (times > bars.time[0]) & (times <= bars.time[-1] + length)
    places = np.searchsorted(bars.time, times[inside], side="left") - 1
    found: FloatColumn = np.bincount(places, weights=rates[inside], minlength=len(bars)).astype(np.float64)
    return found


def market_of(bars: Bars, carry: Carry, blocks: int = BLOCKS) -> Market:
    """Check the bars and lay them out for the kernels.

    A high below the bar's open or close is raised to it, a low above them lowered: kernels rely on that.
    """
    check_bars(bars)
    count = len(bars)
    size = count // blocks
    opened, close = plain(bars.open), plain(bars.close)
    return Market(
        open=opened,
        high=plain(_at_least(bars.high, opened, close)),
        low=plain(_at_most(bars.low, opened, close)),
        close=close,
        volume=plain(bars.volume),
        funding=plain(funding_by_bar(bars, carry)),
        day_ends=day_ends(bars.time),
        block_first=count - blocks * size,
        block_size=size,
        block_count=blocks if size else 0,
    )


def _at_least(high: FloatColumn, opened: FloatColumn, close: FloatColumn) -> FloatColumn:
    """Raise highs to the open and the close; the column itself where that changes nothing."""
    if np.all((high >= opened) & (high >= close)):
        return high
    raised: FloatColumn = np.maximum(high, np.maximum(opened, close))
    return raised


def _at_most(low: FloatColumn, opened: FloatColumn, close: FloatColumn) -> FloatColumn:
    """Lower lows to the open and the close; the column itself where that changes nothing."""
    if np.all((low <= opened) & (low <= close)):
        return low
    lowered: FloatColumn = np.minimum(low, np.minimum(opened, close))
    return lowered


def terms_of(run: RunTerms) -> Terms:
    """Write the terms as kernels read them."""
    costs, stops, rules = run.costs, run.stops, run.rules
    return Terms(
        fee=float(costs.taker_fee),
        maker_fee=float(costs.resting_fee),
        fixed_fee=float(costs.fixed_fee),
        slippage=float(costs.slippage),
        impact=float(costs.impact),
        initial_cash=float(run.initial_cash),
        delay=1 if run.fill is Fill.NEXT_OPEN else 0,
        sides=SIDES[run.direction],
        sizing=SIZINGS[run.sizing.kind],
        amount=float(run.sizing.amount),
        stop_loss=_or_none(stops.stop_loss),
        take_profit=_or_none(stops.take_profit),
        trailing_stop=_or_none(stops.trailing_stop),
        min_notional=float(rules.min_notional),
        lot_size=float(rules.lot_size),
        tick_size=float(rules.tick_size),
        borrow_rate=float(run.carry.borrow_rate),
        fill_model=FILL_MODELS[run.fill_model],
        participation=float(run.participation),
    )


def _or_none(stop: float | None) -> float:
    """A stop that is not wanted is infinitely far away."""
    return math.inf if stop is None else float(stop)
