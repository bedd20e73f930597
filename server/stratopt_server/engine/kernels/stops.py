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


@njit(borrows=True)
def hit_nb(book: Book, bar: int, entered_now: bool) -> tuple[int, float]:
    """Find why and at what price the bar ends the position; NO_HIT if it does not."""
    market, total = book.market, book.total
    # A short is a long upside down: seen so, stops lie below and targets above.
    side = 1.0 if total[SIZE] > 0.0 else -1.0
    opened = side * market.open[bar]
    worst, best = market.low[bar], market.high[bar]
    if side < 0.0:
        worst, best = -best, -worst
    entry = total[ENTRY]
    stop = side * entry - entry * total[STOP_LOSS]
    trailing = side * total[BEST] - total[BEST] * book.terms.trailing_stop
    target = side * entry + entry * total[TAKE_PROFIT]
    ruin = side * (-total[CASH] / total[SIZE])
    stop, reason = max(stop, trailing), STOP_LOSS_HIT
    if ruin > stop and total[CASH] / total[SIZE] < 0.0:
        stop, reason = ruin, LIQUIDATION
    if not entered_now and opened <= stop:
        beyond = opened <= ruin and total[CASH] / total[SIZE] < 0.0
        return (LIQUIDATION, side * ruin) if beyond else (reason, side * opened)
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
