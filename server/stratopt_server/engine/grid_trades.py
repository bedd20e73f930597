"""Round trips of a grid, slot by slot; without vectorbt, which takes seconds and a search has no use for."""

from stratopt_server.domain.market import Bars
from stratopt_server.domain.report import Trade
from stratopt_server.engine.kernels.orders import O_BAR, O_FEE, O_PRICE, O_SIZE, O_SLOT
from stratopt_server.engine.kernels.terms import Floats2


def grid_trades(fills: Floats2, bars: Bars) -> tuple[Trade, ...]:
    """Pair each slot's buy with its sale; slots still held come last, at the last close."""
    open_slots: dict[int, list[float]] = {}
    trades = []
    for fill in fills.tolist():
        if fill[O_SIZE] > 0:
            open_slots[int(fill[O_SLOT])] = fill
        else:
            trades.append(_pair(open_slots.pop(int(fill[O_SLOT])), fill, bars))
    return (*trades, *(_pair(bought, None, bars) for bought in open_slots.values()))


def _pair(bought: list[float], sold: list[float] | None, bars: Bars) -> Trade:
    """Make the trade of a buy and, where it came to that, its sale."""
    size, value = bought[O_SIZE], bought[O_SIZE] * bought[O_PRICE]
    price = float(bars.close[-1]) if sold is None else sold[O_PRICE]
    fees = bought[O_FEE] + (0.0 if sold is None else sold[O_FEE])
    profit = size * price - value - fees
    return Trade(
        entry_time=int(bars.time[int(bought[O_BAR])]),
        entry_price=bought[O_PRICE],
        exit_time=None if sold is None else int(bars.time[int(sold[O_BAR])]),
        exit_price=price,
        size=size,
        profit=profit,
        return_=profit / value,
        fees=fees,
    )
