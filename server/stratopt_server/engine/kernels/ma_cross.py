"""The moving average cross: long while the fast average stands above the slow one.

Signals are looked for 64 bars at a time with rounded sums and some slack; every candidate is then
decided by `signal_nb`, the one definition that `rules` uses too. So both see the same booleans.
"""

from typing import NamedTuple

import numpy as np

from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.bits import BITS, above_mask_nb, lowest_bit_nb
from stratopt_server.engine.kernels.book import Book, close_book_nb, hold_nb, open_book_nb
from stratopt_server.engine.kernels.columns import NEXT, SIZE
from stratopt_server.engine.kernels.orders import SIGNAL, close_position_nb, open_position_nb
from stratopt_server.engine.kernels.tables import Tables
from stratopt_server.engine.kernels.terms import Floats2, Inputs, Totals

BAND = 1e-9
"""How far beyond the threshold the averages must part, so that rounding never makes a signal."""
BUY, SELL, NONE = 1, -1, 0


class Rule(NamedTuple):
    """One parameter set, ready for comparing sums instead of averages."""

    fast: int
    slow: int
    upper: float
    """Buy where the fast sum is above upper * slow sum."""
    lower: float
    """Sell where it is below lower * slow sum."""


@njit(borrows=True)
def rule_nb(fast: int, slow: int, threshold: float) -> Rule:
    """Turn the parameters into a rule: SMA_f / SMA_w > 1 + h  is  S_f > (1 + h) f / w * S_w."""
    ratio = fast / slow
    return Rule(fast, slow, (1.0 + (threshold + BAND)) * ratio, (1.0 - (threshold + BAND)) * ratio)


@njit(borrows=True)
def signal_nb(tables: Tables, rule: Rule, bar: int) -> int:
    """Decide the signal on a bar's close; the averages must be defined there."""
    head, tail, i = tables.head, tables.tail, bar + 1
    j, k = i - rule.fast, i - rule.slow
    fast = (head[i] - head[j]) + (tail[i] - tail[j])
    slow = (head[i] - head[k]) + (tail[i] - tail[k])
    if fast > rule.upper * slow:
        return BUY
    if fast < rule.lower * slow:
        return SELL
    return NONE


@njit(borrows=True, inlined=True)
def _holds_nb(tables: Tables, rule: Rule, margin: float, bar: int, wanted: int) -> bool:
    """Decide whether a candidate is the wanted signal: as `signal_nb`, whose sums are read only in doubt."""
    head, i = tables.head, bar + 1
    fast, slow = head[i] - head[i - rule.fast], head[i] - head[i - rule.slow]
    sure = fast - rule.upper * slow > margin if wanted == BUY else fast - rule.lower * slow < -margin
    return sure or signal_nb(tables, rule, bar) == wanted


@njit(borrows=True, inlined=True)
def _candidates_nb(tables: Tables, rule: Rule, margin: float, start: int, wanted: int) -> np.uint64:
    """Find which of 64 bars from `start` on may have the wanted signal: certainly all that have."""
    windows = (rule.fast, rule.slow)
    if wanted == BUY:
        return np.uint64(above_mask_nb(tables.head, start + 1, windows, (rule.upper, -margin)))
    return ~np.uint64(above_mask_nb(tables.head, start + 1, windows, (rule.lower, margin)))


@njit(borrows=True, inlined=True)
def _trade_nb(book: Book, fill: int) -> bool:
    """Buy in the bar `fill` if flat, else sell; tell whether it came to that."""
    total, market = book.total, book.market
    hold_nb(book, int(total[NEXT]), fill - 1)
    total[NEXT] = fill
    price = market.open[fill] if book.terms.delay == 1 else market.close[fill]
    if total[SIZE] > 0.0:
        return close_position_nb(book, fill, price, SIGNAL)
    return open_position_nb(book, fill, price, 1, -1.0)


@njit(borrows=True, inlined=True)
def run_ma_cross_nb(book: Book, tables: Tables, rule: Rule) -> None:
    """Run one parameter set long, with nothing that ends a position but a signal, from signal to signal."""
    open_book_nb(book)
    delay, count = book.terms.delay, book.market.close.size
    margin = tables.slack * (1.0 + rule.upper)
    wanted = BUY
    for start in range(rule.slow - 1, count - delay, BITS):
        candidates = _candidates_nb(tables, rule, margin, start, wanted)
        opposite = np.uint64(0)
        opposite_known = False
        left = ~np.uint64(0)
        while candidates & left != 0:
            lowest = lowest_bit_nb(candidates & left)
            bar = start + lowest
            if bar >= count - delay:
                break
            left = ~np.uint64(1) << np.uint64(lowest)
            if _holds_nb(tables, rule, margin, bar, wanted) and _trade_nb(book, bar + delay):
                wanted = -wanted
                if not opposite_known:
                    opposite = _candidates_nb(tables, rule, margin, start, wanted)
                    opposite_known = True
                candidates, opposite = opposite, candidates
    hold_nb(book, int(book.total[NEXT]), count - 1)
    close_book_nb(book)


@njit()
def work_ma_cross_nb(inputs: Inputs, rules: Floats2, totals: Totals, hand: tuple[int, int]) -> None:
    """Run a hand of parameter sets (fast, slow, threshold): from which number on, and every how many."""
    market = inputs.market
    days = np.empty(market.day_ends.size)
    for number in range(hand[0], rules.shape[0], hand[1]):
        rule = rule_nb(int(rules[number, 0]), int(rules[number, 1]), rules[number, 2])
        book = Book(market, inputs.terms, totals.rows[number], days, totals.blocks[number], totals.orders)
        run_ma_cross_nb(book, inputs.tables, rule)
