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


class Rule(NamedTuple):
    """One parameter set, ready for comparing sums instead of averages."""

    fast: int
    slow: int
    upper: float
    """Buy where the fast sum is above upper * slow sum."""
    lower: float
    """Sell where it is below lower * slow sum."""


@njit()
def rule_nb(fast: int, slow: int, threshold: float) -> Rule:
    """Turn the parameters into a rule: SMA_f / SMA_w > 1 + h  is  S_f > (1 + h) f / w * S_w."""
    ratio = fast / slow
    return Rule(fast, slow, (1.0 + (threshold + BAND)) * ratio, (1.0 - (threshold + BAND)) * ratio)


@njit()
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


@njit()
def _run_nb(tables: Tables, rule: Rule, terms: Terms, total: FloatColumn) -> None:
    """Run one parameter set over all bars, from signal to signal."""
    open_account_nb(total, terms)
    stop = tables.rows.shape[0] - terms.delay
    margin = tables.slack * (1.0 + rule.upper)
    head, fast, slow = tables.head, rule.fast, rule.slow
    bought = -1
    for start in range(slow - 1, stop, MASK_BARS):
        buys = sells = np.uint64(0)
        buys_known = sells_known = False
        left = ~np.uint64(0)
        while True:
            if bought < 0:
                if not buys_known:
                    buys = above_mask_nb(head, start + 1, fast, slow, rule.upper, -margin)
                    buys_known = True
                candidates = buys & left
            else:
                if not sells_known:
                    sells = ~above_mask_nb(head, start + 1, fast, slow, rule.lower, margin)
                    sells_known = True
                candidates = sells & left
            if candidates == 0:
                break
            bar = start + lowest_bit_nb(candidates)
            if bar >= stop:
                break
            left = ~(candidates ^ (candidates - np.uint64(1)))
            signal = signal_nb(tables, rule, bar)
            fill = bar + terms.delay
            if bought < 0:
                if signal == BUY and buy_nb(tables, total, terms, fill):
                    bought = fill
            elif signal == SELL:
                hold_nb(tables, total, bought, fill - 1)
                sell_nb(tables, total, terms, fill)
                bought = -1
    close_account_nb(tables, total, bought)


@njit(parallel=True)
def sweep_nb(tables: Tables, rules: Floats2, terms: Terms, totals: Floats2, workers: int) -> None:
    """Run every parameter set (fast, slow, threshold), dealt out to the workers like cards."""
    for worker in prange(workers):
        for number in range(worker, rules.shape[0], workers):
            rule = rule_nb(int(rules[number, 0]), int(rules[number, 1]), rules[number, 2])
            _run_nb(tables, rule, terms, totals[number])
