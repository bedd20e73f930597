"""Any strategy that says, bar by bar, when to be in and out: from its signals to a run's totals.

Signals that contradict each other on one bar cancel each other. A signal to the other side closes what is
held and opens the other way, in two orders.
"""

import math
from typing import NamedTuple

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.book import (
    Book,
    charge_nb,
    charged_nb,
    close_book_nb,
    due_nb,
    hold_nb,
    open_book_nb,
)
from stratopt_server.engine.kernels.columns import CASH, LIQUIDATED, SIZE
from stratopt_server.engine.kernels.orders import LIQUIDATION, SIGNAL, close_position_nb, open_position_nb
from stratopt_server.engine.kernels.seek import next_beyond_nb, next_code_nb
from stratopt_server.engine.kernels.stops import (
    NO_HIT,
    bounds_nb,
    follow_nb,
    hit_nb,
    place_stops_nb,
    ruin_nb,
    ruined_nb,
    waits_nb,
)
from stratopt_server.engine.kernels.terms import Codes

LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT = 1, 2, 4, 8
"""Bits of a bar's signal."""
LONG_ONLY, SHORT_ONLY, BOTH_SIDES = 3, 12, 15
"""Signals that are heeded, as masks of them."""


class Signals(NamedTuple):
    """What a strategy decided on each bar's close."""

    codes: Codes
    """Bits as above."""
    sizes: FloatColumn
    """Share of the cash that an entry takes, in (0, 1]: of each bar, or one for all of them, or none: then
    the terms decide."""
    stop_losses: FloatColumn
    """Stop loss of a position entered on the signal, a fraction, infinite for none; as many as sizes."""
    take_profits: FloatColumn
    """Take profit likewise."""
    adds: bool
    """Whether an entry adds to a position that is open already."""
    of_initial: bool
    """Whether sizes are shares of the initial cash, not of the cash at hand."""


@njit(borrows=True, inlined=True)
def _clean_nb(code: int, sides: int) -> int:
    """Drop the signals that are not heeded and those that contradict each other."""
    code &= sides
    if code & (LONG_ENTRY | LONG_EXIT) == LONG_ENTRY | LONG_EXIT:
        code &= ~(LONG_ENTRY | LONG_EXIT)
    if code & (SHORT_ENTRY | SHORT_EXIT) == SHORT_ENTRY | SHORT_EXIT:
        code &= ~(SHORT_ENTRY | SHORT_EXIT)
    if code & (LONG_ENTRY | SHORT_ENTRY) == LONG_ENTRY | SHORT_ENTRY:
        code &= ~(LONG_ENTRY | SHORT_ENTRY)
    return code


@njit(borrows=True, inlined=True)
def _heeded_nb(size: float, sides: int, adds: bool) -> int:
    """Which signals may change a position of that size."""
    if size > 0.0:
        heeded = LONG_EXIT | SHORT_ENTRY
        return (heeded | LONG_ENTRY if adds else heeded) & sides
    if size < 0.0:
        heeded = SHORT_EXIT | LONG_ENTRY
        return (heeded | SHORT_ENTRY if adds else heeded) & sides
    return (LONG_ENTRY | SHORT_ENTRY) & sides


@njit(borrows=True, inlined=True)
def _next_event_nb(book: Book, signals: Signals, first: int) -> int:
    """Find the first bar from `first` on in which the position may change; the number of bars if none."""
    if charged_nb(book):
        # The price at which nothing is left moves with what each bar charges.
        return first
    market, delay = book.market, book.terms.delay
    heeded = _heeded_nb(book.total[SIZE], book.terms.sides, signals.adds)
    stop = next_code_nb(signals.codes, heeded, max(first - delay, 0)) + delay
    stop = min(stop, market.close.size)
    if book.total[SIZE] == 0.0 or not waits_nb(book):
        return stop
    if book.terms.trailing_stop == math.inf:
        return next_beyond_nb(market.low, market.high, bounds_nb(book), (first, stop))
    for bar in range(first, stop):
        if hit_nb(book, bar, entered_now=False)[0] != NO_HIT:
            return bar
        follow_nb(book, bar)
    return stop


@njit(borrows=True, inlined=True)
def _own_nb(column: FloatColumn, bar: int, otherwise: float) -> float:
    """Read what the strategy says for a bar, where it says anything."""
    if column.size == 0:
        return otherwise
    return float(column[min(bar, column.size - 1)])


