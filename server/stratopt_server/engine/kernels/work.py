"""Runs of strategies that yield signals: of those built in, and of any whose signals are given."""

import numpy as np

from stratopt_server.domain.market import FloatColumn
from stratopt_server.engine.jit import njit
from stratopt_server.engine.kernels.book import Book
from stratopt_server.engine.kernels.rules import DCA, decide_nb
from stratopt_server.engine.kernels.signals import (
    LONG_ENTRY,
    LONG_EXIT,
    SHORT_ENTRY,
    SHORT_EXIT,
    Signals,
    run_signals_nb,
)
from stratopt_server.engine.kernels.terms import Codes, Floats2, Inputs, Totals

DCA_SHARE, DCA_TARGET = 1, 2
"""Columns of dca's parameters that are no rule but a size and a target."""


Flags = tuple[Codes, Codes, Codes, Codes]
"""Long entries and exits, short entries and exits: a byte for each bar, 0 for no, or none at all."""


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
        decide_nb(strategy, market, inputs.tables, rules[number], codes)
        signals = _signals_of_nb(strategy, rules[number], codes)
        book = Book(market, inputs.terms, totals.rows[number], days, totals.blocks[number], totals.orders)
        run_signals_nb(book, signals)


@njit(borrows=True)
def _mark_nb(flags: Codes, bit: int, codes: Codes) -> None:
    """Set a bit of the code of each bar whose flag is set."""
    # Whatever a byte is but 0 is yes: a bit of its own would be another signal.
    mark = np.uint8(bit)
    for bar in range(flags.size):
        codes[bar] |= mark if flags[bar] != 0 else np.uint8(0)


@njit(borrows=True)
def pack_nb(flags: Flags, codes: Codes) -> None:
    """Write flags as codes."""
    codes[:] = 0
    _mark_nb(flags[0], LONG_ENTRY, codes)
    _mark_nb(flags[1], LONG_EXIT, codes)
    _mark_nb(flags[2], SHORT_ENTRY, codes)
    _mark_nb(flags[3], SHORT_EXIT, codes)


@njit()
def work_ready_nb(inputs: Inputs, flags: Flags, signals: Signals, totals: Totals, number: int) -> None:
    """Run signals that are given as flags; the codes of `signals` are room for them."""
    market = inputs.market
    pack_nb(flags, signals.codes)
    days = np.empty(market.day_ends.size)
    book = Book(market, inputs.terms, totals.rows[number], days, totals.blocks[number], totals.orders)
    run_signals_nb(book, signals)
