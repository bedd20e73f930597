"""Round trips of a run: of signals as vectorbt sees them, of a grid slot by slot."""

import numpy as np

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.report import Trade
from stratopt_server.engine import portfolio
from stratopt_server.engine.kernels.orders import O_BAR, O_FEE, O_PRICE, O_SIZE, O_SLOT
from stratopt_server.engine.kernels.terms import Floats2
from stratopt_server.engine.portfolio import Records


def signal_trades(records: Records, bars: Bars, carry: FloatColumn) -> tuple[Trade, ...]:
    """Read the trades off vectorbt's records; `carry` is what was paid up to each close.

    The profit is taken from sizes and prices: vectorbt's own counts a move of up to 1e-9 as none.
    """
    entry, leave, closed = records["entry_idx"], records["exit_idx"], portfolio.is_closed(records)
    short = portfolio.is_short(records)
    value = records["size"] * records["entry_price"]
    fees = records["entry_fees"] + records["exit_fees"]
    gain = np.where(short, -1.0, 1.0) * (records["size"] * records["exit_price"] - value)
    before = np.concatenate(([0.0], carry))
    paid = before[np.where(closed, leave, len(bars))] - before[entry]
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
    return tuple(_trade(*values) for values in zip(*(column.tolist() for column in columns), strict=True))


def grid_trades(fills: Floats2, bars: Bars, carry: FloatColumn) -> tuple[Trade, ...]:
    """Pair each slot's buy with its sale; slots still held come last, at the last close.

    What funding was paid is shared among trades by what they held while it was paid.
    """
    open_slots: dict[int, list[float]] = {}
    trades = []
    rates = _carry_rate(fills, carry)
    for fill in fills.tolist():
        if fill[O_SIZE] > 0:
            open_slots[int(fill[O_SLOT])] = fill
        else:
            trades.append(_pair(open_slots.pop(int(fill[O_SLOT])), fill, bars, rates))
    return (*trades, *(_pair(bought, None, bars, rates) for bought in open_slots.values()))


def _carry_rate(fills: Floats2, carry: FloatColumn) -> FloatColumn:
    """Sum, up to each bar, of what was paid for each unit held; zeros where nothing was."""
    if not np.any(carry):
        return np.zeros(len(carry) + 1)
    changes = np.zeros(len(carry))
    np.add.at(changes, fills[:, O_BAR].astype(np.int64), fills[:, O_SIZE])
    held = np.cumsum(changes)
    paid = np.diff(carry, prepend=0.0)
    rate = np.divide(paid, held, out=np.zeros(len(carry)), where=paid != 0)
    return np.concatenate(([0.0], np.cumsum(rate)))


def _pair(bought: list[float], sold: list[float] | None, bars: Bars, rates: FloatColumn) -> Trade:
    """Make the trade of a buy and, where it came to that, its sale."""
    size, entry = bought[O_SIZE], int(bought[O_BAR])
    value = size * bought[O_PRICE]
    price = float(bars.close[-1]) if sold is None else sold[O_PRICE]
    fees = bought[O_FEE] + (0.0 if sold is None else sold[O_FEE])
    leave = len(bars) - 1 if sold is None else int(sold[O_BAR])
    paid = size * float(rates[len(bars) if sold is None else leave] - rates[entry])
    profit = size * price - value - fees - paid
    return _trade(
        int(bars.time[entry]),
        bought[O_PRICE],
        int(bars.time[leave]),
        price,
        size,
        profit,
        profit / value,
        fees,
        False,  # noqa: FBT003 - a row of values, as `signal_trades` makes them
        paid,
        sold is not None,
    )


def _trade(  # noqa: PLR0917 - a row of values
    entry_time: int,
    entry_price: float,
    exit_time: int,
    exit_price: float,
    size: float,
    profit: float,
    return_: float,
    fees: float,
    short: bool,
    carry: float,
    closed: bool,
) -> Trade:
    """Make one trade of a row of values."""
    return Trade(
        entry_time=entry_time,
        entry_price=entry_price,
        exit_time=exit_time if closed else None,
        exit_price=exit_price,
        size=size,
        profit=profit,
        return_=return_,
        fees=fees,
        short=short,
        carry=carry,
    )
