"""The report of one run: the second path to the same truth as the sweep.

Only the fills are shared with the sweep. Equity is booked anew from them, trades and drawdowns come from
vectorbt's Portfolio of the same fills, and vectorbt's own equity must be the same.
"""

from typing import Any

import numpy as np

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.report import Report, ReportSeries
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.kernels.orders import O_FEE, O_PRICE, O_SIZE
from stratopt_server.engine.measure import Paid, measure
from stratopt_server.engine.metrics import RELATIVE, disagreements
from stratopt_server.engine.names import GRID
from stratopt_server.engine.portfolio import portfolio_of, round_trips
from stratopt_server.engine.replay import Replay, replay
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.engine.trades import grid_trades, signal_trades

__all__ = ["PathsDisagree", "disagreements", "make_report", "preload"]


class PathsDisagree(AssertionError):
    """vectorbt and we book the same fills differently: a fault of ours or of vectorbt's."""


def make_report(kernel: str, bars: Bars, params: Params, terms: RunTerms) -> Report:
    """Run one parameter set and keep everything.

    KeyError for an unknown kernel, ValueError for parameters or bars that it cannot run on.
    """
    sweeper = Sweeper(kernel, bars, terms)
    fills, swept = sweeper.orders(params)
    booked = replay(sweeper.market, fills, terms)
    portfolio = portfolio_of(bars, fills, terms.initial_cash)
    _compare(portfolio, booked, terms.initial_cash)
    series = ReportSeries(
        time=bars.time,
        equity=booked.equity,
        drawdown=_drawdown(booked.equity, terms.initial_cash),
        position=booked.position,
        benchmark_equity=terms.initial_cash * bars.close / bars.open[0],
    )
    if kernel == GRID:
        trades = grid_trades(fills, bars)
    else:
        trades = signal_trades(round_trips(portfolio), bars, fills, booked.carry)
    paid = Paid(
        fees=float(fills[:, O_FEE].sum()),
        traded=float(np.abs(fills[:, O_SIZE] * fills[:, O_PRICE]).sum()),
        carry=float(booked.carry[-1]),
    )
    metrics = Metrics(**measure(series, trades, terms, paid), **_counted(swept))
    return Report(metrics, series, trades)


def _counted(swept: Metrics) -> dict[str, Any]:
    """Take over what no fill shows: the orders that were refused, and how the run ended."""
    names = ("refused_min_notional", "refused_lot_size", "refused_no_cash", "refused_no_volume", "run_status")
    return {name: getattr(swept, name) for name in names}


def _compare(portfolio: Any, booked: Replay, initial_cash: float) -> None:
    """Raise PathsDisagree unless vectorbt finds the same equity from the same fills."""
    theirs = portfolio.value().to_numpy() - booked.carry
    scale = np.maximum.accumulate(np.maximum(np.abs(booked.equity), initial_cash))
    worst = float(np.max(np.abs(theirs - booked.equity) / scale))
    if not worst <= RELATIVE:
        raise PathsDisagree(f"vectorbt's equity differs from ours by {worst:.3g} of the account")


def _drawdown(equity: FloatColumn, initial_cash: float) -> FloatColumn:
    """Fall of equity from its peak so far; the initial cash is a peak."""
    peak = np.maximum(np.maximum.accumulate(equity), initial_cash)
    return (peak - equity) / peak


def preload() -> None:
    """Compile what a report needs of vectorbt, or load it from numba's cache."""
    prices = np.array([1.0, 1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0])
    bars = Bars(np.arange(prices.size), prices, prices, prices, prices, prices)
    params: Params = {"fast_period": 1, "slow_period": 2, "signal_threshold": 0.0}
    for fill in Fill:
        costs = Costs(taker_fee=0.001, slippage=0.001)
        make_report(
            "ma_cross", bars, params, RunTerms(costs=costs, initial_cash=1.0, fill=fill, bars_per_year=1.0)
        )
