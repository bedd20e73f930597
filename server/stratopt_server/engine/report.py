"""The report of one run: the second path to the same truth as the sweep.

Only the fills are shared with the sweep. Equity is booked anew from them, and that of vectorbt's Portfolio of
the same fills must be the same. Trades, drawdowns, buy and hold, and every figure that vectorbt defines as
`Metrics` does come from vectorbt; so where the sweep's figures must be the report's, they must be vectorbt's.
"""

import math
from typing import Any

import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.report import Report, ReportSeries
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.grid_trades import grid_trades
from stratopt_server.engine.kernels.orders import O_FEE, O_PRICE, O_SIZE
from stratopt_server.engine.measure import Paid, changes, measure
from stratopt_server.engine.metrics import RELATIVE, disagreements
from stratopt_server.engine.names import GRID
from stratopt_server.engine.portfolio import drawdown_of, holding, portfolio_of, round_trips, stats_of
from stratopt_server.engine.prepare import day_ends
from stratopt_server.engine.replay import Replay, replay
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.engine.trades import signal_trades

__all__ = ["PathsDisagree", "disagreements", "make_report", "preload"]


class PathsDisagree(AssertionError):
    """Sweep and report, or vectorbt and we, see the same fills differently: a fault of ours or theirs."""


def make_report(
    kernel: str, bars: Bars, params: Params, terms: RunTerms, *, fills_max: int | None = None
) -> Report:
    """Run one parameter set and keep everything.

    KeyError for an unknown kernel, ValueError for parameters or bars that it cannot run on, TooManyFills for
    a run of more than `fills_max`, PathsDisagree where sweep and report differ.
    """
    sweeper = Sweeper(kernel, bars, terms)
    fills, swept = sweeper.orders(params, fills_max=fills_max)
    booked = replay(sweeper.market, fills, terms)
    portfolio = portfolio_of(bars, fills, terms.initial_cash)
    _compare(portfolio, booked, terms.initial_cash)
    series = ReportSeries(
        time=bars.time,
        equity=booked.equity,
        drawdown=drawdown_of(booked.equity, terms.initial_cash),
        position=booked.position,
        benchmark_equity=holding(bars, terms.initial_cash),
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
    figures = measure(series, trades, terms, paid)
    metrics = Metrics(**{**figures, **_theirs(series, terms, figures)}, **_counted(swept))
    if differences := disagreements(swept, metrics):
        raise PathsDisagree("; ".join(differences))
    return Report(metrics, series, trades)


def _theirs(series: ReportSeries, terms: RunTerms, figures: dict[str, Any]) -> dict[str, float]:
    """Have vectorbt compute what it defines as we do; whether a figure is defined at all is ours to say.

    Of a single bar vectorbt defines none of them.
    """
    days = changes(series.equity[day_ends(series.time)], terms.initial_cash)
    found = stats_of(
        series.equity,
        changes(series.equity, terms.initial_cash),
        days,
        initial_cash=terms.initial_cash,
        bars_per_year=terms.bars_per_year,
    )
    return {
        name: value + 0.0
        for name, value in found.items()
        if figures[name] is not None and not math.isnan(value)
    }


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
