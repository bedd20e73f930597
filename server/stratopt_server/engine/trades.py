"""Round trips of a run of signals, as vectorbt sees them."""

from typing import Any

import numpy as np

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.report import Trade
from stratopt_server.engine import portfolio
from stratopt_server.engine.kernels.orders import (
    LIQUIDATION,
    O_REASON,
)
from stratopt_server.engine.kernels.terms import Floats2
from stratopt_server.engine.portfolio import Records


def signal_trades(records: Records, bars: Bars, fills: Floats2, carry: FloatColumn) -> tuple[Trade, ...]:
    """Read the trades off vectorbt's records; `carry` is what was paid up to each close.

    A trade pays at the closes before its exit; one that is liquidated also at the close of that bar.

    The profit is taken from sizes and prices: vectorbt's own counts a move of up to 1e-9 as none.
    """
    entry, leave, closed = records["entry_idx"], records["exit_idx"], portfolio.is_closed(records)
    short = portfolio.is_short(records)
    value = records["size"] * records["entry_price"]
    fees = records["entry_fees"] + records["exit_fees"]
    gain = np.where(short, -1.0, 1.0) * (records["size"] * records["exit_price"] - value)
    before = np.concatenate(([0.0], carry))
    last = leave.copy()
    if len(fills) and fills[-1, O_REASON] == LIQUIDATION:
        last[-1] += 1
    paid = before[np.where(closed, last, len(bars))] - before[entry]
    profit = gain - fees - paid
    columns = (
        bars.time[entry],
        records["entry_price"],
        bars.time[leave],
        records["exit_price"],
        records["size"],
        profit,
        profit / value,
        fees,
        short,
        paid,
        closed,
    )
    return tuple(_trade(values) for values in zip(*(column.tolist() for column in columns), strict=True))


def _trade(values: tuple[Any, ...]) -> Trade:
    """Make one trade of a row of `signal_trades`."""
    entry_time, entry_price, exit_time, exit_price, size, profit, return_, fees, short, paid, ended = values
    return Trade(
        entry_time=entry_time,
        entry_price=entry_price,
        exit_time=exit_time if ended else None,
        exit_price=exit_price,
        size=size,
        profit=profit,
        return_=return_,
        fees=fees,
        short=short,
        carry=paid,
    )
