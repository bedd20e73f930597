"""Exits that wait inside a bar: stop loss, trailing stop, take profit, and the end of all equity.

What is known of a bar's course is its open, which comes first. After it, a bar that reaches both a stop and
the target is taken to have reached the stop first. A stop fills at its price, or at the open where the bar
opens beyond it; a target fills at its price, never better. The trailing stop follows the best price of bars
that have ended.
"""

import math

from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.book import Book
from stratopt_server.engine.kernels.columns import BEST, CASH, ENTRY, SIZE, STOP_LOSS, TAKE_PROFIT
from stratopt_server.engine.kernels.orders import LIQUIDATION, STOP_LOSS_HIT, TAKE_PROFIT_HIT

NO_HIT = -1


@njit(borrows=True)
def waits_nb(book: Book) -> bool:
    """Tell whether anything may end the open position inside a bar."""
    total = book.total
    return (
        total[SIZE] < 0.0
        or total[CASH] < 0.0
        or total[STOP_LOSS] < math.inf
        or total[TAKE_PROFIT] < math.inf
        or book.terms.trailing_stop < math.inf
    )


@njit(borrows=True)
def ruin_nb(book: Book) -> float:
    """Find the price of the position at which nothing is left; 0 or below where no price leaves nothing."""
    return float(-book.total[CASH] / book.total[SIZE])


@njit(borrows=True)
def ruined_nb(book: Book, bar: int) -> bool:
    """Tell whether the bar reaches the price at which nothing is left."""
    ruin = ruin_nb(book)
    if book.total[SIZE] > 0.0:
        return bool(ruin > 0.0 and book.market.low[bar] <= ruin)
    return bool(ruin <= book.market.high[bar])


@njit(borrows=True, inlined=True)
def _levels_nb(book: Book) -> tuple[float, float, float, float]:
    """Find side, stop, target and ruin of the position, the last -infinite where no price leaves nothing.

    A short is a long upside down: times its side of -1, stops lie below and targets above.
    """
    total = book.total
    side = 1.0 if total[SIZE] > 0.0 else -1.0
    entry, best = total[ENTRY], total[BEST]
    stop = side * entry - entry * total[STOP_LOSS]
    trailing = side * best - best * book.terms.trailing_stop
    target = side * entry + entry * total[TAKE_PROFIT]
    owed = total[CASH] / total[SIZE]
    return side, max(stop, trailing), target, side * -owed if owed < 0.0 else -math.inf


@njit(borrows=True, inlined=True)
def bounds_nb(book: Book) -> tuple[float, float]:
    """Find the low and the high that a bar must reach to end the position: one of them, or a price beyond."""
    side, stop, target, ruin = _levels_nb(book)
    stop = max(stop, ruin)
    return (stop, target) if side > 0.0 else (-target, -stop)


@njit(borrows=True)
def hit_nb(book: Book, bar: int, entered_now: bool) -> tuple[int, float]:
    """Find why and at what price the bar ends the position; NO_HIT if it does not."""
    market = book.market
    side, stop, target, ruin = _levels_nb(book)
    opened = side * market.open[bar]
    worst, best = market.low[bar], market.high[bar]
    if side < 0.0:
        worst, best = -best, -worst
    reason = STOP_LOSS_HIT
    if ruin > stop:
        stop, reason = ruin, LIQUIDATION
    if not entered_now and opened <= stop:
        return (LIQUIDATION, side * ruin) if opened <= ruin else (reason, side * opened)
    if not entered_now and opened >= target:
        return TAKE_PROFIT_HIT, side * target
    if worst <= stop:
        # Slippage may put the stop of a position just opened beyond the open, where nothing was traded.
        return reason, side * (stop if reason == LIQUIDATION else min(stop, opened))
    if best >= target:
        return TAKE_PROFIT_HIT, side * target
    return NO_HIT, 0.0


@njit(borrows=True)
def follow_nb(book: Book, bar: int) -> None:
    """Let the trailing stop follow a bar that has ended."""
    total = book.total
    if total[SIZE] > 0.0:
        total[BEST] = max(total[BEST], book.market.high[bar])
    elif total[SIZE] < 0.0:
        total[BEST] = min(total[BEST], book.market.low[bar])


@njit(borrows=True)
def place_stops_nb(book: Book, stop_loss: float, take_profit: float) -> None:
    """Set the stops of the position that has just been opened, as fractions of its entry."""
    book.total[STOP_LOSS], book.total[TAKE_PROFIT] = stop_loss, take_profit
