"""The moving average cross: long while the fast average stands above the slow one.

Signals are looked for 64 bars at a time with rounded sums and some slack; every candidate is then
decided by `signal_nb`, the one definition that the report uses too. So both see the same booleans.
"""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.account import (
    BOUGHT,
    NEXT,
    Terms,
    buy_nb,
    close_account_nb,
    hold_nb,
    open_account_nb,
    sell_nb,
)
from stratopt_server.engine.kernels.bits import above_mask_nb, lowest_bit_nb
from stratopt_server.engine.kernels.tables import MASK_BARS, Floats2, Tables

BAND = 1e-9
"""How far beyond the threshold the averages must part, so that rounding never makes a signal."""
BUY, SELL, NONE = 1, -1, 0
STRETCH = 2048
"""Bars that all sets pass before the next: their rows of the tables fit a core's own cache."""


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


@njit()
def signals_nb(tables: Tables, rules: Floats2) -> NDArray[np.int8]:
    """Decide the signal of every bar for the first parameter set (fast, slow, threshold)."""
    rule = rule_nb(int(rules[0, 0]), int(rules[0, 1]), rules[0, 2])
    count = tables.rows.shape[0]
    found = np.zeros(count, dtype=np.int8)
    for bar in range(rule.slow - 1, count):
        found[bar] = signal_nb(tables, rule, bar)
    return found


@njit(borrows=True)
def _holds_nb(tables: Tables, rule: Rule, margin: float, bar: int, wanted: int) -> bool:
    """Decide whether a candidate is the wanted signal: as `signal_nb`, whose sums are read only in doubt."""
    head, i = tables.head, bar + 1
    fast, slow = head[i] - head[i - rule.fast], head[i] - head[i - rule.slow]
    sure = fast - rule.upper * slow > margin if wanted == BUY else fast - rule.lower * slow < -margin
    return sure or signal_nb(tables, rule, bar) == wanted


@njit(borrows=True)
def _candidates_nb(tables: Tables, rule: Rule, margin: float, start: int, wanted: int) -> np.uint64:
    """Find which of 64 bars from `start` on may have the wanted signal: certainly all that have."""
    windows = (rule.fast, rule.slow)
    if wanted == BUY:
        return np.uint64(above_mask_nb(tables.head, start + 1, windows, (rule.upper, -margin)))
    return ~np.uint64(above_mask_nb(tables.head, start + 1, windows, (rule.lower, margin)))


@njit(borrows=True)
def _trade_nb(tables: Tables, terms: Terms, total: FloatColumn, fill: int) -> bool:
    """Trade on the bar `fill`: buy if flat, else sell. Tell whether it came to that."""
    bought = int(total[BOUGHT])
    if bought < 0:
        return buy_nb(tables, total, terms, fill)
    hold_nb(tables, total, bought, fill - 1)
    sell_nb(tables, total, terms, fill - 1)
    return True


@njit(borrows=True)
def _advance_nb(tables: Tables, rule: Rule, terms: Terms, total: FloatColumn, until: int) -> None:
    """Run one parameter set on, from signal to signal, over the words of bars that begin before `until`."""
    stop = tables.rows.shape[0] - terms.delay
    margin = tables.slack * (1.0 + rule.upper)
    wanted = BUY if total[BOUGHT] < 0 else SELL
    start = max(int(total[NEXT]), rule.slow - 1)
    while start < until:
        candidates = _candidates_nb(tables, rule, margin, start, wanted)
        opposite = np.uint64(0)
        opposite_known = False
        left = ~np.uint64(0)
        while candidates & left != 0:
            lowest = lowest_bit_nb(candidates & left)
            bar = start + lowest
            if bar >= stop:
                break
            left = ~np.uint64(1) << np.uint64(lowest)
            if _holds_nb(tables, rule, margin, bar, wanted) and _trade_nb(
                tables, terms, total, bar + terms.delay
            ):
                wanted = -wanted
                if not opposite_known:
                    opposite = _candidates_nb(tables, rule, margin, start, wanted)
                    opposite_known = True
                candidates, opposite = opposite, candidates
        start += MASK_BARS
    total[NEXT] = start


@njit(borrows=True)
def _work_nb(tables: Tables, rules: Floats2, terms: Terms, totals: Floats2, hand: tuple[int, int]) -> None:
    """Run one worker's hand of parameter sets: from which number on, and every how many.

    All of them pass one stretch of bars before the next, while it lies in the core's cache.
    """
    first_set, step = hand
    stop = tables.rows.shape[0] - terms.delay
    for number in range(first_set, rules.shape[0], step):
        open_account_nb(totals[number], terms)
    for first in range(0, stop, STRETCH):
        until = min(first + STRETCH, stop)
        for number in range(first_set, rules.shape[0], step):
            rule = rule_nb(int(rules[number, 0]), int(rules[number, 1]), rules[number, 2])
            _advance_nb(tables, rule, terms, totals[number], until)
    for number in range(first_set, rules.shape[0], step):
        close_account_nb(tables, totals[number])


@njit(parallel=True)
def sweep_nb(tables: Tables, rules: Floats2, terms: Terms, totals: Floats2, workers: int) -> None:
    """Run every parameter set (fast, slow, threshold), dealt out to the workers like cards."""
    for worker in prange(workers):
        _work_nb(tables, rules, terms, totals, (worker, workers))
