"""The book of one account: what every bar adds to a run's totals while the position stays as it is.

The equity of each bar is computed, counted and forgotten. Time is cut where a block of the overfitting
statistics ends, so that its sums cost nothing in between.
"""

from typing import NamedTuple

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.bits import LANES
from stratopt_server.engine.kernels.columns import (
    BLOCK,
    BLOCK_RETURN,
    BLOCK_SQUARE,
    CARRY,
    CASH,
    CVAR,
    DAY_CUBE,
    DAY_FOURTH,
    DAY_SQUARE,
    DAY_SUM,
    DAYS,
    EQUITY,
    FALL,
    FLOW,
    GAIN,
    HELD,
    LONGEST,
    OPEN_TRADES,
    PAIN,
    PEAK,
    SIZE,
    SUM_CUBE,
    SUM_EQUITY,
    SUM_FOURTH,
    SUM_LOSS,
    SUM_RETURN,
    SUM_SQUARE,
    TRADES,
    UNDER,
    VAR,
    WINS,
)
from stratopt_server.engine.kernels.lanes import moments_nb, span_nb
from stratopt_server.engine.kernels.lows import tail_nb
from stratopt_server.engine.kernels.terms import Floats2, Market, Terms

NOISE = 1e-10
"""A fall of equity up to this is rounding, and no drawdown."""
BREAK_EVEN = 1e-12
"""A round trip that earned or lost no more than this share of what it was entered at did neither."""

SPAN = 32
"""Closes that are looked over at once where equity is near its peak; a multiple of LANES."""


class Book(NamedTuple):
    """One run in the making."""

    market: Market
    terms: Terms
    total: FloatColumn
    """See `columns`."""
    days: FloatColumn
    """Room for the equity at the end of each UTC day."""
    blocks: Floats2
    """Sums of r and r^2 of each block."""
    orders: Floats2
    """A row for each fill, see `orders`; empty where none is kept."""


@njit(borrows=True)
def open_book_nb(book: Book) -> None:
    """Begin a run: all cash, nothing held."""
    total = book.total
    total[:] = 0.0
    total[EQUITY] = total[CASH] = total[PEAK] = book.terms.initial_cash
    total[BLOCK] = -1.0 if book.market.block_first > 0 else 0.0
    book.blocks[:] = 0.0


@njit(borrows=True, inlined=True)
def _cut_nb(book: Book) -> int:
    """Find the next bar at which a block ends; beyond all bars if none does."""
    market, total = book.market, book.total
    if total[BLOCK] >= market.block_count:
        return market.close.size
    return int(market.block_first + int(total[BLOCK] + 1.0) * market.block_size - 1)


@njit(borrows=True, inlined=True)
def _end_block_nb(book: Book) -> None:
    """Put away the sums of the block that has ended, and begin the next."""
    total = book.total
    block = int(total[BLOCK])
    if block >= 0:
        book.blocks[block, 0] = total[BLOCK_RETURN]
        book.blocks[block, 1] = total[BLOCK_SQUARE]
    total[SUM_RETURN] += total[BLOCK_RETURN]
    total[SUM_SQUARE] += total[BLOCK_SQUARE]
    total[BLOCK_RETURN] = total[BLOCK_SQUARE] = 0.0
    total[BLOCK] += 1.0


@njit(borrows=True, inlined=True)
def _end_days_nb(book: Book, last: int) -> None:
    """Note the equity of the days that have ended up to bar `last`, the position being what it is now."""
    ends, total, close = book.market.day_ends, book.total, book.market.close
    day, cash, size = int(total[DAYS]), total[CASH], total[SIZE]
    while day < ends.size and ends[day] <= last:
        book.days[day] = cash + size * close[ends[day]]
        day += 1
    total[DAYS] = day


@njit(borrows=True)
def _measure_days_nb(total: FloatColumn, days: FloatColumn, initial_cash: float) -> None:
    """Sum up the powers of the daily returns, and find their tail; the equities are lost over it."""
    before = initial_cash
    for day in range(days.size):
        equity = days[day]
        change = (equity - before) / before if before > 0.0 else 0.0
        square = change * change
        total[DAY_SUM] += change
        total[DAY_SQUARE] += square
        total[DAY_CUBE] += square * change
        total[DAY_FOURTH] += square * square
        days[day], before = change, equity
    total[VAR], total[CVAR] = tail_nb(days)


@njit(borrows=True, inlined=True)
def _count_nb(book: Book, first: int, last: int) -> None:
    """Count the closes of bars first .. last at the position held, none of them beyond a cut."""
    total, close = book.total, book.market.close
    cash, size, before = total[CASH], total[SIZE], total[EQUITY]
    returns = squares = cubes = fourths = losses = equities = 0.0
    low = high = close[first]
    bar = first
    # A grid may owe a little after losses, and equity then may fall to 0: of nothing there is no return.
    sound = cash >= 0.0 or size < 0.0
    while bar <= last:
        equity = cash + size * close[bar]
        change = (equity - before) / before if before > 0.0 else 0.0
        square = change * change
        returns += change
        squares += square
        cubes += square * change
        fourths += square * square
        losses += square if change < 0.0 else 0.0
        equities += equity
        before = equity
        low, high = min(low, close[bar]), max(high, close[bar])
        bar += 1
        whole = (last + 1 - bar) & -LANES
        if sound and whole > 0:
            # The first bar is behind us: from here on the bar before was closed at the same position.
            sums = moments_nb(close, bar, whole, (cash, size))
            returns, squares, cubes = returns + sums[0], squares + sums[1], cubes + sums[2]
            fourths, losses, equities = fourths + sums[3], losses + sums[4], equities + sums[5]
            low, high = min(low, sums[6]), max(high, sums[7])
            bar += whole
            before = cash + size * close[bar - 1]
    total[BLOCK_RETURN] += returns
    total[BLOCK_SQUARE] += squares
    total[SUM_CUBE] += cubes
    total[SUM_FOURTH] += fourths
    total[SUM_LOSS] += losses
    total[SUM_EQUITY] += equities
    if not _all_under_nb(total, last + 1 - first, low, high):
        _note_peaks_nb(total, close, first, last)
    total[EQUITY] = before