@njit(borrows=True, inlined=True)
def _enter_nb(book: Book, signals: Signals, bar: int, price: float, side: int) -> None:
    """Open a position on the signal that the bar fills, or add to it."""
    decided, terms, total = bar - book.terms.delay, book.terms, book.total
    fresh = total[SIZE] == 0.0
    budget = -1.0
    if signals.sizes.size:
        capital = terms.initial_cash if signals.of_initial else total[CASH]
        budget = min(_own_nb(signals.sizes, decided, 1.0) * capital, total[CASH])
    if open_position_nb(book, bar, price, side, budget) and fresh:
        stop_loss = _own_nb(signals.stop_losses, decided, terms.stop_loss)
        place_stops_nb(book, stop_loss, _own_nb(signals.take_profits, decided, terms.take_profit))


@njit(borrows=True, inlined=True)
def _act_nb(book: Book, signals: Signals, bar: int, price: float) -> bool:
    """Do what the signal says that this bar fills, at that price; tell whether a position was opened."""
    total = book.total
    code = _clean_nb(int(signals.codes[bar - book.terms.delay]), book.terms.sides)
    before = total[SIZE]
    leave = LONG_EXIT | SHORT_ENTRY if before > 0.0 else SHORT_EXIT | LONG_ENTRY
    if before != 0.0 and code & leave and not close_position_nb(book, bar, price, SIGNAL):
        return False
    if total[LIQUIDATED] > 0.0:
        return False
    held = total[SIZE]
    side = 1 if code & LONG_ENTRY else -1
    if code & (LONG_ENTRY | SHORT_ENTRY) and (held == 0.0 or (held * side > 0.0 and signals.adds)):
        _enter_nb(book, signals, bar, price, side)
    return bool(held == 0.0 and total[SIZE] != 0.0)


@njit(borrows=True)
def _stop_nb(book: Book, bar: int, entered_now: bool) -> bool:
    """End the position where the bar hits a stop or target; tell whether it did."""
    reason, price = hit_nb(book, bar, entered_now)
    if reason != NO_HIT:
        if close_position_nb(book, bar, price, reason):
            return True
        if ruined_nb(book, bar):
            return close_position_nb(book, bar, ruin_nb(book), LIQUIDATION)
    follow_nb(book, bar)
    return False


@njit(borrows=True, inlined=True)
def _is_worthless_nb(book: Book, bar: int) -> bool:
    """Tell whether what is held is worth nothing at the bar's close, or not more than holding it costs."""
    total = book.total
    equity = total[CASH] + total[SIZE] * book.market.close[bar]
    return bool(total[SIZE] != 0.0 and equity <= max(due_nb(book, bar), 0.0))


@njit(borrows=True)
def _settle_nb(book: Book, bar: int) -> None:
    """Liquidate at the bar's close."""
    if book.total[CASH] + book.total[SIZE] * book.market.close[bar] > 0.0:
        charge_nb(book, bar)
    close_position_nb(book, bar, ruin_nb(book), LIQUIDATION)


@njit(borrows=True, inlined=True)
def _fill_bar_nb(book: Book, signals: Signals, bar: int) -> None:
    """Do everything that happens in one bar, in its order."""
    delay = book.terms.delay
    may_stop = book.total[SIZE] != 0.0 and waits_nb(book)
    if delay == 1 or not may_stop or not _stop_nb(book, bar, entered_now=False):
        price = book.market.open[bar] if delay == 1 else book.market.close[bar]
        entered_now = bar >= delay and _act_nb(book, signals, bar, price)
        if delay == 1 and book.total[SIZE] != 0.0 and waits_nb(book):
            _stop_nb(book, bar, entered_now)
    if _is_worthless_nb(book, bar):
        _settle_nb(book, bar)


@njit(borrows=True)
def run_signals_nb(book: Book, signals: Signals) -> None:
    """Run a strategy's signals over the bars."""
    open_book_nb(book)
    count = book.market.close.size
    counted = checked = 0
    while counted < count:
        bar = _next_event_nb(book, signals, checked) if book.total[LIQUIDATED] == 0.0 else count
        hold_nb(book, counted, bar - 1)
        if bar < count:
            _fill_bar_nb(book, signals, bar)
        counted, checked = bar, bar + 1
    close_book_nb(book)
