"""What each completed round trip earned, from the fills of a run, without vectorbt: a search has none."""

import numpy as np

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.engine.grid_trades import grid_trades
from stratopt_server.engine.kernels.orders import O_FEE, O_PRICE, O_SIZE, TINY
from stratopt_server.engine.kernels.terms import Floats2
from stratopt_server.engine.names import GRID


def round_trip_returns(kernel: str, fills: Floats2, bars: Bars) -> FloatColumn:
    """Profit after costs / value at entry of each completed round trip, in order of exits.

    Of a grid each slot's buy and sale is one; of others, all fills from flat to flat.
    """
    if kernel == GRID:
        trades = grid_trades(fills, bars)
        return np.array([trade.return_ for trade in trades if trade.exit_time is not None])
    returns: list[float] = []
    held = flow = entered = 0.0
    for size, price, fee in fills[:, [O_SIZE, O_PRICE, O_FEE]].tolist():
        adds = held * size >= 0.0
        entered += abs(size) * price if adds else 0.0
        flow -= size * price + fee
        held += size
        if not adds and abs(held) <= TINY * abs(size):
            returns.append(flow / entered)
            held = flow = entered = 0.0
    return np.array(returns)
