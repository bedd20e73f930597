"""The fills of a run as a vectorbt Portfolio. The only module that imports vectorbt, which takes seconds."""

from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from numpy.typing import NDArray

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.engine.kernels.lows import TAIL
from stratopt_server.engine.kernels.orders import O_BAR, O_FEE, O_PRICE, O_SIZE, ORDER
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


def holding(bars: Bars, initial_cash: float) -> FloatColumn:
    """Compute the value at every close of buying at the first open, without costs, and holding."""
    bought = np.zeros((1, ORDER))
    bought[0, O_PRICE] = bars.open[0]
    bought[0, O_SIZE] = initial_cash / bars.open[0]
    value: FloatColumn = portfolio_of(bars, bought, initial_cash).value().to_numpy()
    return value


def drawdown_of(equity: FloatColumn, initial_cash: float) -> FloatColumn:
    """Compute the fall of equity from its peak so far, a positive fraction; the initial cash is a peak."""
    account: Any = pd.Series(np.concatenate(([initial_cash], equity)))
    fall: FloatColumn = account.vbt.drawdown().to_numpy()
    return 0.0 - fall[1:]


def stats_of(
    equity: FloatColumn, returns: FloatColumn, days: FloatColumn, *, initial_cash: float, bars_per_year: float
) -> dict[str, float]:
    """Compute with vectorbt the figures that it defines as `Metrics` does.

    `returns` are those of each bar, `days` those of each UTC day. A figure that is not defined is
    infinite or NaN. What it defines otherwise, or not at all, is not here: its cagr and calmar_ratio multiply
    rounding up over the bars, its profit_factor and expectancy count a move of up to 1e-9 as none and know
    no carry, and skewness, kurtosis, turnover and exposure are none of its figures.
    """
    nb = vbt.returns.nb
    return {
        "total_return": float(equity[-1] / initial_cash - 1.0),
        "sharpe_ratio": float(nb.sharpe_ratio_1d_nb(returns, bars_per_year)),
        "sortino_ratio": float(nb.sortino_ratio_1d_nb(returns, bars_per_year)),
        "volatility": float(nb.annualized_volatility_1d_nb(returns, bars_per_year)),
        "max_drawdown": float(drawdown_of(equity, initial_cash).max()),
        "var_95": -float(nb.value_at_risk_1d_nb(days, TAIL)),
        "cvar_95": -float(nb.cond_value_at_risk_1d_nb(days, TAIL)),
    }


def compounded(returns: FloatColumn) -> float:
    """Compute the return of several bars together."""
    return float(vbt.returns.nb.cum_returns_final_1d_nb(returns))


def falls(equity: FloatColumn) -> Records:
    """Find the drawdowns of an equity: vectorbt's records of peak, valley and recovery."""
    found: Records = vbt.Drawdowns.from_ts(pd.Series(equity), engine="numba").records_arr
    return found
