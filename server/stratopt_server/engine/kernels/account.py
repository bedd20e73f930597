"""One account that is either flat or holds all it has: what each round trip adds to a run's totals.

While a position is held the return of a bar is close / previous close - 1 whatever the parameters, so a
whole held range is added from the tables at once.
"""

from typing import NamedTuple

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.tables import (
    CLOSE,
    FILL,
    LOSS,
    NEXT_FILL,
    RETURN,
    SQUARE,
    Floats2,
    Tables,
    extremes_nb,
    largest_fall_nb,
)

TINY = 1e-12
"""An amount that counts as none: so little cash is lost, so small a difference of sizes is not seen."""
SMALLEST_SIZE = 1e-8
"""Least that is bought, in units of the base currency. A ruined account stops trading here; the value, and
TINY, are vectorbt's, so that ruin too is equal on both paths."""

TOTALS = 32
"""Length of a run's row of totals: long enough that no two rows share a cache line between workers."""
(
    EQUITY,  # cash while flat; at the end the equity
    SIZE,  # units held
    COST,  # value bought, at the filled price
    ENTRY_FEE,
    PEAK,  # highest equity so far, the initial cash included
    FALL,  # largest fall from a peak, as a fraction
    SUM_RETURN,
    SUM_SQUARE,
    SUM_LOSS,
    HELD,  # bars at whose close a position is held
    FEES,
    TRADES,
    WINS,
    GAIN,  # profit of the winning round trips
    PAIN,  # loss of the losing ones, positive
    BOUGHT,  # bar on which the open position was bought, or -1
    NEXT,  # bar at which the kernel goes on
) = range(17)


BREAK_EVEN = 1e-12
"""A round trip that earned or lost no more than this share of what it bought did neither: it is rounding."""


class Terms(NamedTuple):
    """What an account pays and starts with."""

    fee: float
    slippage: float
    initial_cash: float
    delay: int
    """Bars from a signal to its fill: 1 or 0."""


@njit(borrows=True)
def open_account_nb(total: FloatColumn, terms: Terms) -> None:
    """Start a run's totals."""
    total[:] = 0.0
    total[EQUITY] = total[PEAK] = terms.initial_cash
    total[BOUGHT] = -1.0


@njit(borrows=True)
def _note_return_nb(total: FloatColumn, change: float) -> None:
    """Count the return of one bar."""
    loss = min(change, 0.0)
    total[SUM_RETURN] += change
    total[SUM_SQUARE] += change * change
    total[SUM_LOSS] += loss * loss


@njit(borrows=True)
def buy_nb(tables: Tables, total: FloatColumn, terms: Terms, bar: int) -> bool:
    """Buy with all cash at the bar's fill price; False if it would be too little to trade."""
    cash = total[EQUITY]
    price = tables.rows[bar, FILL] * (1.0 + terms.slippage)
    spent = cash / (1.0 + terms.fee)
    size = spent / price
    if cash <= TINY or size < SMALLEST_SIZE - TINY:
        return False
    fee = cash - spent
    total[BOUGHT] = bar
    total[SIZE] = size
    total[COST] = size * price
    total[ENTRY_FEE] = fee
    total[FEES] += fee
    _note_return_nb(total, (size * tables.rows[bar, CLOSE] - cash) / cash)
    return True


@njit(borrows=True)
def _range_sum_nb(rows: Floats2, column: int, first: int, last: int) -> float:
    """Sum a column's terms of the bars after `first` up to `last`, from its prefix sums."""
    rounded = rows[last, column] - rows[first, column]
    lost = rows[last, column + 1] - rows[first, column + 1]
    return float(rounded + lost)


@njit(borrows=True)
def hold_nb(tables: Tables, total: FloatColumn, first: int, last: int) -> None:
    """Count the closes of bars first .. last, the position held since the fill on `first`."""
    rows = tables.rows
    total[SUM_RETURN] += _range_sum_nb(rows, RETURN, first, last)
    total[SUM_SQUARE] += _range_sum_nb(rows, SQUARE, first, last)
    total[SUM_LOSS] += _range_sum_nb(rows, LOSS, first, last)
    total[HELD] += last - first + 1
    low, high = extremes_nb(tables, first, last)
    size, peak, fall = total[SIZE], total[PEAK], total[FALL]
    if peak - size * low > fall * peak:
        fall = (peak - size * low) / peak
    # A fall inside the range is at most that from its highest to its lowest close; it seldom matters.
    if high - low > fall * high:
        fall = max(fall, largest_fall_nb(tables, first, last))
    total[FALL] = fall
    total[PEAK] = max(peak, size * high)


@njit(borrows=True)
def sell_nb(tables: Tables, total: FloatColumn, terms: Terms, last: int) -> None:
    """Sell all at the fill price of the bar after `last`; the closes up to `last` are counted already."""
    size = total[SIZE]
    value = size * (tables.rows[last, NEXT_FILL] * (1.0 - terms.slippage))
    fee = value * terms.fee
    cash = value - fee
    if cash <= TINY:
        cash = 0.0
    profit = value - total[COST] - total[ENTRY_FEE] - fee
    before = size * tables.rows[last, CLOSE]
    _note_return_nb(total, (cash - before) / before)
    total[BOUGHT] = -1.0
    total[EQUITY] = cash
    total[FEES] += fee
    total[TRADES] += 1.0
    rounding = BREAK_EVEN * total[COST]
    if profit > rounding:
        total[WINS] += 1.0
        total[GAIN] += profit
    elif profit < -rounding:
        total[PAIN] -= profit
    peak = total[PEAK]
    if peak - cash > total[FALL] * peak:
        total[FALL] = (peak - cash) / peak
    total[PEAK] = max(peak, cash)


@njit(borrows=True)
def close_account_nb(tables: Tables, total: FloatColumn) -> None:
    """End the run: count the position still open, if there is one, to the last close."""
    first = int(total[BOUGHT])
    if first < 0:
        return
    last = tables.rows.shape[0] - 1
    hold_nb(tables, total, first, last)
    total[EQUITY] = total[SIZE] * tables.rows[last, CLOSE]