@njit(borrows=True)
def _all_under_nb(total: FloatColumn, count: int, low: float, high: float) -> bool:
    """Count closes between low and high if at all of them equity is below its peak; tell whether it is."""
    peak = total[PEAK]
    least, greatest = total[CASH] + total[SIZE] * low, total[CASH] + total[SIZE] * high
    if total[SIZE] < 0.0:
        least, greatest = greatest, least
    if greatest >= peak * (1.0 - NOISE):
        return False
    total[UNDER] += count
    total[LONGEST] = max(total[LONGEST], total[UNDER])
    if peak - least > total[FALL] * peak:
        total[FALL] = (peak - least) / peak
    return True


@njit(borrows=True)
def _note_peaks_nb(total: FloatColumn, close: FloatColumn, first: int, last: int) -> None:
    """Follow the peaks of equity and the falls from them over the closes of bars first .. last."""
    bar = first
    while bar <= last:
        stop = min(bar + SPAN, last + 1)
        if stop == bar + SPAN:
            low, high = span_nb(close, bar, SPAN)
            if _all_under_nb(total, SPAN, low, high):
                bar = stop
                continue
        _note_each_nb(total, close, bar, stop)
        bar = stop


@njit(borrows=True)
def _note_each_nb(total: FloatColumn, close: FloatColumn, first: int, stop: int) -> None:
    """Follow peaks and falls from bar to bar, up to the bar before `stop`."""
    cash, size = total[CASH], total[SIZE]
    peak, fall, under, longest = total[PEAK], total[FALL], total[UNDER], total[LONGEST]
    for bar in range(first, stop):
        equity = cash + size * close[bar]
        if equity >= peak * (1.0 - NOISE):
            under = 0.0
            peak = max(peak, equity)
        else:
            under += 1.0
            longest = max(longest, under)
        if peak - equity > fall * peak:
            fall = (peak - equity) / peak
    total[PEAK], total[FALL], total[UNDER], total[LONGEST] = peak, fall, under, longest


@njit(borrows=True)
def _rest_nb(total: FloatColumn, count: int) -> None:
    """Count closes at which nothing is held and nothing changes."""
    total[SUM_EQUITY] += total[EQUITY] * count
    if total[UNDER] > 0.0:
        total[UNDER] += count
        total[LONGEST] = max(total[LONGEST], total[UNDER])


@njit(borrows=True, inlined=True)
def charged_nb(book: Book) -> bool:
    """Tell whether holding the position may cost borrow or funding."""
    size = book.total[SIZE]
    return size != 0.0 and (book.market.funding.size > 0 or (size < 0.0 and book.terms.borrow_rate > 0.0))


@njit(borrows=True, inlined=True)
def due_nb(book: Book, bar: int) -> float:
    """Compute the borrow and funding due on the position at the bar's close; below 0 where it is received."""
    value = book.total[SIZE] * book.market.close[bar]
    rate = book.market.funding[bar] if book.market.funding.size else 0.0
    return float(value * rate - min(value, 0.0) * book.terms.borrow_rate)


@njit(borrows=True, inlined=True)
def charge_nb(book: Book, bar: int) -> None:
    """Pay borrow and funding on the position at the bar's close, as far as there is equity."""
    total = book.total
    charge = min(due_nb(book, bar), total[CASH] + total[SIZE] * book.market.close[bar])
    total[CASH] -= charge
    total[FLOW] -= charge
    total[CARRY] += charge


@njit(borrows=True, inlined=True)
def hold_nb(book: Book, first: int, last: int) -> None:
    """Count the closes of bars first .. last, the position being what it is now throughout."""
    total = book.total
    held = total[SIZE] != 0.0
    charged = charged_nb(book)
    moved = held or total[EQUITY] != total[CASH]
    bar = first
    while bar <= last:
        cut = _cut_nb(book)
        end = min(cut, last)
        if charged:
            end = bar
            charge_nb(book, bar)
        elif not held and moved:
            end = bar
        if moved:
            _count_nb(book, bar, end)
        else:
            _rest_nb(total, end - bar + 1)
        _end_days_nb(book, end)
        moved = held
        if held:
            total[HELD] += end - bar + 1
        if end == cut:
            _end_block_nb(book)
        bar = end + 1


@njit(borrows=True)
def end_trade_nb(total: FloatColumn, profit: float, cost: float) -> None:
    """Count a round trip that has ended."""
    total[TRADES] += 1.0
    rounding = BREAK_EVEN * cost
    if profit > rounding:
        total[WINS] += 1.0
        total[GAIN] += profit
    elif profit < -rounding:
        total[PAIN] -= profit


@njit(borrows=True)
def close_book_nb(book: Book) -> None:
    """End the run: what the cuts left over, the position still open, and the tail of the daily returns."""
    total = book.total
    total[OPEN_TRADES] = 1.0 if total[SIZE] != 0.0 else 0.0
    total[SUM_RETURN] += total[BLOCK_RETURN]
    total[SUM_SQUARE] += total[BLOCK_SQUARE]
    _measure_days_nb(total, book.days, book.terms.initial_cash)
