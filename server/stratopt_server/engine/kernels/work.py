"""One worker's hand of parameter sets of a strategy that yields signals."""

import numpy as np

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.book import Book
from stratopt_server.engine.kernels.rules import DCA, decide_nb
from stratopt_server.engine.kernels.signals import Codes, Signals, run_signals_nb
from stratopt_server.engine.kernels.terms import Floats2, Inputs, Totals

DCA_SHARE, DCA_TARGET = 1, 2
"""Columns of dca's parameters that are no rule but a size and a target."""


@njit()
def _signals_of_nb(strategy: int, rule: FloatColumn, codes: Codes) -> Signals:
    """Put a built-in strategy's signals together with the size and the target that are its own."""
    none = rule[:0]
    if strategy == DCA:
        share, target = rule[DCA_SHARE : DCA_SHARE + 1], rule[DCA_TARGET : DCA_TARGET + 1]
        return Signals(codes, share, none, target, True, True)  # noqa: FBT003 - numba takes no keywords here
    return Signals(codes, none, none, none, False, False)  # noqa: FBT003


@njit()
def work_signals_nb(
    strategy: int, inputs: Inputs, rules: Floats2, totals: Totals, hand: tuple[int, int]
) -> None:
    """Run a hand of a strategy's parameter sets: from which number on, and every how many."""
    market = inputs.market
    codes = np.empty(market.close.size, dtype=np.uint8)
    days = np.empty(market.day_ends.size)
    for number in range(hand[0], rules.shape[0], hand[1]):
        codes[:] = 0
        decide_nb(strategy, market, inputs.tables, rules[number], codes)
        signals = _signals_of_nb(strategy, rules[number], codes)
        book = Book(market, inputs.terms, totals.rows[number], days, totals.blocks[number], totals.orders)
        run_signals_nb(book, signals)
