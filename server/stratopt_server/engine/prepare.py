"""Bars and terms made ready for the kernels."""

import numpy as np

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.runs import Fill, RunTerms
from stratopt_server.engine.kernels.account import Terms
from stratopt_server.engine.kernels.tables import Tables, build_tables


def check_bars(bars: Bars) -> None:
    """Raise ValueError unless there are bars, in ascending time, with finite opens and closes above 0."""
    if len(bars) == 0:
        raise ValueError("there are no bars to run on")
    if np.any(np.diff(bars.time) <= 0):
        raise ValueError("the bars are not in ascending time")
    for name, column in (("open", bars.open), ("close", bars.close)):
        if not np.all((column > 0) & (column < np.inf)):
            raise ValueError(f"the bars have an {name} price that is not finite and above 0")


def plain(column: FloatColumn) -> FloatColumn:
    """View a column as kernels are compiled for: contiguous, read-only, no subclass such as a memory map."""
    view = np.ascontiguousarray(column, dtype=np.float64).view(np.ndarray)
    view.flags.writeable = False
    return view


def prepare(bars: Bars, fill: Fill) -> Tables:
    """Check the bars and build their tables."""
    check_bars(bars)
    close = plain(bars.close)
    return build_tables(plain(bars.open) if fill is Fill.NEXT_OPEN else close, close)


def account_terms(terms: RunTerms) -> Terms:
    """Write the terms as kernels read them."""
    costs = terms.costs
    delay = 1 if terms.fill is Fill.NEXT_OPEN else 0
    return Terms(float(costs.taker_fee), float(costs.slippage), float(terms.initial_cash), delay)
