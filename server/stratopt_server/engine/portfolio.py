"""The fills of a run as a vectorbt Portfolio. The only module that imports vectorbt, which takes seconds."""

from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.engine.kernels.orders import O_BAR, O_FEE, O_PRICE, O_SIZE
from stratopt_server.engine.kernels.terms import Floats2

Records = NDArray[Any]
RECOVERED: int = vbt.generic.enums.DrawdownStatus.Recovered
"""Status of a drawdown that has ended."""


def portfolio_of(bars: Bars, fills: Floats2, initial_cash: float) -> Any:
    """Make the Portfolio of the fills, several of them in one bar where it came to that."""
    enums = vbt.portfolio.enums
    records = np.zeros(len(fills), dtype=enums.order_dt)
    records["id"] = np.arange(len(fills))
    records["idx"] = fills[:, O_BAR]
    records["size"] = np.abs(fills[:, O_SIZE])
    records["price"] = fills[:, O_PRICE]
    records["fees"] = fills[:, O_FEE]
    records["side"] = np.where(fills[:, O_SIZE] > 0, enums.OrderSide.Buy, enums.OrderSide.Sell)
    # Bars are numbered, not dated: vectorbt takes seconds over an index of times.
    close = pd.Series(np.asarray(bars.close))
    return vbt.Portfolio(
        vbt.ArrayWrapper.from_obj(close),
        close,
        records,
        np.empty(0, dtype=enums.log_dt),
        np.array([float(initial_cash)]),
        cash_sharing=False,
        fillna_close=True,
        trades_type="exittrades",
        # vectorbt-rust, where it is installed, would be chosen by itself; one engine everywhere.
        engine="numba",
    )


def round_trips(portfolio: Any) -> Records:
    """Read vectorbt's records of the round trips, in order of their exits."""
    records: Records = portfolio.trades.records_arr
    return records


def is_closed(records: Records) -> NDArray[np.bool_]:
    """Tell which round trips have ended."""
    closed: NDArray[np.bool_] = records["status"] == vbt.portfolio.enums.TradeStatus.Closed
    return closed


def is_short(records: Records) -> NDArray[np.bool_]:
    """Tell which round trips sold first."""
    short: NDArray[np.bool_] = records["direction"] == vbt.portfolio.enums.TradeDirection.Short
    return short


def falls(equity: FloatColumn) -> Records:
    """Find the drawdowns of an equity: vectorbt's records of peak, valley and recovery."""
    found: Records = vbt.Drawdowns.from_ts(pd.Series(equity), engine="numba").records_arr
    return found
